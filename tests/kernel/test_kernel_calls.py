"""The calls of `cni_bridge.kernel` do on the real kernel what they say; `ip` is the oracle."""

import errno
from collections.abc import Iterator
from socket import AF_INET, AF_INET6
from typing import Any

import pytest

from cni_bridge.address import parse, parse_prefix, prefix_text
from cni_bridge.kernel import layer3, links, messages, vlans
from cni_bridge.kernel.netlink import KernelError, Socket
from cni_bridge.kernel.netns import OpenNetns, close, inside, open_netns
from cni_bridge.model import Route
from cni_bridge.model_optional import VlanFilter
from tests.lab.iproute import ip_json
from tests.lab.namespaces import NETNS_DIR, create_netns, delete_netns, private_host

MAC = bytes.fromhex("02aabbccddee")
CONTAINER_MAC = bytes.fromhex("02aabbccddff")
PATH = NETNS_DIR / "c1"


@pytest.fixture
def kernel() -> Iterator[Socket]:
    """Yield a netlink socket in a private network, where the namespace `c1` exists too."""
    with private_host():
        create_netns(PATH)
        socket = Socket()
        yield socket
        socket.close()
        delete_netns(PATH)


@pytest.fixture
def netns(kernel: Socket) -> Iterator[OpenNetns]:
    """Yield the namespace `c1`."""
    opened = open_netns(str(PATH))
    yield opened
    close(opened)


@pytest.fixture
def bridge(kernel: Socket) -> links.Link:
    """Return a bridge of MTU 1400, as we create it."""
    kernel.run(links.create_bridge("cni0", mac=MAC, mtu=1400, filters_vlans=False))
    return links.parse(kernel.ask(links.get("cni0")))


@pytest.fixture
def container(kernel: Socket, netns: OpenNetns, bridge: links.Link) -> Iterator[Socket]:
    """Yield a socket inside `c1`, which has a veth pair to the bridge."""
    kernel.run(
        links.create_veth(
            "veth01",
            "eth0",
            bridge=bridge.index,
            netns=netns.descriptor,
            mtu=1400,
            mac=CONTAINER_MAC,
            group=77,
        ),
        links.set_port("veth01", hairpin=True, isolated=True, alias="whose it is"),
    )
    socket = inside(netns, Socket)
    yield socket
    socket.close()


def show(*words: str, container: str = "") -> dict[str, Any]:
    return ip_json("-d", "addr", "show", *words, container=container)[0]


def eth0(container: Socket) -> links.Link:
    return links.parse(container.ask(links.get("eth0")))


def test_a_bridge_is_up_and_has_the_mac_and_mtu_it_was_created_with(bridge: links.Link) -> None:
    found = show("cni0")
    assert found["linkinfo"]["info_kind"] == bridge.kind == "bridge"
    assert found["address"] == bridge.mac == MAC.hex(":")
    assert found["mtu"] == bridge.mtu == 1400
    assert found["ifindex"] == bridge.index
    assert "UP" in found["flags"]
    assert bridge.is_up


def test_a_veth_is_born_with_one_end_on_the_bridge_and_one_in_the_container(
    kernel: Socket, container: Socket, bridge: links.Link
) -> None:
    host_end = show("veth01")
    container_end = show("eth0", container="c1")
    assert (host_end["master"], host_end["mtu"], host_end["group"]) == ("cni0", 1400, "77")
    assert (container_end["address"], container_end["mtu"]) == (CONTAINER_MAC.hex(":"), 1400)
    assert "UP" in host_end["flags"]
    assert "UP" not in container_end["flags"]

    found, inner = links.parse(kernel.ask(links.get("veth01"))), eth0(container)
    assert (found.master, found.group, found.is_up) == (bridge.index, 77, True)
    assert (found.peer, inner.peer) == (inner.index, found.index)
    assert found.peer_netns is not None
    assert (inner.is_up, inner.master, inner.port) == (False, 0, None)


