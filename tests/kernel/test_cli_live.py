"""`cni-bridge publish` and `unpublish`: what they change of a running container, and what they leave."""

import json
import os
import re
import socket
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from cni_bridge.cli import publish as publish_command
from cni_bridge.cli import running
from cni_bridge.errors import TryAgainLater
from cni_bridge.firewall import apply as firewall
from tests.kernel.conftest import MakeNetwork
from tests.lab import PLUGIN, Container, Host, Json, Network, dns
from tests.lab.echo import Conversation
from tests.lab.iproute import ip_json
from tests.lab.nft import nft, ports
from tests.lab.people import command, on_terminal, printed, printed_json
from tests.lab.publish import mapping, publish, publishing
from tests.lab.state import LEDGER
from tests.lab.town import Town
from tests.lab.waiting import wait_until
from tests.traffic.rows import published


@pytest.fixture
def version() -> str:
    """Ports are the same in every version of the spec."""
    return "1.1.0"


def where(path: Path, *networks: Network) -> tuple[str, str]:
    """Write the configs; return the option that names their directory."""
    for each in networks:
        (path / f"{each.config['name']}.conf").write_text(json.dumps(each.config))
    return "--conf-dir", str(path)


@pytest.fixture
def conf(tmp_path: Path, network: Network) -> tuple[str, str]:
    """Return the option for the config of `network`."""
    return where(tmp_path, network)


def flags_of(network: Network) -> Json:
    """Return the flags of the network's bridge port."""
    ports = ip_json("-d", "link", "show", "master", network.bridge)
    flags: Json = ports[0]["linkinfo"]["info_slave_data"]
    return {key: flags[key] for key in ("hairpin", "isolated")}


def test_a_port_of_a_running_container_is_published_and_taken_back(
    host: Host, network: Network, conf: tuple[str, str]
) -> None:
    """The network has no firewall key and the container no port before."""
    container = host.container()
    network.add(container).result()
    text = printed("publish", container.name, "8080:80", "5353:53/udp", *conf)
    assert text == "c1 on testnet publishes 8080/tcp to 80, 5353/udp to 53\n"
    assert ports("port4") == ["tcp 8080 -> 10.88.0.2 80", "udp 5353 -> 10.88.0.2 53"]
    network.check(container).assert_silent_success()
    assert "8080/tcp to 80" in printed("show")
    printed("publish", container.name, "8080:80", *conf)  # twice is as well
    found = printed_json("unpublish", container.name, "8080", "--json", *conf)
    (left,) = found["attachments"]
    assert {each["host_port"] for each in left["ports"]} == {5353}
    network.check(container).assert_silent_success()
    printed("unpublish", container.name, "5353/udp", *conf)
    network.check(container).assert_silent_success()
    network.delete(container).assert_silent_success()
    assert ports("port4") == ports("port6") == []


