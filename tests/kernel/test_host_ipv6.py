"""This host's own IPv6: an ADD takes none of it away, and a container can't become its router."""

from pathlib import Path

import pytest

from tests.kernel.conftest import GATEWAY4, GATEWAY6, SUBNET4, SUBNET6, VERSIONS, MakeNetwork
from tests.lab import Host, frames
from tests.lab.containers import Container
from tests.lab.iproute import ip, ip_json
from tests.lab.namespaces import read_only_sysctls
from tests.lab.waiting import wait_until

ALL_NODES = "ff02::1"
ALL_NODES_MAC = "33:33:00:00:00:01"
LINK_SCOPE_MAC = "01:80:c2:00:00:0e"  # a bridge passes such frames to its port's own interface
ONLY4 = {"ranges": [[{"subnet": SUBNET4}]]}
ONLY6 = {"ranges": [[{"subnet": SUBNET6}]]}

pytestmark = pytest.mark.parametrize("version", VERSIONS[-1:])


def conf(interface: str, key: str) -> Path:
    return Path("/proc/sys/net/ipv6/conf", interface, key)


def value(interface: str, key: str) -> str:
    return conf(interface, key).read_text().strip()


def set_value(interface: str, key: str, text: str) -> None:
    conf(interface, key).write_text(text)


def advertise(router: Container, to: str = ALL_NODES_MAC) -> None:
    """Send advertisements from the router's eth0."""
    packet = frames.router_advertisement("fe80::bad", ALL_NODES)
    frames.send(
        router.netns, frames.ethernet(to, router.link()["address"], frames.ETH_P_IPV6, packet)
    )


def learned(interface: str) -> list[str]:
    """Return the default routes that advertisements have made there."""
    return ip("-6", "route", "show", "default", "dev", interface, "proto", "ra").splitlines()


def learn(router: Container, interface: str) -> None:
    def has_learned() -> bool:
        advertise(router)
        return bool(learned(interface))

    wait_until(has_learned)


def uplink(host: Host, name: str, bridge: str = "") -> Container:
    """Connect the host to a router; return the router."""
    router = host.container("router")
    ip("link", "add", name, "type", "veth", "peer", "name", "eth0", "netns", router.name)
    router.ip("link", "set", "eth0", "up")
    if bridge:
        ip("link", "add", bridge, "type", "bridge")
        ip("link", "set", name, "master", bridge)
        ip("link", "set", bridge, "up")
    ip("link", "set", name, "up")
    return router


# ---------------------------------------------------------------- the host's way out


def test_an_advertised_default_route_outlives_the_first_ipv6_network(
    host: Host, make_network: MakeNetwork
) -> None:
    router = uplink(host, "up0")
    learn(router, "up0")
    network = make_network()
    container = host.container()
    network.add(container).result()
    assert learned("up0"), "forwarding has removed the route"
    ip("-6", "route", "del", "default", "dev", "up0")
    learn(router, "up0")
    assert value("up0", "accept_ra") == "2"
    network.delete(container).assert_silent_success()
    ip("link", "del", "up0")


def test_interfaces_without_a_router_stay_as_they_are(
    host: Host, make_network: MakeNetwork
) -> None:
    uplink(host, "up0")
    make_network().add(host.container()).result()
    assert value("up0", "accept_ra") == "1"
    ip("link", "del", "up0")


def test_a_bridge_that_is_the_hosts_uplink_goes_on_accepting_advertisements(
    host: Host, make_network: MakeNetwork
) -> None:
    router = uplink(host, "up0", bridge="br0")
    learn(router, "br0")
    network = make_network(bridge="br0", isGateway=False, ipam={})
    container = host.container()
    network.add(container).result()
    assert value("br0", "accept_ra") == "1"
    if network.has_check:
        network.check(container).assert_silent_success()
    network.delete(container).assert_silent_success()
    ip("link", "del", "br0")
    ip("link", "del", "up0")


@pytest.mark.parametrize("foreign", [False, True])
def test_a_container_does_not_become_the_hosts_router(
    host: Host, make_network: MakeNetwork, foreign: bool
) -> None:
    if foreign:
        ip("link", "add", "cni0", "type", "bridge")
        ip("link", "set", "cni0", "up")
    network = make_network(ONLY4)
    container = host.container()
    network.add(container).result()
    port = next(each["ifname"] for each in ip_json("link", "show", "master", "cni0"))
    for mac in (ALL_NODES_MAC, LINK_SCOPE_MAC):
        for _ in range(3):
            advertise(container, mac)
    assert (value("cni0", "accept_ra"), value(port, "accept_ra")) == ("0", "0")
    assert not ip("-6", "route", "show", "default")
    network.check(container).assert_silent_success()
    for name in ("cni0", port):
        set_value(name, "accept_ra", "1")
        error = network.check(container).error()
        assert f"sysctl net/ipv6/conf/{name}/accept_ra: expected 0, found 1" in str(error)
        set_value(name, "accept_ra", "0")


