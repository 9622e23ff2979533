"""The reference's IPAM plugins, asked by us: host-local, static, and dhcp with its daemon."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kernel.conftest import GATEWAY4, MakeNetwork
from tests.lab import PEERS, Host, Network
from tests.lab.dhcp import dhcp_server
from tests.lab.iproute import ip
from tests.lab.network import addresses_in
from tests.lab.plugin import TIMEOUT
from tests.lab.script import delegate
from tests.lab.waiting import wait_until

RESERVATIONS = Path("/var/lib/cni/networks/testnet")
pytestmark = pytest.mark.parametrize("version", ["1.1.0"])


@pytest.fixture
def network(make_network: MakeNetwork) -> Network:
    """Return a network whose IPAM the tests replace."""
    return make_network()


def test_the_references_host_local(host: Host, network: Network) -> None:
    variables = delegate(network, "host-local", ranges=[[{"subnet": "10.88.0.0/30"}]])
    one, two = host.container(), host.container()
    network.do("STATUS", one, "eth0", environment=variables).assert_silent_success()
    result = network.add(one, environment=variables).result()
    assert addresses_in(result) == ["10.88.0.2/30"]
    assert (RESERVATIONS / "10.88.0.2").exists()
    assert one.can_ping(GATEWAY4)
    network.check(one, environment=variables).assert_silent_success()
    status = network.do("STATUS", one, "eth0", environment=variables).error()
    assert (status["code"], "no IP addresses available" in status["msg"]) == (50, True)
    gc = {"cni.dev/valid-attachments": [{"containerID": one.name, "ifname": "eth0"}]}
    network.do("GC", one, "eth0", environment=variables, config=gc).assert_silent_success()
    error = network.add(two, environment=variables).error()
    assert "no IP addresses available in range set" in error["msg"]
    assert two.links() == {"lo"}
    network.delete(one, environment=variables).assert_silent_success()
    network.delete(one, environment=variables).assert_silent_success()


def test_host_local_that_comes_and_goes_gives_no_address_twice(
    host: Host, network: Network
) -> None:
    there = delegate(network, "host-local", ranges=[[{"subnet": "10.88.0.0/24"}]])
    gone = {"CNI_PATH": "/nowhere"}
    one, two, three, four, five = (host.container() for _ in range(5))
    for container, variables in ((one, there), (two, gone), (three, there), (four, gone)):
        network.add(container, environment=variables).result()
    everyone = (one, two, three, four)
    assert len({each.addresses()[0] for each in everyone}) == 4
    assert [path.name for path in RESERVATIONS.glob("10.*")] == ["10.88.0.2"]
    for container, variables in zip(everyone, (gone, there, gone, there), strict=True):
        network.check(container, environment=variables).assert_silent_success()
        network.do("STATUS", container, "eth0", environment=variables).assert_silent_success()
    for each in everyone:
        network.delete(each, environment=there).assert_silent_success()
    network.add(five, environment=there).result()  # nothing is leased any more
    assert [path.name for path in RESERVATIONS.glob("10.*")] != []
    network.delete(five, environment=there).assert_silent_success()


def test_an_address_that_the_ledger_has_leased_is_not_taken_from_another_plugin(
    host: Host, network: Network
) -> None:
    one, two = host.container(), host.container()
    network.config["ipam"] = {"type": "cni-bridge", "subnet": "10.88.0.0/24"}
    network.add(one).result()
    variables = delegate(network, "static", addresses=[{"address": "10.88.0.2/24"}])
    error = network.add(two, environment=variables).error()
    assert error["code"] == 101
    assert f"leased to interface eth0 of container {one.name} on network testnet" in error["msg"]
    assert two.links() == {"lo"}
    network.delete(one, environment=variables).assert_silent_success()
    network.add(two, environment=variables).result()
    network.delete(two, environment=variables).assert_silent_success()


def test_del_with_a_netns_that_is_anothers_by_now_takes_nothing_of_the_other(
    host: Host, network: Network
) -> None:
    variables = delegate(network, "host-local", ranges=[[{"subnet": "10.88.0.0/24"}]])
    one, two, stranger = host.container(), host.container(), host.container()
    for each in (one, two):
        network.add(each, environment=variables).result()
    ip("link", "add", "stranger", "type", "veth", "peer", "eth0", "netns", stranger.name)
    for gone, now in ((one, two), (two, stranger)):
        stale = {**variables, "CNI_NETNS": str(now.netns)}
        network.delete(gone, environment=stale).assert_silent_success()
        assert "eth0" in now.links()
        assert gone.links() == {"lo"}
        assert not now.addresses() or now.can_ping(GATEWAY4)
    assert [path.name for path in RESERVATIONS.glob("10.*")] == []
    ip("link", "del", "stranger")


@pytest.mark.parametrize("path", ["/proc/self/ns/net", "/nowhere/at/all", "/etc/hostname"])
def test_del_succeeds_where_the_netns_path_leads_to_no_container(
    path: str, host: Host, network: Network
) -> None:
    variables = delegate(network, "host-local", ranges=[[{"subnet": "10.88.0.0/24"}]])
    container = host.container()
    network.add(container, environment=variables).result()
    stale = {**variables, "CNI_NETNS": path}
    network.delete(container, environment=stale).assert_silent_success()
    assert container.links() == {"lo"}
    assert not (RESERVATIONS / "10.88.0.2").exists()
    network.delete(container, environment=stale).assert_silent_success()


def test_the_references_static(host: Host, network: Network) -> None:
    addresses = [{"address": "10.88.3.3/16", "gateway": GATEWAY4}, {"address": "fd00:88::3/64"}]
    routes = [{"dst": "0.0.0.0/0"}]
    variables = delegate(network, "static", addresses=addresses, routes=routes)
    container = host.container()
    result = network.add(container, environment=variables).result()
    assert addresses_in(result) == ["10.88.3.3/16", "fd00:88::3/64"]
    assert container.can_ping(GATEWAY4)
    network.check(container, environment=variables).assert_silent_success()
    network.delete(container, environment=variables).assert_silent_success()


def test_the_references_dhcp_without_its_daemon(host: Host, network: Network) -> None:
    variables = delegate(network, "dhcp")
    error = network.add(host.container(), environment=variables).error()
    assert "dhcp.sock" in error["msg"] + error.get("details", "")


@pytest.mark.usefixtures("dhcp")
def test_the_references_dhcp(host: Host, network: Network) -> None:
    variables = delegate(network, "dhcp")
    container = host.container()
    result = network.add(container, environment=variables).result()
    assert addresses_in(result) == ["10.88.9.9/16"]
    assert container.addresses() == ["10.88.9.9/16"]
    assert container.can_ping(GATEWAY4)
    network.check(container, environment=variables).assert_silent_success()
    network.delete(container, environment=variables).assert_silent_success()


@pytest.fixture
def dhcp(network: Network) -> Iterator[None]:
    """Yield the dhcp plugin's daemon, and a server on the bridge."""
    ip("link", "add", network.bridge, "up", "type", "bridge")
    ip("addr", "add", f"{GATEWAY4}/16", "dev", network.bridge)
    with dhcp_server(network.bridge, "10.88.9.9", GATEWAY4):
        daemon = subprocess.Popen([PEERS / "dhcp", "daemon"])
        wait_until(Path("/run/cni/dhcp.sock").exists)
        yield
        daemon.terminate()
        daemon.wait(TIMEOUT)