def test_ports_that_come_too_late_leave_what_was_added_meanwhile_protected(
    host: Host, make_network: MakeNetwork, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    network, container = make_network(ipMasq=True), host.container()
    network.add(container).result()
    _, directory = where(tmp_path, network)
    (own,) = running.attachments(container.name, "testnet", directory)
    apply = firewall.apply

    def apply_late(*arguments: Any, **keywords: Any) -> object:
        network.delete(container).assert_silent_success()
        network.add(container).result()
        return apply(*arguments, **keywords)

    monkeypatch.setattr(firewall, "apply", apply_late)
    with pytest.raises(TryAgainLater):
        publish_command.publish(own, directory, [mapping(8080)])
    own.ledger.close()
    assert ports("port4") == []
    network.check(container).assert_silent_success()


def test_a_free_port_is_picked_and_told(
    host: Host, network: Network, conf: tuple[str, str]
) -> None:
    container = host.container()
    network.add(container).result()
    text = printed("publish", container.name, "0:80", *conf)
    told = re.fullmatch(r"c1 on testnet publishes ([0-9]+)/tcp to 80\n", text)
    assert told, text
    assert ports("port4") == [f"tcp {told[1]} -> 10.88.0.2 80"]
    assert [each.split()[:2] for each in ports("port6")] == [["tcp", told[1]]]
    text = printed("publish", container.name, "0:8000-8001/udp", *conf)
    assert set(re.findall(r"[0-9]+/udp to ([0-9]+)", text)) == {"8000", "8001"}
    network.check(container).assert_silent_success()
    assert "HOST_PORT 0 picks" in command("publish", container.name, "80:0", *conf).stderr
    printed("unpublish", container.name, told[1], *conf)


def test_a_network_of_another_directory_has_its_ledger_found(
    host: Host, network: Network, tmp_path: Path
) -> None:
    network.config["ipam"]["dataDir"] = str(tmp_path / "data")
    conf = where(tmp_path, network)
    container = host.container()
    network.add(container).result()
    assert "c1 on testnet: ingress none" in printed("limit", container.name, *conf)
    assert "publishes 8080/tcp to 80" in printed("publish", container.name, "8080:80", *conf)
    network.add(container, "eth1").result()
    left = printed("unpublish", container.name, "8080", *conf)
    assert left == "c1 on testnet publishes no ports\n"
    assert "no config here names" in command("limit", container.name).stderr
    for ifname in ("eth0", "eth1"):
        words = ("testnet", container.name, "--ifname", ifname)
        assert "is detached" in printed("disconnect", *words, *conf)


def test_what_add_published_is_taken_back_and_check_knows(
    host: Host, network: Network, conf: tuple[str, str]
) -> None:
    container = host.container()
    asked = [mapping(8080), mapping(20000, 20000, range=100)]
    publish(network, container, *asked).result()
    printed("unpublish", container.name, "8080", "20010-20019", *conf)
    assert ports("port4") == []
    assert ports("span4") == ["tcp 20000 20009 -> 10.88.0.2", "tcp 20020 20099 -> 10.88.0.2"]
    network.check(container, config=publishing(*asked)).assert_silent_success()
    other = host.container()
    publish(network, other, mapping(8080), mapping(20010)).result()
    refused = command("publish", container.name, "20000-20099:20000-20099", *conf)
    assert "host port 20010/tcp is held by container c2 on network testnet" in refused.stderr
    network.delete(other).assert_silent_success()
    printed("publish", container.name, "20000-20099:20000-20099", *conf)
    nft("flush", "map", "inet", "cni_bridge", "span4")
    assert network.check(container, config=publishing(*asked)).error()["code"]
    printed("restore")
    network.check(container, config=publishing(*asked)).assert_silent_success()


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("publish", "c1", "9000:81"), "host port 9000 leads to port 80 of this container"),
        (("publish", "c1", "7000:80"), "host port 7000/tcp is held by process"),
        (("publish", "c1", "8000:80", "--host-ip", "::1"), "cannot be published on ::1"),
        (("publish", "c1", "8000:80", "--network", "other"), "c1 is not attached to other"),
        (("publish", "nobody", "8000:80"), "no container is named nobody"),
        (("unpublish", "c1", "8000"), "c1 does not publish 8000/tcp"),
        (("unpublish", "c1", "9000/udp"), "it publishes host port 9000/tcp"),
    ],
)
def test_what_cannot_be_is_refused_and_changes_nothing(
    words: tuple[str, ...], text: str, host: Host, network: Network, conf: tuple[str, str]
) -> None:
    container = host.container("c1")
    publish(network, container, mapping(9000)).result()
    before = host.state()
    with socket.create_server(("127.0.0.1", 7000)):
        run = command(*words, *conf)
    assert (run.status, text in run.stderr) == (1, True), run
    assert host.state() == before
    network.check(container, config=publishing(mapping(9000))).assert_silent_success()


@pytest.mark.parametrize(
    "config", [{"icc": False}, {"ipMasq": True, "snat": False}, {"macspoofchk": True}]
)
def test_other_keys_of_the_network_hold(
    config: Json, host: Host, make_network: MakeNetwork, tmp_path: Path
) -> None:
    network = make_network(**config)
    conf = where(tmp_path, network)
    container = host.container()
    network.add(container).result()
    before = flags_of(network)
    printed("publish", container.name, "8080:80", *conf)
    network.check(container).assert_silent_success()
    assert flags_of(network) != before
    printed("unpublish", container.name, "8080", *conf)
    network.check(container).assert_silent_success()
    assert flags_of(network) == before


