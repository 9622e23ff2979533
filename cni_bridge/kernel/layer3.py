"""Netlink requests and answers about addresses and routes.

Pure: builds requests and parses answers. Sends nothing and decides no policy.
"""

import sys

from cni_bridge.address import AF_INET, Prefix, bits, family, last, prefix_text, text
from cni_bridge.kernel.messages import (
    ADDRESS,
    IFA_ADDRESS,
    IFA_BROADCAST,
    IFA_F_DADFAILED,
    IFA_F_PERMANENT,
    IFA_F_TENTATIVE,
    IFA_FLAGS,
    IFA_LOCAL,
    METRICS,
    NLM_F_CREATE,
    NLM_F_EXCL,
    ROUTE,
    RTA_DST,
    RTA_GATEWAY,
    RTA_METRICS,
    RTA_MULTIPATH,
    RTA_OIF,
    RTA_PRIORITY,
    RTA_TABLE,
    RTAX_ADVMSS,
    RTAX_MTU,
    RTM_DELADDR,
    RTM_GETADDR,
    RTM_GETROUTE,
    RTM_NEWADDR,
    RTM_NEWROUTE,
    RTN_UNICAST,
    RTPROT_BOOT,
)
from cni_bridge.kernel.netlink import Attributes, Request, decode, encode, nest
from cni_bridge.lean.record import record
from cni_bridge.model import Route

TYPE_CHECKING = False

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cni_bridge.kernel.netlink import Value

RT_TABLE_MAIN = 254  # linux/rtnetlink.h
NEXT_HOP_SIZE = 8  # struct rtnexthop


@record
class InterfaceAddress:
    """An address on an interface."""

    interface: int  # its index
    address: Prefix
    scope: int  # RT_SCOPE_*
    is_permanent: bool  # False: it was configured by a router or has a lifetime
    is_tentative: bool
    is_duplicate: bool  # duplicate address detection found another holder


@record
class InstalledRoute:
    """A route in a routing table.

    With several next hops, `interface` is 0, `gateway` None, and `hops` has each one's interface and gateway.
    """

    destination: Prefix
    gateway: bytes | None
    interface: int
    table: int
    priority: int
    scope: int  # RT_SCOPE_*
    kind: int  # RTN_*
    protocol: int  # RTPROT_*
    mtu: int | None
    advmss: int | None
    hops: tuple[tuple[int, bytes], ...] = ()

    @property
    def ways(self) -> "tuple[tuple[int, bytes | None], ...]":
        """Return the interface and the gateway of each next hop."""
        return self.hops or ((self.interface, self.gateway),)


def addresses(ip_family: int, interface: int) -> Request:
    """List the addresses of one family on one interface."""
    return Request(
        what=f"list addresses of interface {interface}",
        kind=RTM_GETADDR,
        body=encode(ADDRESS, (ip_family, 0, 0, 0, interface), {}),
    )


def add_address(interface: int, address: Prefix, flags: int = 0) -> Request:
    """Add an address; `flags` are IFA_F_*."""
    return Request(
        what=f"add address {prefix_text(address)} to interface {interface}",
        kind=RTM_NEWADDR,
        flags=NLM_F_CREATE | NLM_F_EXCL,
        body=_address(interface, address, flags),
    )


def delete_address(interface: int, address: Prefix) -> Request:
    """Remove an address."""
    return Request(
        what=f"remove address {prefix_text(address)} from interface {interface}",
        kind=RTM_DELADDR,
        body=_address(interface, address, 0),
    )


def parse_address(payload: bytes) -> InterfaceAddress:
    """Parse the address in an answer."""
    (_, length, low_flags, scope, interface), values = decode(ADDRESS, payload)
    flags = values.number(IFA_FLAGS) or low_flags
    # On a point-to-point link IFA_ADDRESS is the peer's; IPv6 mostly has no IFA_LOCAL.
    ip = values.raw(IFA_LOCAL) or values.raw(IFA_ADDRESS)
    return InterfaceAddress(
        interface=interface,
        address=Prefix(ip=ip, length=length),
        scope=scope,
        is_permanent=bool(flags & IFA_F_PERMANENT),
        is_tentative=bool(flags & IFA_F_TENTATIVE),
        is_duplicate=bool(flags & IFA_F_DADFAILED),
    )