@pytest.mark.parametrize("more", [{}, {"portIsolation": True}], ids=["plain", "flags"])
def test_a_host_end_has_no_address(
    host: Host, make_network: MakeNetwork, more: dict[str, object]
) -> None:
    network = make_network(**more)
    container = host.container()
    network.add(container).result()
    wait_until(lambda: not ip_json("-6", "address", "show", "tentative"))  # others get theirs
    assert ip_json("-6", "address", "show", "dev", "cni0", "scope", "link")
    (port,) = (each["ifname"] for each in ip_json("link", "show", "master", "cni0"))
    (found,) = ip_json("address", "show", "dev", port)
    assert found["addr_info"] == []
    assert container.can_ping(GATEWAY6)
    network.check(container).assert_silent_success()


def test_a_port_too_small_for_ipv6_is_no_accident(host: Host, make_network: MakeNetwork) -> None:
    network = make_network(ONLY4, mtu=1000)
    container = host.container()
    network.add(container).result()
    assert container.can_ping(GATEWAY4)
    network.check(container).assert_silent_success()


# ---------------------------------------------------------------- /proc/sys is read-only


def test_an_add_that_could_not_keep_routers_out_is_refused(
    host: Host, make_network: MakeNetwork
) -> None:
    network = make_network(ONLY4)
    container = host.container()
    Path("/proc/sys/net/ipv4/ip_forward").write_text("1")
    with read_only_sysctls():
        error = network.add(container).error()
    assert error["code"] == 110
    assert "net.ipv6.conf.cni0.accept_ra is 1 and can't be set to 0" in error["msg"]
    assert "IPv6 router" in error["details"]
    assert not ip_json("link", "show", "type", "veth")


@pytest.mark.parametrize(("key", "text"), [("accept_ra", "0"), ("forwarding", "1")])
def test_read_only_sysctls_that_are_right_do_no_harm(
    host: Host, make_network: MakeNetwork, key: str, text: str
) -> None:
    Path("/proc/sys/net/ipv4/ip_forward").write_text("1")
    set_value("default", key, text)
    network = make_network(ONLY4)
    container = host.container()
    with read_only_sysctls():
        network.add(container).result()
        network.check(container).assert_silent_success()
    advertise(container)
    assert not ip("-6", "route", "show", "default")


# ---------------------------------------------------------------- IPv6 is off


def disable_ipv6(host: Host) -> None:
    for each in ("all", "default"):
        set_value(each, "disable_ipv6", "1")
    host.remember()


@pytest.mark.parametrize("ipam", [{}, ONLY6], ids=["both", "IPv6"])
def test_a_gateway_has_ipv6_on_its_bridge_alone_where_the_host_has_none(
    host: Host, make_network: MakeNetwork, ipam: dict[str, object]
) -> None:
    disable_ipv6(host)
    network = make_network(ipam)
    container = host.container()
    network.add(container).result()
    assert container.can_ping(GATEWAY6)
    assert (value("cni0", "disable_ipv6"), value("lo", "disable_ipv6")) == ("0", "1")
    network.delete(container).assert_silent_success()
    disable_ipv6(host)  # an administrator repeats it
    network.add(container).result()
    assert container.can_ping(GATEWAY6)


def test_a_default_gateway_is_refused_where_the_host_has_no_ipv6(
    host: Host, make_network: MakeNetwork
) -> None:
    disable_ipv6(host)
    error = make_network(isDefaultGateway=True).add(host.container()).error()
    assert error["code"] == 110
    assert error["msg"].startswith("cni0 can't be a default gateway: IPv6 is disabled on this host")
    assert "net.ipv6.conf.all.disable_ipv6" in error["msg"]
    assert not ip_json("link", "show", "type", "veth")


def test_an_ipv4_network_does_not_mind_that_ipv6_is_off(
    host: Host, make_network: MakeNetwork
) -> None:
    disable_ipv6(host)
    network = make_network(ONLY4, isDefaultGateway=True)
    container = host.container()
    network.add(container).result()
    network.check(container).assert_silent_success()
    assert value("cni0", "disable_ipv6") == "1"


# ---------------------------------------------------------------- a link-local gateway


@pytest.mark.parametrize("exists", [False, True])
def test_a_link_local_gateway_works_on_any_bridge(
    host: Host, make_network: MakeNetwork, exists: bool
) -> None:
    if exists:
        make_network(name="other").add(host.container("c0")).result()
        wait_until(lambda: "fe80" in ip("-6", "addr", "show", "dev", "cni0"))
    subnet = "fd00:99::/64"
    network = make_network(
        {"ranges": [[{"subnet": subnet, "gateway": "fe80::1"}]]}, isDefaultGateway=True
    )
    container = host.container("c1")
    result = network.add(container).result()
    assert result["ips"][0]["gateway"] == "fe80::1"
    assert container.can_ping("fe80::1%eth0")
    assert container.can_ping(GATEWAY6) or not exists, "the default route leads to the host"
    address = result["ips"][0]["address"].partition("/")[0]
    ip("-6", "route", "get", address)  # raises without a route
    network.check(container).assert_silent_success()
    ip("-6", "route", "del", subnet, "dev", "cni0")
    assert f"route {subnet}" in str(network.check(container).error())
    network.add(host.container("c2")).result()
    network.check(container).assert_silent_success()