def test_a_rebuilt_ledger_knows_the_ports(
    host: Host, network: Network, conf: tuple[str, str]
) -> None:
    first, second = host.container(), host.container()
    publish(network, first, mapping(9000)).result()
    printed("publish", first.name, "8080:80", *conf)
    LEDGER.unlink()
    assert "host port 8080/tcp is held by" in publish(network, second, mapping(8080)).error()["msg"]
    network.check(first).assert_silent_success()
    printed("unpublish", first.name, "8080", *conf)
    publish(network, second, mapping(8080)).result()


def test_a_port_of_a_container_that_is_gone_is_published(
    host: Host, network: Network, conf: tuple[str, str]
) -> None:
    gone, other = host.container("c1"), host.container("c2")
    publish(network, gone, mapping(8080)).result()
    network.add(other).result()
    lose(gone)
    run = command("publish", "c2", "8080:80", *conf)
    assert run.stdout == "c2 on testnet publishes 8080/tcp to 80\n"
    assert "reclaimed the host ports of" in run.stderr
    network.check(other).assert_silent_success()


def test_a_new_namespace_with_the_number_of_an_old_one_is_another_container(
    host: Host, network: Network, conf: tuple[str, str]
) -> None:
    gone, other = host.container("c1"), host.container("c2")
    network.add(gone).result()
    lose(gone)
    with closing(sqlite3.connect(LEDGER)) as ledger, ledger:
        ledger.execute("update holding set netns_inode = ?", (os.stat(other.netns).st_ino,))
    assert printed_json("connect", "testnet", "c2", "--json", *conf)["container"] == "c2"
    network.delete(gone).assert_silent_success()
    printed("disconnect", "testnet", str(other.netns), *conf)


def lose(container: Container) -> None:
    """Let a container end without its DEL."""

    def pairs() -> int:
        return len(ip_json("link", "show", "type", "veth"))

    before = pairs()
    container.delete()
    wait_until(lambda: pairs() < before)


VERBS = {
    "publish": (("publish", "c1", "8080:80"), ("unpublish", "c1", "8080")),
    "unpublish": (("unpublish", "c1", "9000"), ("publish", "c1", "9000:80")),
}


@pytest.mark.parametrize("call", ["sendmsg", "pwrite64"])
@pytest.mark.parametrize("verb", VERBS)
def test_a_killed_change_is_whole_after_the_next_run(
    verb: str, call: str, host: Host, network: Network, conf: tuple[str, str]
) -> None:
    """Killed at the kernel's or the ledger's door, both hold the same once anything else ran."""
    container, other = host.container("c1"), host.container()
    network.config["ipMasq"] = True
    publish(network, container, mapping(9000)).result()
    words, undo = VERBS[verb]
    for number in (1, 3, 6, 10):
        kill = ("strace", "-f", "-o", "/dev/null", "-e", f"inject={call}:signal=KILL:when={number}")
        subprocess.run((*kill, str(PLUGIN), *words, *conf), capture_output=True, check=False)
        network.add(other).result()
        network.delete(other).assert_silent_success()
        network.check(container).assert_silent_success()
        command(*undo, *conf)
        network.check(container).assert_silent_success()


def test_connections_by_other_ports_stay_and_those_by_the_port_end(
    town: Town, tmp_path: Path
) -> None:
    conf = where(tmp_path, town.network("a"))
    town.attach("a1", *published(8080))
    stays = [Conversation(town.question("world", "host", 8080, kind)) for kind in ("tcp", "udp")]
    for _ in range(3):
        printed("publish", "a1", "8081:81", "8081:81/udp", *conf)
        goes = [Conversation(town.question("world", "host", 8081, kind)) for kind in ("tcp", "udp")]
        assert {each.say() for each in stays} == {"a1:80 saw 192.0.2.2"}
        assert {each.say() for each in goes} == {"a1:81 saw 192.0.2.2"}
        printed("unpublish", "a1", "8081", "8081/udp", *conf)
        assert {each.say() for each in stays} == {"a1:80 saw 192.0.2.2"}
        assert {each.say() for each in goes}.isdisjoint({"a1:81 saw 192.0.2.2"})
        for each in goes:
            each.close()
    for each in stays:
        each.close()


def test_no_new_connection_is_lost_while_ports_come_and_go(town: Town, tmp_path: Path) -> None:
    conf = where(tmp_path, town.network("a"))
    town.attach("a1", *published(8080))
    for number in range(6):
        words = ("publish", "a1", "8081:81") if number % 2 == 0 else ("unpublish", "a1", "8081")
        with subprocess.Popen((str(PLUGIN), *words, *conf), stdout=subprocess.DEVNULL) as change:
            while change.poll() is None:
                asked = [("world", "host", 8080, kind, 4) for kind in ("tcp", "udp")] * 5
                assert set(town.ask_all(asked)) == {"a1:80 saw world"}
        assert change.returncode == 0