def routes(ip_family: int, interface: int = 0) -> Request:
    """List the routes of one family in all tables, or only those through one interface."""
    return Request(
        what=f"list routes of interface {interface}" if interface else "list routes",
        kind=RTM_GETROUTE,
        body=encode(ROUTE, (ip_family, 0, 0, 0, 0, 0, 0, 0, 0), {RTA_OIF: interface or None}),
    )


def add_route(interface: int, route: Route) -> Request:
    """Add a route through an interface; without a gateway its destinations are on the link.

    Routes to the same destination through other gateways stay; only an identical one is EEXIST.
    """
    destination = route.destination
    table = RT_TABLE_MAIN if route.table is None else route.table
    header = (
        family(destination.ip),
        destination.length,
        0,
        0,
        table if table < 256 else 0,  # this field has eight bits; RTA_TABLE takes precedence
        RTPROT_BOOT,
        route.scope or 0,
        RTN_UNICAST,
        0,
    )
    metrics = nest(METRICS, {RTAX_MTU: route.mtu, RTAX_ADVMSS: route.advmss})
    values: dict[int, Value] = {
        RTA_DST: destination.ip if destination.length else None,
        RTA_GATEWAY: route.gateway,
        RTA_OIF: interface,
        RTA_PRIORITY: route.priority,
        RTA_TABLE: table,
        RTA_METRICS: metrics or None,
    }
    return Request(
        what=f"add route {_route_text(route)} through interface {interface}",
        kind=RTM_NEWROUTE,
        flags=NLM_F_CREATE,
        body=encode(ROUTE, header, values),
    )


def parse_route(payload: bytes) -> InstalledRoute:
    """Parse the route in an answer."""
    (ip_family, length, _, _, low_table, protocol, scope, kind, _), values = decode(ROUTE, payload)
    metrics = values.nested(RTA_METRICS, METRICS)
    anywhere = bytes(4 if ip_family == AF_INET else 16)
    return InstalledRoute(
        destination=Prefix(ip=values.raw(RTA_DST) or anywhere, length=length),
        gateway=values.raw(RTA_GATEWAY) or None,
        interface=values.number(RTA_OIF) or 0,
        table=values.number(RTA_TABLE) or low_table,
        priority=values.number(RTA_PRIORITY) or 0,
        scope=scope,
        kind=kind,
        protocol=protocol,
        mtu=metrics.number(RTAX_MTU),
        advmss=metrics.number(RTAX_ADVMSS),
        hops=tuple(_next_hops(values.raw(RTA_MULTIPATH))),
    )


def _next_hops(hops: bytes) -> "Iterator[tuple[int, bytes]]":
    """Yield the next hops of a multipath route: each a `struct rtnexthop`, then attributes."""
    while len(hops) >= NEXT_HOP_SIZE:
        size = int.from_bytes(hops[:2], sys.byteorder)
        gateway = Attributes(ROUTE[1], hops[:size], NEXT_HOP_SIZE).raw(RTA_GATEWAY)
        if gateway:
            yield int.from_bytes(hops[4:8], sys.byteorder), gateway
        hops = hops[max(size, NEXT_HOP_SIZE) :]


def _address(interface: int, address: Prefix, flags: int) -> bytes:
    ip = address.ip
    has_broadcast = len(ip) == 4 and bits(ip) - address.length > 1
    values: dict[int, Value] = {
        IFA_LOCAL: ip,
        IFA_ADDRESS: ip,
        IFA_BROADCAST: last(address) if has_broadcast else None,
        IFA_FLAGS: flags or None,
    }
    return encode(ADDRESS, (family(ip), address.length, 0, 0, interface), values)


def _route_text(route: Route) -> str:
    gateway = f" via {text(route.gateway)}" if route.gateway else ""
    return prefix_text(route.destination) + gateway