def test_a_port_gets_its_flags_and_its_alias_in_one_request(
    kernel: Socket, container: Socket
) -> None:
    found = show("veth01")
    data = found["linkinfo"]["info_slave_data"]
    assert (data["hairpin"], data["isolated"], found["ifalias"]) == (True, True, "whose it is")
    port = links.parse(kernel.ask(links.get("veth01")))
    assert port.alias == "whose it is"
    assert port.port
    assert (port.port.hairpin, port.port.isolated) == (True, True)

    kernel.run(links.set_port("veth01", hairpin=False, isolated=False, alias=""))
    data = show("veth01")["linkinfo"]["info_slave_data"]
    assert (data["hairpin"], data["isolated"]) == (False, False)


def test_a_port_is_waited_for_without_sleeping(kernel: Socket, container: Socket) -> None:
    news = Socket(groups=messages.RTMGRP_LINK)
    container.run(links.set_up("eth0"))
    for _ in range(20):
        port = links.parse(kernel.ask(links.get("veth01"))).port
        if port and port.state == links.BR_STATE_FORWARDING:
            break
        assert news.wait(timeout_ms=2000), "no notification came"
    else:
        pytest.fail("the port never forwarded")
    news.close()
    assert show("veth01")["operstate"] == "UP"


def test_waiting_ends_when_nothing_happens(kernel: Socket) -> None:
    news = Socket(groups=messages.RTMGRP_LINK)
    assert news.wait(timeout_ms=1) == []
    news.close()


def test_only_the_ports_of_one_bridge_are_listed(kernel: Socket, container: Socket) -> None:
    master = links.parse(kernel.ask(links.get("cni0"))).index
    assert [links.parse(answer).name for answer in kernel.dump(links.listing(master))] == ["veth01"]
    everything = {links.parse(answer).name for answer in kernel.dump(links.listing())}
    assert everything == {"lo", "cni0", "veth01"}


def test_a_link_changes_as_asked(kernel: Socket, bridge: links.Link) -> None:
    kernel.run(
        links.set_promiscuous("cni0"),
        links.set_mac(bridge.index, CONTAINER_MAC),
        links.set_up(bridge.index, False),
    )
    found = show("cni0")
    assert found["address"] == CONTAINER_MAC.hex(":")
    assert "PROMISC" in found["flags"]
    assert "UP" not in found["flags"]
    assert links.parse(kernel.ask(links.get("cni0"))).is_promiscuous
    kernel.run(links.set_promiscuous("cni0", False))
    assert "PROMISC" not in show("cni0")["flags"]


def test_deleting_the_host_end_deletes_the_other(kernel: Socket, container: Socket) -> None:
    kernel.run(links.delete("veth01"))
    assert kernel.find(links.get("veth01")) is None
    assert container.find(links.get("eth0")) is None


def test_addresses_are_added_listed_and_deleted(kernel: Socket, bridge: links.Link) -> None:
    wanted = {AF_INET: parse_prefix("10.1.2.3/24"), AF_INET6: parse_prefix("fd00::3/64")}
    for address in wanted.values():
        kernel.run(layer3.add_address(bridge.index, address, messages.IFA_F_NODAD))
    shown = {entry["local"]: entry for entry in show("cni0")["addr_info"]}
    assert shown["10.1.2.3"]["broadcast"] == "10.1.2.255"
    assert shown["fd00::3"]["nodad"] is True

    for family, address in wanted.items():
        request = layer3.addresses(family, bridge.index)
        found = [layer3.parse_address(answer) for answer in kernel.dump(request)]
        assert address in [entry.address for entry in found]
        assert {entry.interface for entry in found} == {bridge.index}
        kernel.run(layer3.delete_address(bridge.index, address))
        assert address not in [
            layer3.parse_address(answer).address for answer in kernel.dump(request)
        ]


def test_a_route_has_all_that_was_asked_for(container: Socket) -> None:
    index = eth0(container).index
    wanted = Route(
        destination=parse_prefix("10.9.0.0/16"),
        gateway=parse("10.1.2.1"),
        mtu=1300,
        advmss=1200,
        priority=50,
        table=1000,
    )
    container.run(
        layer3.add_address(index, parse_prefix("10.1.2.3/24")),
        links.set_up(index),
        layer3.add_route(index, wanted),
    )
    (shown,) = ip_json("-d", "route", "show", "table", "1000", container="c1")
    assert (shown["dst"], shown["gateway"], shown["dev"]) == ("10.9.0.0/16", "10.1.2.1", "eth0")
    assert (shown["metric"], shown["protocol"], shown["scope"]) == (50, "boot", "global")
    assert shown["metrics"] == [{"mtu": 1300, "advmss": 1200}]

    found = [layer3.parse_route(answer) for answer in container.dump(layer3.routes(AF_INET, index))]
    (ours,) = [route for route in found if route.table == 1000]
    assert ours.destination == wanted.destination
    assert (ours.gateway, ours.interface, ours.priority) == (wanted.gateway, index, 50)
    assert (ours.mtu, ours.advmss, ours.kind) == (1300, 1200, messages.RTN_UNICAST)


