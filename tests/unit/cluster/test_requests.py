"""Requests about tunnels, neighbours and routes have pyroute2's bytes; its answers are understood."""

from socket import AF_BRIDGE, AF_INET, AF_INET6

import pytest
from pyroute2.netlink import rtnl

from cni_bridge.address import parse, parse_prefix
from cni_bridge.cluster import route_requests, tunnel_requests
from cni_bridge.cluster.desired import Forward, Neighbour, Route, Tunnel
from cni_bridge.cluster.route_requests import Installed
from cni_bridge.cluster.tunnel_requests import Device
from cni_bridge.kernel.netlink import Request
from cni_bridge.lean.record import replace
from tests.unit.kernel.oracle import link, neighbour, nested, route

CREATE, REPLACE = 0x600, 0x500  # NLM_F_CREATE with NLM_F_EXCL, with NLM_F_REPLACE
MAIN, PROTOCOL = 254, 77
UP, PERMANENT, SELF, ONLINK = 1, 0x80, 2, 4
MAC, MAC_TEXT = bytes.fromhex("020000000005"), "02:00:00:00:00:05"
TUNNEL = Tunnel(
    name="vxlan-7",
    alias="whose",
    mac=MAC,
    vni=7,
    port=4789,
    local=parse("192.0.2.1"),
    mtu=1450,
    addresses=(),
)
THROUGH = Route(
    destination=parse_prefix("10.64.2.0/26"),
    host="peer",
    gateway=parse("192.0.2.2"),
    tunnel="vxlan-7",
    mtu=0,
    metric=77,
)


def vxlan(local: tuple[str, str]) -> dict[str, object]:
    data = nested(
        ("IFLA_VXLAN_ID", 7), local, ("IFLA_VXLAN_LEARNING", 0), ("IFLA_VXLAN_PORT", 4789)
    )
    return nested(("IFLA_INFO_KIND", "vxlan"), ("IFLA_INFO_DATA", data))


def header(kind: str = "RTN_UNICAST", flags: int = 0, family: int = AF_INET) -> dict[str, int]:
    return {
        "family": family,
        "dst_len": 26 if family == AF_INET else 122,
        "table": MAIN,
        "proto": PROTOCOL,
        "type": rtnl.rtypes[kind],
        "flags": flags,
    }


def created(local: tuple[str, str]) -> bytes:
    return link(
        ("IFLA_IFNAME", "vxlan-7"),
        ("IFLA_ADDRESS", MAC_TEXT),
        ("IFLA_MTU", 1450),
        ("IFLA_LINKINFO", vxlan(local)),
    )


