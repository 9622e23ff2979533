"""Our executable as the IPAM plugin of others: the reference's macvlan and ptp."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from tests.lab import PEERS, PLUGIN, Host, Json, Network, Plugin
from tests.lab.iproute import ip
from tests.lab.network import CHECK_SINCE, addresses_in, bare, version_key
from tests.lab.state import LEDGER

VERSIONS = ("0.3.1", "0.4.0", "1.0.0", "1.1.0")
OTHERS: dict[str, Json] = {
    "ptp": {"ipMasq": False, "mtu": 1400},
    "macvlan": {"master": "up0", "mode": "bridge"},
}

MakeOther = Callable[..., Network]


@pytest.fixture
def make_other(host: Host) -> Iterator[MakeOther]:
    """Make a network of another plugin that gets its addresses from us."""
    ip("link", "add", "up0", "type", "veth", "peer", "name", "up1")
    for end in ("up0", "up1"):
        ip("link", "set", end, "up")
    host.remember()

    def make(kind: str, version: str, subnet: str = "10.66.0.0/16", **changes: object) -> Network:
        ipam = {"type": PLUGIN.name, "subnet": subnet}
        config = {"cniVersion": version, "name": "theirs", "type": kind, "ipam": ipam}
        plugin = Plugin(PEERS / kind, PLUGIN.name)
        network = host.network(plugin, config | OTHERS[kind] | changes)
        network.environment = {"CNI_PATH": f"{PEERS}:{PLUGIN.parent}"}
        return network

    yield make
    host.tidy()
    ip("link", "del", "up0")


def leases() -> int:
    """How many addresses the ledger holds."""
    with closing(sqlite3.connect(LEDGER)) as ledger:
        return int(ledger.execute("select count(*) from lease").fetchone()[0])


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("kind", OTHERS)
def test_another_plugin_gets_its_addresses_from_us(
    kind: str, version: str, host: Host, make_other: MakeOther
) -> None:
    network = make_other(kind, version)
    one, two = host.container(), host.container()
    results = [network.add(each).result() for each in (one, two)]
    assert [addresses_in(result) for result in results] == [["10.66.0.2/16"], ["10.66.0.3/16"]]
    assert one.can_ping(bare(addresses_in(results[1])[0]))
    if version_key(version) >= CHECK_SINCE:
        network.check(one).assert_silent_success()
    network.delete(one).assert_silent_success()
    network.delete(one).assert_silent_success()
    assert leases() == 1
    network.delete(two).assert_silent_success()
    assert leases() == 0


def test_our_error_is_theirs(host: Host, make_other: MakeOther) -> None:
    network = make_other("ptp", "1.1.0", "10.66.0.0/30")
    network.add(host.container()).result()
    error = network.add(host.container()).error()
    assert error["code"] == 100
    assert "no IP addresses available in range set" in error["msg"]
    status = network.do("STATUS", host.containers[0], "eth0").error()
    assert status["code"] == 50


def test_check_notices_that_the_lease_is_gone(host: Host, make_other: MakeOther) -> None:
    network = make_other("ptp", "1.1.0")
    container = host.container()
    network.add(container).result()
    LEDGER.unlink()
    error = network.check(container).error()
    assert error["code"] == 120
    assert "Failed to find address added by container" in error["msg"]


def test_gc_frees_the_addresses_of_what_is_not_listed(host: Host, make_other: MakeOther) -> None:
    network = make_other("ptp", "1.1.0")
    one, two = host.container(), host.container()
    for each in (one, two):
        network.add(each).result()
    valid = {"cni.dev/valid-attachments": [{"containerID": two.name, "ifname": "eth0"}]}
    as_ipam = replace(network.plugin, path=PLUGIN)  # these two keep GC to themselves
    network.plugin, theirs = as_ipam, network.plugin
    network.do("GC", one, "eth0", config=valid).assert_silent_success()
    network.plugin = theirs
    assert leases() == 1


@pytest.mark.parametrize("listed", [{}, [{"containerID": 5, "ifname": "eth0"}]], ids=str)
def test_gc_with_a_malformed_list_frees_no_address(
    listed: object, host: Host, make_other: MakeOther
) -> None:
    network = make_other("ptp", "1.1.0")
    container = host.container()
    network.add(container).result()
    theirs, network.plugin = network.plugin, replace(network.plugin, path=PLUGIN)
    error = network.do("GC", container, "eth0", config={"cni.dev/attachments": listed}).error()
    network.plugin = theirs
    assert error["code"] == 7
    assert leases() == 1


def test_keys_that_mean_something_else_to_them_are_theirs(
    host: Host, make_other: MakeOther
) -> None:
    network = make_other("ptp", "1.1.0", bridge=7, vlan="blue", portIsolation="maybe")
    container = host.container()
    network.add(container).result()
    network.check(container).assert_silent_success()
    assert container.addresses() == ["10.66.0.2/16"]


def test_a_network_that_host_local_has_served_goes_on(host: Host, make_other: MakeOther) -> None:
    network = make_other("ptp", "1.1.0", "10.66.0.0/29")
    before, after = host.container(), host.container()
    host_local = {**network.config["ipam"], "type": "host-local"}
    network.add(before, config={"ipam": host_local}).result()
    assert addresses_in(network.add(after).result()) == ["10.66.0.3/29"]
    network.check(before).assert_silent_success()
    network.delete(before).assert_silent_success()
    assert not host_local_file("10.66.0.2").exists()


def host_local_file(address: str) -> Path:
    """Return the reference's reservation."""
    return Path("/var/lib/cni/networks/theirs") / address
