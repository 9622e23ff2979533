"""Forget connections that the kernel tracks.

The caller decides which ones; no policy here.
"""

from cni_bridge.address import AF_INET, AF_INET6
from cni_bridge.kernel.netlink import (
    NLA_F_NESTED,
    Attributes,
    Request,
    Socket,
    decode,
    encode,
    nest,
)
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


@record
class Connection:
    """A tracked connection: where its first packet went, and which address answers."""

    destination: bytes
    port: int
    answerer: bytes


def forget_udp(
    socket: Socket, family: int, ports: "Collection[int]", is_stale: "Callable[[Connection], bool]"
) -> int:
    """Delete the stale UDP connections of one family to these ports; return how many there were.

    The kernel filters by a single port, but never by addresses: its filter for those of IPv6 is
    inverted (ctnetlink_filter_match_tuple in net/netfilter).
    """
    stale = [
        _delete(family, answer)
        for answer in socket.dump(_listing(family, ports))
        for connection in [parse(family, answer)]
        if connection.port in ports and is_stale(connection)
    ]
    socket.attempt(*stale)  # a connection that just ended is no failure
    return len(stale)


def parse(family: int, payload: bytes) -> Connection:
    """Return the connection that an answer describes."""
    values = decode(CONNECTION, payload)[1]
    source, destination = _IP_ATTRIBUTES[family]
    original, reply = (
        values.nested(number, CONNECTION_TUPLE) for number in (CTA_TUPLE_ORIG, CTA_TUPLE_REPLY)
    )
    return Connection(
        destination=_addresses(original).raw(destination),
        port=original.nested(CTA_TUPLE_PROTO, CONNECTION_PROTO).number(CTA_PROTO_DST_PORT) or 0,
        answerer=_addresses(reply).raw(source),
    )


def _listing(family: int, ports: "Collection[int]") -> Request:
    port = next(iter(ports)) if len(ports) == 1 else None
    flags = FILTER_FLAG_CTA_PROTO_NUM | (FILTER_FLAG_CTA_PROTO_DST_PORT if port else 0)
    protocol = {CTA_PROTO_NUM: csocket.IPPROTO_UDP, CTA_PROTO_DST_PORT: port}
    original = nest(
        CONNECTION_TUPLE, {CTA_TUPLE_PROTO | NLA_F_NESTED: nest(CONNECTION_PROTO, protocol)}
    )
    wanted = nest(CONNECTION_FILTER, {CTA_FILTER_ORIG_FLAGS: flags, CTA_FILTER_REPLY_FLAGS: 0})
    return Request(
        what="list tracked UDP connections",
        kind=NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_GET,
        body=encode(
            CONNECTION,
            (family, 0, 0),
            {CTA_TUPLE_ORIG | NLA_F_NESTED: original, CTA_FILTER | NLA_F_NESTED: wanted},
        ),
    )


def _delete(family: int, payload: bytes) -> Request:
    values = decode(CONNECTION, payload)[1]
    return Request(
        what="forget a tracked UDP connection",
        kind=NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_DELETE,
        body=encode(
            CONNECTION,
            (family, 0, 0),
            {
                CTA_TUPLE_ORIG | NLA_F_NESTED: values.raw(CTA_TUPLE_ORIG),
                CTA_ZONE: values.number(CTA_ZONE),
            },
        ),
    )


def _addresses(side: Attributes) -> Attributes:
    return side.nested(CTA_TUPLE_IP, CONNECTION_IP)


_IP_ATTRIBUTES = {
    AF_INET: (CTA_IP_V4_SRC, CTA_IP_V4_DST),
    AF_INET6: (CTA_IP_V6_SRC, CTA_IP_V6_DST),
}
