"""Requests about addresses and routes have pyroute2's bytes; its answers are understood."""

from socket import AF_INET, AF_INET6

import pytest
from pyroute2.netlink import rtnl
from pyroute2.netlink.rtnl import ifaddrmsg

from cni_bridge.address import parse, parse_prefix
from cni_bridge.kernel import layer3, messages
from cni_bridge.kernel.netlink import Request
from cni_bridge.model import Route
from tests.unit.kernel.oracle import address, nested, route

CREATE = 0x600  # NLM_F_CREATE | NLM_F_EXCL
BESIDE = 0x400  # NLM_F_CREATE
MAIN = 254


def plain_route(family: int, length: int, table: int = MAIN, scope: int = 0) -> dict[str, int]:
    return {
        "family": family,
        "dst_len": length,
        "table": table,
        "proto": rtnl.rtprotos["RTPROT_BOOT"],
        "scope": scope,
        "type": rtnl.rtypes["RTN_UNICAST"],
    }


REQUESTS = {
    "list addresses": (
        layer3.addresses(AF_INET, 3),
        rtnl.RTM_GETADDR,
        0,
        address(family=AF_INET, index=3),
    ),
    "add IPv4 address": (
        layer3.add_address(3, parse_prefix("10.1.2.3/24")),
        rtnl.RTM_NEWADDR,
        CREATE,
        address(
            ("IFA_LOCAL", "10.1.2.3"),
            ("IFA_ADDRESS", "10.1.2.3"),
            ("IFA_BROADCAST", "10.1.2.255"),
            family=AF_INET,
            prefixlen=24,
            index=3,
        ),
    ),
    "add IPv4 address of a point-to-point subnet": (
        layer3.add_address(3, parse_prefix("10.1.2.3/31")),
        rtnl.RTM_NEWADDR,
        CREATE,
        address(
            ("IFA_LOCAL", "10.1.2.3"),
            ("IFA_ADDRESS", "10.1.2.3"),
            family=AF_INET,
            prefixlen=31,
            index=3,
        ),
    ),
    "add IPv6 address": (
        layer3.add_address(3, parse_prefix("fd00::3/64"), ifaddrmsg.IFA_F_NODAD),
        rtnl.RTM_NEWADDR,
        CREATE,
        address(
            ("IFA_LOCAL", "fd00::3"),
            ("IFA_ADDRESS", "fd00::3"),
            ("IFA_FLAGS", ifaddrmsg.IFA_F_NODAD),
            family=AF_INET6,
            prefixlen=64,
            index=3,
        ),
    ),
    "delete address": (
        layer3.delete_address(3, parse_prefix("10.1.2.3/32")),
        rtnl.RTM_DELADDR,
        0,
        address(
            ("IFA_LOCAL", "10.1.2.3"),
            ("IFA_ADDRESS", "10.1.2.3"),
            family=AF_INET,
            prefixlen=32,
            index=3,
        ),
    ),
    "list routes": (layer3.routes(AF_INET6), rtnl.RTM_GETROUTE, 0, route(family=AF_INET6)),
    "list routes of one interface": (
        layer3.routes(AF_INET, 3),
        rtnl.RTM_GETROUTE,
        0,
        route(("RTA_OIF", 3), family=AF_INET),
    ),
    "add default route": (
        layer3.add_route(
            3, Route(destination=parse_prefix("0.0.0.0/0"), gateway=parse("10.1.2.1"))
        ),
        rtnl.RTM_NEWROUTE,
        BESIDE,
        route(
            ("RTA_GATEWAY", "10.1.2.1"),
            ("RTA_OIF", 3),
            ("RTA_TABLE", MAIN),
            **plain_route(AF_INET, 0),
        ),
    ),
    "add route with all options": (
        layer3.add_route(
            3,
            Route(
                destination=parse_prefix("fd01::/48"),
                gateway=parse("fd00::1"),
                mtu=1400,
                advmss=1300,
                priority=50,
                table=1000,
                scope=253,
            ),
        ),
        rtnl.RTM_NEWROUTE,
        BESIDE,
        route(
            ("RTA_DST", "fd01::"),
            ("RTA_GATEWAY", "fd00::1"),
            ("RTA_OIF", 3),
            ("RTA_PRIORITY", 50),
            ("RTA_TABLE", 1000),
            ("RTA_METRICS", nested(("RTAX_MTU", 1400), ("RTAX_ADVMSS", 1300))),
            **plain_route(AF_INET6, 48, table=0, scope=253),
        ),
    ),
    "add route on the link": (
        layer3.add_route(3, Route(destination=parse_prefix("10.9.0.0/16"))),
        rtnl.RTM_NEWROUTE,
        BESIDE,
        route(
            ("RTA_DST", "10.9.0.0"),
            ("RTA_OIF", 3),
            ("RTA_TABLE", MAIN),
            **plain_route(AF_INET, 16),
        ),
    ),
}