REQUESTS = {
    "create tunnel over IPv4": (
        tunnel_requests.create_tunnel(TUNNEL),
        rtnl.RTM_NEWLINK,
        CREATE,
        created(("IFLA_VXLAN_LOCAL", "192.0.2.1")),
    ),
    "create tunnel over IPv6": (
        tunnel_requests.create_tunnel(replace(TUNNEL, local=parse("2001:db8::1"))),
        rtnl.RTM_NEWLINK,
        CREATE,
        created(("IFLA_VXLAN_LOCAL6", "2001:db8::1")),
    ),
    "adjust tunnel": (
        tunnel_requests.adjust_tunnel(3, TUNNEL, has_ipv6=False),
        rtnl.RTM_NEWLINK,
        0,
        link(("IFLA_ADDRESS", MAC_TEXT), ("IFLA_MTU", 1450), ("IFLA_IFALIAS", "whose"), index=3),
    ),
    "list neighbours": (
        tunnel_requests.neighbours(AF_INET, 3),
        rtnl.RTM_GETNEIGH,
        0,
        neighbour(("NDA_IFINDEX", 3), family=AF_INET),
    ),
    "list forwards": (
        tunnel_requests.neighbours(AF_BRIDGE, 3),
        rtnl.RTM_GETNEIGH,
        0,
        neighbour(family=AF_BRIDGE, ifindex=3),
    ),
    "set neighbour": (
        tunnel_requests.set_neighbour(3, Neighbour(tunnel="vxlan-7", ip=parse("fe80::5"), mac=MAC)),
        rtnl.RTM_NEWNEIGH,
        REPLACE,
        neighbour(
            ("NDA_DST", "fe80::5"),
            ("NDA_LLADDR", MAC_TEXT),
            family=AF_INET6,
            ifindex=3,
            state=PERMANENT,
        ),
    ),
    "set forward": (
        tunnel_requests.set_forward(3, Forward(tunnel="vxlan-7", mac=MAC, ip=parse("192.0.2.2"))),
        rtnl.RTM_NEWNEIGH,
        REPLACE,
        neighbour(
            ("NDA_LLADDR", MAC_TEXT),
            ("NDA_DST", "192.0.2.2"),
            family=AF_BRIDGE,
            ifindex=3,
            state=PERMANENT,
            flags=SELF,
        ),
    ),
    "list routes": (
        route_requests.routes(AF_INET6),
        rtnl.RTM_GETROUTE,
        0,
        route(family=AF_INET6, table=MAIN),
    ),
    "set route through a tunnel": (
        route_requests.set_route(replace(THROUGH, mtu=1350), 3, PROTOCOL),
        rtnl.RTM_NEWROUTE,
        REPLACE,
        route(
            ("RTA_DST", "10.64.2.0"),
            ("RTA_PRIORITY", 77),
            ("RTA_TABLE", MAIN),
            ("RTA_GATEWAY", "192.0.2.2"),
            ("RTA_OIF", 3),
            ("RTA_METRICS", nested(("RTAX_MTU", 1350))),
            **header(flags=ONLINK),
        ),
    ),
    "set route by way of the other family": (
        route_requests.set_route(replace(THROUGH, gateway=parse("fe80::5")), 3, PROTOCOL),
        rtnl.RTM_NEWROUTE,
        REPLACE,
        route(
            ("RTA_DST", "10.64.2.0"),
            ("RTA_PRIORITY", 77),
            ("RTA_TABLE", MAIN),
            ("RTA_VIA", {"family": AF_INET6, "addr": "fe80::5"}),
            ("RTA_OIF", 3),
            **header(flags=ONLINK),
        ),
    ),
    "set route on the link": (
        route_requests.set_route(
            replace(
                THROUGH,
                destination=parse_prefix("fd64::40/122"),
                gateway=parse("2001:db8::2"),
                tunnel="",
            ),
            3,
            PROTOCOL,
        ),
        rtnl.RTM_NEWROUTE,
        REPLACE,
        route(
            ("RTA_DST", "fd64::40"),
            ("RTA_PRIORITY", 77),
            ("RTA_TABLE", MAIN),
            ("RTA_GATEWAY", "2001:db8::2"),
            ("RTA_OIF", 3),
            **header(family=AF_INET6),
        ),
    ),
    "set route to nobody": (
        route_requests.set_route(replace(THROUGH, gateway=None, tunnel=""), 0, PROTOCOL),
        rtnl.RTM_NEWROUTE,
        REPLACE,
        route(
            ("RTA_DST", "10.64.2.0"),
            ("RTA_PRIORITY", 77),
            ("RTA_TABLE", MAIN),
            **header("RTN_UNREACHABLE"),
        ),
    ),
}


@pytest.mark.parametrize("name", REQUESTS)
def test_a_request_has_the_bytes_that_pyroute2_would_send(name: str) -> None:
    request, kind, flags, body = REQUESTS[name]
    assert isinstance(request, Request)
    assert (request.kind, request.flags, request.body) == (kind, flags, body)


def test_a_tunnel_is_understood() -> None:
    answer = link(
        ("IFLA_IFNAME", "vxlan-7"),
        ("IFLA_ADDRESS", MAC_TEXT),
        ("IFLA_MTU", 1450),
        ("IFLA_IFALIAS", "whose"),
        ("IFLA_LINKINFO", vxlan(("IFLA_VXLAN_LOCAL", "192.0.2.1"))),
        index=3,
        flags=UP,
    )
    expected = Device(index=3, is_up=True, learns=False, tunnel=TUNNEL)
    assert tunnel_requests.parse_tunnel(answer) == expected
    bridge = link(("IFLA_LINKINFO", nested(("IFLA_INFO_KIND", "bridge"))))
    assert tunnel_requests.parse_tunnel(bridge) is None


def test_a_neighbour_is_understood_unless_it_was_learned() -> None:
    known = (("NDA_DST", "192.0.2.2"), ("NDA_LLADDR", MAC_TEXT))
    lasting = neighbour(*known, family=AF_INET, state=PERMANENT)
    assert tunnel_requests.parse_neighbour(lasting) == (parse("192.0.2.2"), MAC)
    assert tunnel_requests.parse_neighbour(neighbour(*known, family=AF_INET, state=2)) is None


@pytest.mark.parametrize("name", [each for each in REQUESTS if each.startswith("set route")])
def test_a_route_is_told_as_it_was_set_and_can_be_deleted_by_that(name: str) -> None:
    request = REQUESTS[name][0]
    installed = route_requests.parse_route(request.body)
    assert isinstance(installed, Installed)
    again = route_requests.parse_route(route_requests.delete_route(installed).body)
    assert (again.destination, again.metric) == (installed.destination, installed.metric)
    assert (again.kind, again.protocol) == (installed.kind, installed.protocol)
    if "tunnel" in name:
        assert (installed.gateway, installed.interface, installed.mtu) == (
            THROUGH.gateway,
            3,
            1350,
        )