def test_every_table_is_listed_in_both_families(container: Socket) -> None:
    index = eth0(container).index
    for address, destination in (("10.1.2.3/24", "0.0.0.0/0"), ("fd00::3/64", "::/0")):
        container.run(
            links.set_up(index),
            layer3.add_address(index, parse_prefix(address), messages.IFA_F_NODAD),
            layer3.add_route(index, Route(destination=parse_prefix(destination))),
        )
    for family, option in ((AF_INET, "-4"), (AF_INET6, "-6")):
        shown = ip_json(option, "route", "show", "table", "all", container="c1")
        expected = {
            entry["dst"].replace("default", "0.0.0.0/0" if family == AF_INET else "::/0")
            for entry in shown
        }
        found = {
            prefix_text(layer3.parse_route(answer).destination)
            for answer in container.dump(layer3.routes(family))
        }
        assert {text.removesuffix("/32").removesuffix("/128") for text in found} == expected


def test_the_first_refusal_is_raised_with_the_kernels_own_words(kernel: Socket) -> None:
    create = links.create_bridge("cni0", mac=MAC, mtu=0, filters_vlans=False)
    missing = links.set_up("absent0")
    assert [error and error.errno for error in kernel.attempt(create, create, missing)] == [
        None,
        errno.EEXIST,
        errno.ENODEV,
    ]
    index = links.parse(kernel.ask(links.get("cni0"))).index
    unreachable = Route(destination=parse_prefix("10.9.0.0/16"), gateway=parse("10.77.0.1"))
    with pytest.raises(KernelError, match="Nexthop has invalid gateway") as caught:
        kernel.run(create_up := links.set_up("cni0"), layer3.add_route(index, unreachable), missing)
    assert caught.value.request != create_up
    assert str(caught.value).startswith(
        f"add route 10.9.0.0/16 via 10.77.0.1 through interface {index}: ENETUNREACH "
    )


def test_a_refused_question_and_a_refused_listing_are_errors(kernel: Socket) -> None:
    with pytest.raises(KernelError, match="ENODEV"):
        kernel.ask(links.get("absent0"))
    with pytest.raises(KernelError, match="ENODEV"):
        kernel.dump(layer3.addresses(AF_INET, 4711))


def test_more_requests_than_one_datagram_takes_are_all_carried_out(
    kernel: Socket, bridge: links.Link
) -> None:
    addresses = [parse_prefix(f"10.{block}.{host}.1/32") for block in (1, 2) for host in range(200)]
    kernel.run(*(layer3.add_address(bridge.index, address) for address in addresses))
    answers = kernel.dump(layer3.addresses(AF_INET, bridge.index))
    assert [layer3.parse_address(answer).address for answer in answers] == addresses


def test_a_vlan_request_reaches_the_bridge(kernel: Socket, container: Socket) -> None:
    """Kernels without VLAN filtering answer EOPNOTSUPP; a request they can't read gets EINVAL."""
    index = links.parse(kernel.ask(links.get("veth01"))).index
    for failure in kernel.attempt(*vlans.configure(index, VlanFilter(trunk=(100, 101, 110)))):
        assert failure is None or failure.errno == errno.EOPNOTSUPP
    kernel.dump(vlans.listing())


def test_asking_for_vlan_filtering_makes_nothing(kernel: Socket) -> None:
    (refusal,) = kernel.attempt(vlans.probe())
    assert refusal
    assert refusal.errno in (errno.EPROTONOSUPPORT, errno.EBADF)
    assert [link["ifname"] for link in ip_json("link", "show")] == ["lo"]
