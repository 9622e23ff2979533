"""`cni-bridge show` and `graph`: what is there, and what is not as it should be."""

import json
import os
import signal
import sqlite3
import subprocess
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.kernel.conftest import MakeNetwork
from tests.lab import PLUGIN, Container, Host, Network
from tests.lab.iproute import ip, ip_json
from tests.lab.people import ATTENTIVE, command, on_terminal, printed, printed_json, settled
from tests.lab.state import LEDGER
from tests.lab.waiting import wait_until


@pytest.fixture
def version() -> str:
    """Return what people see does not depend on the spec version."""
    return "1.1.0"


Harm = Callable[[Network, Container], object]


def host_end(container: Container) -> str:
    """Return the name of the host end of the only container."""
    return str(ip_json("link", "show", "type", "veth")[0]["ifname"])


def sql(statement: str) -> None:
    """Change the ledger behind the plugin's back."""
    with closing(sqlite3.connect(LEDGER)) as ledger, ledger:
        ledger.execute("pragma foreign_keys = on")
        ledger.execute(statement)


def attachment() -> dict[str, Any]:
    """Return the only attachment."""
    (found,) = printed_json("show", "--json")["attachments"]
    return dict(found)


def test_show_joins_the_ledger_with_the_kernel(host: Host, network: Network) -> None:
    container = host.container()
    network.add(container).result()
    found = attachment()
    inner = container.link()
    assert (found["health"], found["notes"]) == ("ok", [])
    assert found["addresses"] == container.addresses()
    assert found["bridge"] == network.bridge
    assert found["netns_path"] == str(container.netns)
    assert found["container_end"]["mac"] == inner["address"]
    assert found["host_end"]["name"] == host_end(container)
    assert found["host_end"]["peer"] == {"space": container.name, "interface": "eth0"}


def test_show_tells_what_the_firewall_does(host: Host, make_network: MakeNetwork) -> None:
    network = make_network(ipMasq=True, isolation="strict", capabilities={"portMappings": True})
    ports = [
        {"hostPort": 8080, "containerPort": 80, "protocol": "tcp"},
        {"hostPort": 0, "containerPort": 53, "protocol": "udp"},
    ]
    config = {"runtimeConfig": {"portMappings": ports}}
    network.add(host.container(), config=config).result()
    network.add(host.container()).result()
    first, second = printed_json("show", "--json")["attachments"]
    chosen = {each["host_port"] for each in first["firewall"]["ports"] if each["protocol"] == "udp"}
    (number,) = chosen
    assert number > 0
    assert second["firewall"]["ports"] == []
    shown = printed("show")
    for words in ("8080/tcp to 80", f"{number}/udp to 53", "masquerade, strictly isolated"):
        assert words in shown
    assert f"{number}/udp to 53" in printed("show", "c1")
    assert f"{number}/udp to 53" in printed("graph")


