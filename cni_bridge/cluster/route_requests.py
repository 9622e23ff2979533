"""Netlink messages for routes to other hosts' blocks.

Pure: builds requests and reads answers. It sends nothing and decides no policy.
"""

import struct

from cni_bridge import address
from cni_bridge.address import AF_INET, AF_INET6, Prefix, prefix_text, text
from cni_bridge.cluster.desired import Route
from cni_bridge.cluster.messages import (
    NLM_F_REPLACE,
    ROUTE,
    RTA_VIA,
    RTM_DELROUTE,
    RTN_UNREACHABLE,
    RTNH_F_ONLINK,
)
from cni_bridge.kernel.layer3 import RT_TABLE_MAIN
from cni_bridge.kernel.messages import (
    METRICS,
    NLM_F_CREATE,
    RTA_DST,
    RTA_GATEWAY,
    RTA_METRICS,
    RTA_OIF,
    RTA_PRIORITY,
    RTA_TABLE,
    RTAX_MTU,
    RTM_GETROUTE,
    RTM_NEWROUTE,
    RTN_UNICAST,
)
from cni_bridge.kernel.netlink import Request, decode, encode, nest
from cni_bridge.lean.record import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cni_bridge.kernel.netlink import Value

REPLACE = NLM_F_CREATE | NLM_F_REPLACE
VIA = "=H16s"  # struct rtvia of an IPv6 gateway


@record
class Installed:
    """A route that a table holds; gateway None and interface 0: the destination is unreachable."""

    destination: Prefix
    metric: int
    gateway: bytes | None
    interface: int
    mtu: int
    kind: int  # RTN_*
    protocol: int


def routes(family: int) -> Request:
    """List the routes of the main table."""
    return Request(
        what="list routes of the main table",
        kind=RTM_GETROUTE,
        body=encode(ROUTE, (family, 0, 0, 0, RT_TABLE_MAIN, 0, 0, 0, 0), {}),
    )


def set_route(want: Route, interface: int, protocol: int) -> Request:
    """Make the one route of this metric to a destination what it should be, in one step."""
    way = f"via {text(want.gateway)}" if want.gateway else "unreachable"
    return Request(
        what=f"set route {prefix_text(want.destination)} {way}",
        kind=RTM_NEWROUTE,
        flags=REPLACE,
        body=_route(want, interface, protocol),
    )


def delete_route(installed: Installed) -> Request:
    """Remove a route as it is, whatever it is."""
    header = _route_header(installed.destination, installed.protocol, installed.kind, 0)
    values = _route_values(installed.destination, installed.metric)
    return Request(
        what=f"remove route {prefix_text(installed.destination)}",
        kind=RTM_DELROUTE,
        body=encode(ROUTE, header, values),
    )


def parse_route(payload: bytes) -> Installed:
    """Return the route that an answer describes."""
    (family, length, _, _, _, protocol, _, kind, _), values = decode(ROUTE, payload)
    is_nowhere = kind == RTN_UNREACHABLE
    via = values.raw(RTA_VIA)[2:]
    anywhere = bytes(4 if family == AF_INET else 16)
    return Installed(
        destination=Prefix(ip=values.raw(RTA_DST) or anywhere, length=length),
        metric=values.number(RTA_PRIORITY) or 0,
        gateway=values.raw(RTA_GATEWAY) or via or None,
        interface=0 if is_nowhere else values.number(RTA_OIF) or 0,
        mtu=values.nested(RTA_METRICS, METRICS).number(RTAX_MTU) or 0,
        kind=kind,
        protocol=protocol,
    )


# ---------------------------------------------------------------- helpers


def _route(want: Route, interface: int, protocol: int) -> bytes:
    """With a tunnel the next hop is on its link whatever its address says (`onlink`)."""
    gateway, destination = want.gateway, want.destination
    kind = RTN_UNICAST if gateway else RTN_UNREACHABLE
    flags = RTNH_F_ONLINK if want.tunnel else 0
    values = _route_values(destination, want.metric)
    if gateway:
        if len(gateway) == len(destination.ip):
            values[RTA_GATEWAY] = gateway
        else:
            values[RTA_VIA] = struct.pack(VIA, AF_INET6, gateway)
        values[RTA_OIF] = interface
    if want.mtu:
        values[RTA_METRICS] = nest(METRICS, {RTAX_MTU: want.mtu})
    return encode(ROUTE, _route_header(destination, protocol, kind, flags), values)


def _route_header(destination: Prefix, protocol: int, kind: int, flags: int) -> tuple[int, ...]:
    family = address.family(destination.ip)
    return (family, destination.length, 0, 0, RT_TABLE_MAIN, protocol, 0, kind, flags)


def _route_values(destination: Prefix, metric: int) -> "dict[int, Value]":
    return {RTA_DST: destination.ip, RTA_PRIORITY: metric, RTA_TABLE: RT_TABLE_MAIN}
