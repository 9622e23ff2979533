"""`cni-bridge plan`: what ADD would do is what ADD then does, and nothing is done for it."""

import json
from typing import Any

import pytest

from tests.kernel.conftest import MakeNetwork
from tests.lab import Host, Network
from tests.lab.iproute import ip
from tests.lab.network import Attachment
from tests.lab.people import command, printed, settled


@pytest.fixture
def version() -> str:
    """Return what people see does not depend on the spec version."""
    return "1.1.0"


def steps(host: Host, network: Network, **config: Any) -> list[tuple[str, str]]:
    """Mark and text of each step for the host's first container."""
    environment, stdin = network.call("ADD", Attachment(host.containers[0]), config=config)
    run = command("plan", "--json", stdin=stdin, environment=environment)
    assert run.stderr == "", run
    return [(step["mark"], step["text"]) for step in json.loads(run.stdout)["steps"]]


def test_what_would_be_made_is_what_add_makes(host: Host, network: Network) -> None:
    container = host.container()
    before = settled(host)
    texts = [text for mark, text in steps(host, network) if mark == "+"]
    assert settled(host) == before, "planning changed something"
    result = network.add(container).result()
    bridge, outer, inner = result["interfaces"]
    assert f"bridge {bridge['name']}, MAC {bridge['mac']}" in texts
    assert f"veth pair {outer['name']} to {inner['name']}, MAC {inner['mac']}" in texts
    for granted in result["ips"]:
        assert f"lease {granted['address']}, gateway {granted['gateway']}" in texts
        assert f"address {granted['address']} on eth0" in texts


def test_what_is_there_already_is_marked(host: Host, network: Network) -> None:
    host.container()
    network.add(host.container()).result()
    marks = {text: mark for mark, text in steps(host, network)}
    assert marks["address 10.88.0.1/16 on cni0"] == "="
    assert marks["sysctl net/ipv4/ip_forward = 1"] == "="
    assert marks["lease 10.88.0.3/16, gateway 10.88.0.1"] == "+"


def blocked(found: list[tuple[str, str]]) -> list[str]:
    """Return the texts of what would make the ADD fail."""
    return [text for mark, text in found if mark == "!"]


def test_a_second_add_would_fail(host: Host, network: Network) -> None:
    network.add(host.container()).result()
    assert blocked(steps(host, network)) == [
        "c1 eth0 on testnet is recorded already: send DEL first"
    ]


def test_a_taken_address_a_taken_name_and_a_wrong_bridge_would_fail(
    host: Host, make_network: MakeNetwork
) -> None:
    first = host.container()
    network = make_network()
    network.add(host.container()).result()
    first.ip("link", "add", "eth0", "type", "veth", "peer", "name", "x")
    ip("link", "add", "mine", "type", "veth", "peer", "name", "y")
    found = steps(host, network, bridge="mine", args={"cni": {"ips": ["10.88.0.2"]}})
    assert blocked(found) == [
        "10.88.0.2 is held by c2 eth0",
        "mine is veth, not a bridge",
        "eth0 exists already",
    ]
    first.ip("link", "del", "eth0")
    ip("link", "del", "mine")


def test_a_bridge_with_another_address_would_fail_unless_it_may_be_replaced(
    host: Host, network: Network
) -> None:
    network.add(host.container()).result()
    other = {"name": "other", "ipam": {"type": "cni-bridge", "subnet": "10.77.0.0/24"}}
    text = "address 10.77.0.1/24 on cni0 in place of 10.88.0.1/16"
    host.container()
    assert ("!", text) in steps(host, network, **other)
    assert ("+", text) in steps(host, network, **other, forceAddress=True)


def test_a_namespace_that_is_none_would_fail(host: Host, network: Network) -> None:
    environment, stdin = network.call("ADD", Attachment(host.container()))
    run = command("plan", stdin=stdin, environment=environment | {"CNI_NETNS": "/etc"})
    assert run.status == 1
    assert "/etc is not a network namespace" in run.stdout


def test_a_list_without_variables_is_planned_for_an_example(host: Host, network: Network) -> None:
    plugin = {key: value for key, value in network.config.items() if key != "name"}
    conflist = {"cniVersion": "1.1.0", "name": "web", "plugins": [{"type": "x"}, plugin]}
    assert "record example eth0 on web" in printed("plan", stdin=json.dumps(conflist))


def test_diff_is_silent_about_what_add_made_and_names_each_change(
    host: Host, network: Network
) -> None:
    container = host.container()
    network.add(container).result()
    environment, stdin = network.call("ADD", Attachment(container))
    assert "as planned" in printed("plan", "--diff", stdin=stdin, environment=environment)
    container.ip("link", "set", "eth0", "down")
    run = command("plan", "--diff", stdin=stdin, environment=environment)
    assert run.status == 1
    assert "interface eth0: expected up, found down" in run.stderr


def test_diff_without_a_namespace_is_an_error(host: Host, network: Network) -> None:
    run = command("plan", "--diff", stdin=json.dumps(network.config))
    assert run.status == 1
    assert "--diff needs CNI_NETNS" in run.stderr


def test_another_ipam_plugin_is_named_and_not_run(host: Host, make_network: MakeNetwork) -> None:
    host.container()
    network = make_network()
    texts = [text for _, text in steps(host, network, ipam={"type": "dhcp"})]
    assert "addresses from IPAM plugin dhcp, which is not run now" in texts


def test_the_firewalls_part_is_planned_too(host: Host, network: Network) -> None:
    host.container()
    mapping = {"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}
    changes = {"ipMasq": True, "isolation": "strict", "runtimeConfig": {"portMappings": [mapping]}}
    texts = [text for _, text in steps(host, network, **changes)]
    assert "masquerade what 10.88.0.0/16, fd00:88::/64 sends elsewhere" in texts
    assert "publish tcp 8080 to port 80 of 10.88.0.2, fd00:88::2" in texts
    assert "isolation from other networks: strict" in texts
    (pair,) = (place for place, text in enumerate(texts) if text.startswith("veth pair "))
    assert texts[pair - 1] == "isolation from other networks: strict", "the rules stand first"
