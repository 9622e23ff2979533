"""Netlink requests and answers that only commands for people need: counters, routes, neighbours.

Pure: builds requests and parses answers. Sends nothing.
"""

import socket
import struct

from cni_bridge.address import text
from cni_bridge.cli.messages import (
    BRIDGE,
    IFLA_BR_STP_STATE,
    IFLA_CARRIER,
    IFLA_INFO_DATA,
    IFLA_INFO_KIND,
    IFLA_LINKINFO,
    IFLA_STATS64,
    LINK,
    LINKINFO,
    ROUTE,
    RTA_DST,
    RTA_GATEWAY,
    RTA_IIF,
    RTA_OIF,
    RTA_PREFSRC,
    RTA_SRC,
    RTN_LOCAL,
)
from cni_bridge.cluster.messages import NDA_DST, NDA_IFINDEX, NDA_LLADDR, NEIGHBOUR, RTM_GETNEIGH
from cni_bridge.kernel.messages import RTM_GETLINK, RTM_GETROUTE
from cni_bridge.kernel.netlink import Request, decode, encode
from cni_bridge.lean.record import record

COUNTERS = "8Q"  # struct rtnl_link_stats64 begins so (linux/if_link.h)


@record
class Counters:
    """Traffic counters of an interface, from its own side."""

    received_bytes: int
    received_packets: int
    sent_bytes: int
    sent_packets: int
    dropped: int


@record
class Details:
    """What the plugin does not ask of an interface; `has_stp` concerns a bridge."""

    counters: Counters
    has_carrier: bool
    has_stp: bool


@record
class Found:
    """A routing decision; `source` is the address that it is sent from, if it is not forwarded."""

    interface: int  # its index
    gateway: str
    source: str
    is_local: bool


@record
class Neighbour:
    """A neighbour entry; `state` is NUD_*."""

    address: str
    mac: str
    state: int


def interfaces() -> Request:
    """List all interfaces, with their counters."""
    return Request(
        what="list interfaces", kind=RTM_GETLINK, body=encode(LINK, (0, 0, 0, 0, 0), {})
    )


def parse_details(payload: bytes) -> Details:
    """Parse an answer to `interfaces`."""
    _, link = decode(LINK, payload)
    info = link.nested(IFLA_LINKINFO, LINKINFO)
    is_bridge = info.text(IFLA_INFO_KIND) == "bridge"
    statistics = link.raw(IFLA_STATS64).ljust(struct.calcsize(COUNTERS), b"\0")
    received, sent, received_bytes, sent_bytes, _, _, lost_in, lost_out = struct.unpack_from(
        COUNTERS, statistics
    )
    return Details(
        counters=Counters(
            received_bytes=received_bytes,
            received_packets=received,
            sent_bytes=sent_bytes,
            sent_packets=sent,
            dropped=lost_in + lost_out,
        ),
        has_carrier=bool(link.number(IFLA_CARRIER)),
        has_stp=is_bridge
        and bool(info.nested(IFLA_INFO_DATA, BRIDGE).number(IFLA_BR_STP_STATE)),
    )


def route(address: str, *, source: str = "", arrives_by: int = 0) -> Request:
    """Ask for the route to an address; as forwarded if it arrives by an interface, by index."""
    there, here = _packed(address), _packed(source) if source else None
    header = (family(address), 8 * len(there), 8 * len(here or b""), 0, 0, 0, 0, 0, 0)
    values = {RTA_DST: there, RTA_SRC: here, RTA_IIF: arrives_by or None}
    return Request(
        what=f"ask for the route to {address}",
        kind=RTM_GETROUTE,
        body=encode(ROUTE, header, values),
    )


def parse_route(payload: bytes) -> Found:
    """Parse the answer to `route`."""
    (_, _, _, _, _, _, _, kind, _), values = decode(ROUTE, payload)
    return Found(
        interface=values.number(RTA_OIF) or 0,
        gateway=_text(values.raw(RTA_GATEWAY)),
        source=_text(values.raw(RTA_PREFSRC)),
        is_local=kind == RTN_LOCAL,
    )


def neighbours(ip_family: int, interface: int) -> Request:
    """List the neighbours of one family on an interface, by index."""
    return Request(
        what=f"list neighbours of interface {interface}",
        kind=RTM_GETNEIGH,
        body=encode(NEIGHBOUR, (ip_family, 0, 0, 0, 0), {NDA_IFINDEX: interface}),
    )


def parse_neighbour(payload: bytes) -> Neighbour:
    """Parse an answer to `neighbours`."""
    (_, _, state, _, _), values = decode(NEIGHBOUR, payload)
    return Neighbour(
        address=_text(values.raw(NDA_DST)),
        mac=values.raw(NDA_LLADDR).hex(":"),
        state=state,
    )


def family(address: str) -> int:
    """Return AF_INET or AF_INET6."""
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def _packed(address: str) -> bytes:
    return socket.inet_pton(family(address), address)


def _text(ip: bytes) -> str:
    return text(ip) if ip else ""