def test_addresses_of_another_plugin_are_refused(
    host: Host, make_network: MakeNetwork, tmp_path: Path
) -> None:
    network = make_network({"type": "host-local"})
    container = host.container()
    network.add(container).result()
    run = command("publish", container.name, "8080:80", *where(tmp_path, network))
    assert "come from IPAM plugin host-local" in run.stderr
    network.check(container).assert_silent_success()


def test_a_container_is_connected_to_one_more_network_and_disconnected(
    host: Host, make_network: MakeNetwork, tmp_path: Path
) -> None:
    first = make_network(name="one", ipam={"ranges": [[{"subnet": "10.1.0.0/24"}]]})
    capabilities = {"ips": True, "aliases": True}
    second = make_network(
        name="two",
        bridge="cni1",
        ipam={"ranges": [[{"subnet": "10.2.0.0/24"}]]},
        capabilities=capabilities,
    )
    conf = where(tmp_path, first, second)
    container = host.container("c1")
    first.add(container).result()
    before = container.links()
    words = ("--ip", "10.2.0.9", "--alias", "database", "--json")
    made = printed_json("connect", "two", "c1", *words, *conf)
    assert made == {
        "network": "two",
        "container": "c1",
        "ifname": "eth1",
        "addresses": ["10.2.0.9/24"],
    }
    assert container.can_ping("10.2.0.1")
    assert "database" in printed("show")
    refused = command("connect", "two", "c1", "--ip", "10.2.0.9", *conf)
    assert (refused.status, "10.2.0.9" in refused.stderr) == (1, True)
    printed("connect", "two", "c1", *conf)
    several = command("disconnect", "two", "c1", *conf)
    assert "name one with --ifname: eth1, eth2" in several.stderr
    printed("disconnect", "two", "c1", "--ifname", "eth2", *conf)
    assert printed("disconnect", "two", "c1", *conf) == "database eth1 is detached from two\n"
    assert container.links() == before
    assert "c1 is not attached to two" in command("disconnect", "two", "c1", *conf).stderr
    first.check(container).assert_silent_success()


def test_a_connected_container_keeps_its_name(
    host: Host, network: Network, make_network: MakeNetwork, tmp_path: Path
) -> None:
    arguments = "IgnoreUnknown=1;K8S_POD_NAMESPACE=shop;K8S_POD_NAME=web"
    network.add(host.container(), environment={"CNI_ARGS": arguments}).result()
    ipam = {"ranges": [[{"subnet": "10.2.0.0/24"}]]}
    second = make_network(ipam, name="two", bridge="two0", nameserver=True)
    conf = where(tmp_path, network, second)
    printed("connect", "two", "shop/web", *conf)
    assert dns.addresses(host.containers[0], "10.2.0.1", "web") == ["10.2.0.2"]
    printed("disconnect", "two", "shop/web", *conf)


def test_what_connect_keeps_goes_with_a_container_that_ends(
    host: Host, network: Network, conf: tuple[str, str], tmp_path: Path
) -> None:
    """Its runtime does not know of the network."""
    container = host.container("c1")
    cache = {"CNI_CACHE_DIR": str(tmp_path)}
    printed("connect", "testnet", "c1", *conf, environment=cache)
    (kept,) = (tmp_path / "results").iterdir()
    lose(container)
    assert "freed 10.88.0.2/16" in printed("gc", environment=cache)
    assert not kept.exists()
    assert network.results == {}


def test_long_results_fit_a_terminal_and_stay_on_one_line_elsewhere(
    host: Host, network: Network, conf: tuple[str, str]
) -> None:
    container = host.container()
    network.add(container).result()
    some = [f"{each}:{each - 8000}" for each in range(8101, 8113)]
    (line,) = printed("publish", container.name, *some, *conf).splitlines()
    assert len(line) > 160
    shown = on_terminal("publish", container.name, *some, *conf)
    assert [len(each) <= 80 for each in shown] == [True] * len(shown)
    assert " ".join(each.strip() for each in shown) == line