def test_show_knows_the_ledgers_that_configs_name(host: Host, make_network: MakeNetwork) -> None:
    elsewhere = make_network({"dataDir": "/run/elsewhere"})
    elsewhere.add(host.container()).result()
    assert attachment()["health"] == "unknown"
    alone = ("unshare", "--mount", "sh", "-ec")
    script = "mount -t tmpfs tmpfs /etc; mkdir -p /etc/cni/net.d; cat > /etc/cni/net.d/10.conf"
    done = subprocess.run(
        (*alone, f"{script}; {PLUGIN} show --json"),
        input=json.dumps(elsewhere.config),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    (found,) = json.loads(done.stdout)["attachments"]
    assert (found["health"], found["network"]) == ("ok", "testnet")


def test_show_counts_what_the_container_received_and_sent(host: Host, network: Network) -> None:
    one, two = host.container(), host.container()
    network.add(one).result()
    network.add(two).result()
    assert one.can_ping("10.88.0.3")
    for found in printed_json("show", "--json")["attachments"]:
        assert found["host_end"]["counters"]["sent_packets"] > 0
        assert found["host_end"]["counters"]["received_bytes"] > 0


HARMS: dict[str, tuple[Harm, str, str]] = {
    "host end gone": (lambda _, c: ip("link", "del", host_end(c)), "missing", "is gone"),
    "host end down": (lambda _, c: ip("link", "set", host_end(c), "down"), "missing", "is down"),
    "no bridge": (
        lambda _, c: ip("link", "set", host_end(c), "nomaster"),
        "missing",
        "on no bridge",
    ),
    "address gone": (
        lambda _, c: c.ip("addr", "del", "10.88.0.2/16", "dev", "eth0"),
        "missing",
        "10.88.0.2/16 is not on eth0",
    ),
    "container renamed it": (
        lambda _, c: [
            c.ip("link", "set", "eth0", "down"),
            c.ip("link", "set", "eth0", "name", "x"),
        ],
        "missing",
        "eth0 is gone",
    ),
    "rebooted": (lambda *_: sql("update holding set boot_id = 'x'"), "leaked", "last boot"),
    "record lost": (lambda *_: sql("delete from holding"), "unknown", "not recorded"),
    "ADD killed": (
        lambda *_: sql("update holding set is_confirmed = 0, pid = 4194304"),
        "leaked",
        "died before it finished",
    ),
    "ADD at work": (
        lambda *_: sql(f"update holding set is_confirmed = 0, pid = {os.getpid()}"),
        "adding",
        "",
    ),
}


@pytest.mark.parametrize("harm", HARMS)
def test_show_says_what_is_wrong(harm: str, host: Host, network: Network) -> None:
    container = host.container()
    network.add(container).result()
    act, health, words = HARMS[harm]
    act(network, container)
    found = attachment()
    assert found["health"] == health
    assert words in " ".join(found["notes"])
    assert health in printed("show")


def test_a_dead_containers_record_is_leaked(host: Host, network: Network) -> None:
    container = host.container()
    network.add(container).result()
    container.delete()
    # The kernel takes its time with a namespace.
    wait_until(lambda: bool(attachment()["health"] == "leaked"))


def test_a_port_of_somebody_else_is_foreign(host: Host, network: Network) -> None:
    network.add(host.container()).result()
    ip("link", "add", "theirs", "type", "veth", "peer", "name", "other")
    ip("link", "set", "theirs", "master", network.bridge)
    (foreign,) = printed_json("show", "--json")["foreign"]
    assert foreign["name"] == "theirs"
    ip("link", "del", "theirs")


def test_a_bridge_without_containers_is_shown(host: Host, network: Network) -> None:
    container = host.container()
    network.add(container).result()
    network.delete(container).assert_silent_success()
    assert f"bridge {network.bridge} " in printed("show")


def test_one_container_is_shown_in_detail(host: Host, network: Network) -> None:
    container = host.container("3f2a9c0d")
    network.add(container).result()
    shown = printed("show", "3f2a")
    assert str(container.netns) in shown
    assert container.link()["address"] in shown


def test_what_is_not_there_is_an_error(host: Host, network: Network) -> None:
    network.add(host.container()).result()
    run = command("show", "nonsense")
    assert (run.status, run.stdout) == (1, "")
    assert "networks: testnet" in run.stderr


def test_watch_goes_on_until_ctrl_c(host: Host, network: Network, tmp_path: Path) -> None:
    network.add(host.container()).result()
    shown = tmp_path / "shown"
    with shown.open("w") as screen:
        process = subprocess.Popen((*ATTENTIVE, "show", "--watch", "0.2"), stdout=screen)
    wait_until(lambda: shown.read_text().count("testnet") > 1)
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=10) == 0


def test_show_changes_nothing(host: Host, network: Network) -> None:
    network.add(host.container()).result()
    before = settled(host)
    printed("show")
    assert settled(host) == before


def test_a_graph_has_the_containers_the_bridge_and_the_way_out(
    host: Host, make_network: MakeNetwork, tmp_path: Path
) -> None:
    network = make_network(bridge="web0")
    network.add(host.container("front")).result()
    ip("link", "add", "ens3", "type", "veth", "peer", "name", "other")
    for words in ("link set ens3 up", "link set other up", "addr add 192.0.2.7/24 dev ens3"):
        ip(*words.split())
    ip("route", "add", "default", "via", "192.0.2.1")
    file = tmp_path / "network.svg"
    printed("graph", "--format", "svg", "-o", str(file))
    for drawn in (file.read_text(), printed("graph"), printed("graph", "--format", "html")):
        for fact in ("front", "web0", "10.88.0.1/16", "10.88.0.2/16", "ens3"):
            assert fact in drawn
    ip("link", "del", "ens3")


def test_without_a_ledger_there_is_nothing_and_none_is_made(host: Host) -> None:
    assert "no networks" in printed("show")
    assert not LEDGER.parent.exists()
    assert json.loads(printed("show", "--json")) == {
        "version": 1,
        "networks": [],
        "bridges": [],
        "attachments": [],
        "foreign": [],
    }


def test_no_address_is_broken_in_80_columns(host: Host, make_network: MakeNetwork) -> None:
    network = make_network(ipMasq=True)
    mapping = {"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}
    changes = {"runtimeConfig": {"portMappings": [mapping]}}
    for name in ("default-web-frontend-1", "default-web-frontend-2"):
        network.add(host.container(name), config=changes if name[-1] == "1" else {}).result()
    narrow = on_terminal("show")
    assert max(map(len, narrow)) <= 80
    assert [line for line in narrow if line != line.rstrip()] == []
    for text in ("10.88.0.2/16", "fd00:88::3/64", "default-web-frontend-2", "8080/tcp to 80"):
        assert any(text in line for line in narrow), narrow
    assert "MAC" not in "".join(narrow)
    assert "MAC" in "".join(on_terminal("show", "--wide"))
    assert "MAC" in "".join(on_terminal("show", columns=160))
