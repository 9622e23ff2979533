"""Forget connections that the kernel tracks.

The caller decides which ones; no policy here.
"""

from cni_bridge.address import AF_INET, AF_INET6
from cni_bridge.kernel import sysctl
from cni_bridge.kernel.netlink import Request, Socket, decode, encode, nest
from cni_bridge.kernel.nfmessages import (
    CONNECTION,
    CONNECTION_FILTER,
    CONNECTION_IP,
    CONNECTION_PROTO,
    CONNECTION_TUPLE,
    CTA_FILTER,
    CTA_FILTER_ORIG_FLAGS,
    CTA_FILTER_REPLY_FLAGS,
    CTA_IP_V4_DST,
    CTA_IP_V4_SRC,
    CTA_IP_V6_DST,
    CTA_IP_V6_SRC,
    CTA_PROTO_DST_PORT,
    CTA_PROTO_NUM,
    CTA_TUPLE_IP,
    CTA_TUPLE_ORIG,
    CTA_TUPLE_PROTO,
    CTA_TUPLE_REPLY,
    CTA_ZONE,
    FILTER_FLAG_CTA_IP_SRC,
    FILTER_FLAG_CTA_PROTO_DST_PORT,
    FILTER_FLAG_CTA_PROTO_NUM,
    IPCTNL_MSG_CT_DELETE,
    IPCTNL_MSG_CT_GET,
    NFNL_SUBSYS_CTNETLINK,
)
from cni_bridge.lean.csocket import csocket
from cni_bridge.lean.record import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from cni_bridge.kernel.netlink import Value

NESTED = 0x8000  # NLA_F_NESTED, linux/netlink.h; conntrack insists on it
COUNT = "net/netfilter/nf_conntrack_count"


@record
class Connection:
    """A tracked connection: its first packet's addresses and port, then those of the answers."""

    protocol: int  # IPPROTO_*
    source: bytes
    destination: bytes
    port: int
    answerer: bytes
    answered: bytes


def is_empty() -> bool:
    """Return whether nothing is tracked in this network namespace; costs a few microseconds."""
    return sysctl.read(COUNT) == "0"


def forget_ipv4(socket: Socket, address: bytes) -> None:
    """Delete the connections that an IPv4 address began or answers.

    The kernel finds them, in a fraction of the time that listing all takes. It can't for IPv6, where its
    filter on addresses is inverted (ctnetlink_filter_match_tuple in net/netfilter).
    """
    end = nest(
        CONNECTION_TUPLE, {CTA_TUPLE_IP | NESTED: nest(CONNECTION_IP, {CTA_IP_V4_SRC: address})}
    )
    for side, flags in (
        (CTA_TUPLE_ORIG, (FILTER_FLAG_CTA_IP_SRC, 0)),
        (CTA_TUPLE_REPLY, (0, FILTER_FLAG_CTA_IP_SRC)),
    ):
        socket.run(_deletion(AF_INET, {side | NESTED: end, CTA_FILTER | NESTED: _filter(*flags)}))


def forget(
    socket: Socket,
    family: int,
    is_stale: "Callable[[Connection], bool]",
    *,
    udp_port: int = 0,
    only_udp: bool = False,
    addresses: "Collection[bytes]" = (),
) -> int:
    """Delete the stale connections of one family; return how many there were.

    The kernel lists all, those of UDP, or those to one UDP port. Given `addresses`, only what has one
    of them in it is decoded. The list is never held as a whole: there can be a million.
    """
    listed = socket.stream(_listing(family, udp_port, is_udp=only_udp), addresses)
    stale = [_delete(family, answer) for answer in listed if is_stale(parse(family, answer))]
    socket.attempt(*stale)  # a connection that just ended is no failure
    return len(stale)


def parse(family: int, payload: bytes) -> Connection:
    """Return the connection that an answer describes."""
    values = decode(CONNECTION, payload)[1]
    source, destination = _IP_ATTRIBUTES[family]
    original, reply = (
        values.nested(number, CONNECTION_TUPLE) for number in (CTA_TUPLE_ORIG, CTA_TUPLE_REPLY)
    )
    first, answer = (side.nested(CTA_TUPLE_IP, CONNECTION_IP) for side in (original, reply))
    ends = original.nested(CTA_TUPLE_PROTO, CONNECTION_PROTO)
    return Connection(
        protocol=ends.number(CTA_PROTO_NUM) or 0,
        source=first.raw(source),
        destination=first.raw(destination),
        port=ends.number(CTA_PROTO_DST_PORT) or 0,
        answerer=answer.raw(source),
        answered=answer.raw(destination),
    )


def _listing(family: int, port: int, *, is_udp: bool) -> Request:
    values: dict[int, Value] = {}
    if is_udp:
        flags = FILTER_FLAG_CTA_PROTO_NUM | (FILTER_FLAG_CTA_PROTO_DST_PORT if port else 0)
        protocol = {CTA_PROTO_NUM: csocket.IPPROTO_UDP, CTA_PROTO_DST_PORT: port or None}
        values = {
            CTA_TUPLE_ORIG | NESTED: nest(
                CONNECTION_TUPLE, {CTA_TUPLE_PROTO | NESTED: nest(CONNECTION_PROTO, protocol)}
            ),
            CTA_FILTER | NESTED: _filter(flags, 0),
        }
    return Request(
        what="list tracked connections",
        kind=NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_GET,
        body=encode(CONNECTION, (family, 0, 0), values),
    )


def _delete(family: int, payload: bytes) -> Request:
    values = decode(CONNECTION, payload)[1]
    original = values.raw(CTA_TUPLE_ORIG)
    return _deletion(family, {CTA_TUPLE_ORIG | NESTED: original, CTA_ZONE: values.number(CTA_ZONE)})


def _deletion(family: int, values: "dict[int, Value]") -> Request:
    return Request(
        what="forget tracked connections",
        kind=NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_DELETE,
        body=encode(CONNECTION, (family, 0, 0), values),
    )


def _filter(original: int, reply: int) -> bytes:
    """Encode which fields of the tuples the kernel compares."""
    flags = {CTA_FILTER_ORIG_FLAGS: original, CTA_FILTER_REPLY_FLAGS: reply}
    return nest(CONNECTION_FILTER, flags)


_IP_ATTRIBUTES = {
    AF_INET: (CTA_IP_V4_SRC, CTA_IP_V4_DST),
    AF_INET6: (CTA_IP_V6_SRC, CTA_IP_V6_DST),
}
