"""CHECK: silent about what ADD made, and loud about each single change made by hand."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from tests.kernel.conftest import GATEWAY4, VERSIONS, MakeNetwork
from tests.lab import Container, Host, Json, Network
from tests.lab.iproute import bridge, ip, ip_json
from tests.lab.network import CHECK_SINCE, version_key
from tests.lab.state import LEDGER

pytestmark = pytest.mark.parametrize(
    "version", [each for each in VERSIONS if version_key(each) >= CHECK_SINCE]
)

Change = Callable[[Network, Container], object]


def host_end(network: Network) -> str:
    """Return the name of the bridge's only port."""
    return str(ip_json("link", "show", "master", network.bridge)[0]["ifname"])


def delete_leases() -> None:
    """Delete every lease behind the plugin's back."""
    with closing(sqlite3.connect(LEDGER)) as ledger, ledger:
        ledger.execute("DELETE FROM lease")


CHANGES: dict[str, Change] = {
    "address deleted": lambda _, c: c.ip("addr", "del", "10.88.0.2/16", "dev", "eth0"),
    "IPv6 address deleted": lambda _, c: c.ip("addr", "del", "fd00:88::2/64", "dev", "eth0"),
    "default route deleted": lambda _, c: c.ip("route", "del", "default"),
    "route deleted": lambda _, c: c.ip("route", "del", "192.0.2.0/24"),
    "container end down": lambda _, c: c.ip("link", "set", "eth0", "down"),
    "container end gone": lambda _, c: c.ip("link", "del", "eth0"),
    "host end down": lambda n, _: ip("link", "set", host_end(n), "down"),
    "hairpin switched": lambda n, _: bridge("link", "set", "dev", host_end(n), "hairpin", "on"),
    "isolation switched": lambda n, _: bridge("link", "set", "dev", host_end(n), "isolated", "on"),
    "master removed": lambda n, _: ip("link", "set", host_end(n), "nomaster"),
    "bridge address removed": lambda n, _: ip("addr", "del", f"{GATEWAY4}/16", "dev", n.bridge),
    "bridge down": lambda n, _: ip("link", "set", n.bridge, "down"),
    "bridge gone": lambda n, _: ip("link", "del", n.bridge),
    "lease gone": lambda _, __: delete_leases(),
}


@pytest.fixture
def network(make_network: MakeNetwork) -> Network:
    """Make a network in which every kind of change is possible."""
    return make_network({"routes": [{"dst": "192.0.2.0/24"}]}, isDefaultGateway=True)


def test_check_is_silent_right_after_add(host: Host, network: Network) -> None:
    container = host.container()
    network.add(container).result()
    network.check(container).assert_silent_success()


@pytest.mark.parametrize("change", CHANGES)
def test_check_notices_a_change_made_by_hand(change: str, host: Host, network: Network) -> None:
    container = host.container()
    network.add(container).result()
    CHANGES[change](network, container)
    before = host.state()
    error = network.check(container).error()
    assert error["code"] == 120, error
    assert host.state() == before, "CHECK changed something"


def test_check_notices_that_the_address_of_prev_result_is_another(
    host: Host, network: Network
) -> None:
    container = host.container()
    network.add(container).result()
    (result,) = network.results.values()
    result["ips"][0]["address"] = "10.88.99.99/16"
    error = network.check(container).error()
    assert "10.88.99.99" in error["msg"] + error.get("details", "")


@pytest.mark.parametrize(
    ("index", "change", "words"),
    [
        (0, {"name": "no-such-bridge"}, "expected interface cni0 on the host"),
        (1, {"name": "no-such-end"}, "expected interface veth"),
        (1, {"sandbox": "/proc/self/ns/net"}, "expected interface veth"),
        (2, {"sandbox": "/proc/1/ns/net"}, "found /proc/1/ns/net"),
        (2, {"sandbox": "/run/netns/none"}, "found /run/netns/none"),
        (2, {"name": "eth9"}, "expected eth0 in"),
    ],
)
def test_check_notices_that_prev_result_reports_another_interface(
    index: int, change: Json, words: str, host: Host, network: Network
) -> None:
    container = host.container()
    network.add(container).result()
    (result,) = network.results.values()
    result["interfaces"][index] |= change
    error = network.check(container).error()
    assert error["code"] == 120
    assert words in error["details"], error


def test_check_knows_the_container_by_another_path(
    host: Host, network: Network, tmp_path: Path
) -> None:
    container = host.container()
    network.add(container).result()
    (tmp_path / "same").symlink_to(container.netns)
    network.check(
        container, environment={"CNI_NETNS": str(tmp_path / "same")}
    ).assert_silent_success()


def test_check_without_prev_result_is_refused(host: Host, network: Network) -> None:
    container = host.container()
    network.add(container).result()
    assert network.check(container, config={"prevResult": None}).error()["code"] == 7


def test_check_before_add_fails(host: Host, network: Network) -> None:
    run = network.check(host.container(), config={"prevResult": {"cniVersion": "1.0.0"}})
    assert run.error()["code"] in (7, 120)


def test_check_tolerates_what_a_later_plugin_adds(host: Host, network: Network) -> None:
    container = host.container()
    network.add(container).result()
    container.ip("addr", "add", "198.51.100.7/24", "dev", "eth0")
    container.ip("route", "add", "203.0.113.0/24", "via", GATEWAY4)
    network.check(container).assert_silent_success()


def test_check_of_a_network_without_ipam_is_silent(host: Host, make_network: MakeNetwork) -> None:
    network = make_network(isGateway=False)
    del network.config["ipam"]
    container = host.container()
    network.add(container).result()
    network.check(container).assert_silent_success()