@pytest.mark.parametrize("name", REQUESTS)
def test_a_request_has_the_bytes_that_pyroute2_makes(name: str) -> None:
    request, kind, flags, body = REQUESTS[name]
    assert request == Request(what=request.what, kind=kind, flags=flags, body=body)


def test_a_request_says_to_people_what_it_does() -> None:
    added = layer3.add_address(5, parse_prefix("10.1.2.3/24"))
    assert added.what == "add address 10.1.2.3/24 to interface 5"
    default = Route(destination=parse_prefix("::/0"), gateway=parse("fd00::1"))
    assert layer3.add_route(5, default).what == "add route ::/0 via fd00::1 through interface 5"


def test_an_ipv4_address_is_its_local_side() -> None:
    payload = address(
        ("IFA_ADDRESS", "10.1.2.4"),
        ("IFA_LOCAL", "10.1.2.3"),
        ("IFA_FLAGS", ifaddrmsg.IFA_F_PERMANENT),
        family=AF_INET,
        prefixlen=32,
        index=3,
        scope=253,
    )
    assert layer3.parse_address(payload) == layer3.InterfaceAddress(
        interface=3,
        address=parse_prefix("10.1.2.3/32"),
        scope=253,
        is_permanent=True,
        is_tentative=False,
        is_duplicate=False,
    )


@pytest.mark.parametrize(
    ("flags", "is_tentative", "is_duplicate"),
    [
        (ifaddrmsg.IFA_F_TENTATIVE, True, False),
        (ifaddrmsg.IFA_F_TENTATIVE | ifaddrmsg.IFA_F_DADFAILED, True, True),
        (ifaddrmsg.IFA_F_NOPREFIXROUTE, False, False),
    ],
)
def test_an_ipv6_address_tells_how_duplicate_detection_went(
    flags: int, is_tentative: bool, is_duplicate: bool
) -> None:
    payload = address(
        ("IFA_ADDRESS", "fd00::3"), ("IFA_FLAGS", flags), family=AF_INET6, prefixlen=64, index=3
    )
    found = layer3.parse_address(payload)
    assert found.address == parse_prefix("fd00::3/64")
    assert (found.is_tentative, found.is_duplicate) == (is_tentative, is_duplicate)


def test_a_route_with_all_attributes_is_understood() -> None:
    payload = route(
        ("RTA_TABLE", 1000),
        ("RTA_DST", "fd01::"),
        ("RTA_PRIORITY", 50),
        ("RTA_METRICS", nested(("RTAX_MTU", 1400), ("RTAX_ADVMSS", 1300))),
        ("RTA_GATEWAY", "fd00::1"),
        ("RTA_OIF", 3),
        **plain_route(AF_INET6, 48, table=252, scope=200),
    )
    assert layer3.parse_route(payload) == layer3.InstalledRoute(
        destination=parse_prefix("fd01::/48"),
        gateway=parse("fd00::1"),
        interface=3,
        table=1000,
        priority=50,
        scope=200,
        kind=messages.RTN_UNICAST,
        protocol=messages.RTPROT_BOOT,
        mtu=1400,
        advmss=1300,
    )


@pytest.mark.parametrize(("family", "text"), [(AF_INET, "0.0.0.0/0"), (AF_INET6, "::/0")])
def test_a_default_route_has_the_zero_prefix_of_its_family(family: int, text: str) -> None:
    found = layer3.parse_route(route(**plain_route(family, 0)))
    assert found.destination == parse_prefix(text)
    assert (found.gateway, found.interface, found.table) == (None, 0, MAIN)
