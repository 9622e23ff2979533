"""Netlink requests and answers about traffic control: token buckets, redirections, policing.

Pure: builds requests and parses answers. Sends nothing and decides no policy.
"""

from cni_bridge.kernel.messages import (
    ACTION,
    ACTIONS,
    IFF_UP,
    IFLA_IFNAME,
    IFLA_INFO_KIND,
    IFLA_LINKINFO,
    IFLA_MTU,
    IFLA_NUM_TX_QUEUES,
    LINK,
    LINKINFO,
    MIRRED,
    NLM_F_CREATE,
    NLM_F_ECHO,
    NLM_F_EXCL,
    POLICE,
    RTM_GETQDISC,
    RTM_GETTFILTER,
    RTM_NEWACTION,
    RTM_NEWLINK,
    RTM_NEWQDISC,
    RTM_NEWTFILTER,
    TBF,
    TC_H_INGRESS,
    TC_H_ROOT,
    TCA_ACT_KIND,
    TCA_ACT_OPTIONS,
    TCA_ACT_PRIO_1,
    TCA_KIND,
    TCA_MIRRED_PARMS,
    TCA_OPTIONS,
    TCA_POLICE_RATE,
    TCA_POLICE_TBF,
    TCA_TBF_PARMS,
    TCA_U32_ACT,
    TCA_U32_SEL,
    TRAFFIC,
    U32,
)
from cni_bridge.kernel.netlink import Request, decode, encode, nest
from cni_bridge.lean.record import record

TYPE_CHECKING = False

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cni_bridge.kernel.netlink import Value

NLM_F_REPLACE = 0x100  # linux/netlink.h
RTM_DELQDISC = 37  # linux/rtnetlink.h
ETH_P_ALL = 0x0003  # linux/if_ether.h
LOOPBACK_IFINDEX = 1  # include/net/flow.h: the index of `lo` in every namespace
MAX_TX_QUEUES = 4096  # net/core/rtnetlink.c
TC_ACT_SHOT = 2  # linux/pkt_cls.h
TC_ACT_STOLEN = 4
TC_LINKLAYER_ETHERNET = 1  # linux/pkt_sched.h
TC_RTAB_SIZE = 1024
TC_U32_SEL_SIZE = 16  # linux/pkt_cls.h
TC_U32_TERMINAL = 1
TCA_ACT_TAB = 1  # linux/rtnetlink.h
TCAMSG_SIZE = 4
TCA_EGRESS_REDIR = 1  # linux/tc_act/tc_mirred.h
TCA_POLICE_RATE64 = 8  # linux/pkt_cls.h
TCA_TBF_RATE64 = 4  # linux/pkt_sched.h
TCA_TBF_BURST = 6

INGRESS_HANDLE = 0xFFFF0000
ROOT_HANDLE = 0x00010000
TICK_NS = 64  # PSCHED_SHIFT, net/pkt_sched.h
U32_MAX = 0xFFFFFFFF
# The kernel no longer reads the table of transmission times, but policing still requires a valid one.
CELL_LOG = 3
NO_PEAK = (0, 0, 0, 0, 0, 0)


@record
class Bucket:
    """A token bucket: `rate` in bytes per second, `limit` in bytes of its queue."""

    rate: int
    limit: int


@record
class Action:
    """The action on every packet: `mirred` to the interface `target`, or `police` to `rate`."""

    kind: str
    target: int = 0
    rate: int = 0


# ---------------------------------------------------------------- probe


def probe_qdisc(kind: str) -> Request:
    """Ask for a queueing discipline without options: always refused, with ENOENT if unknown."""
    return _qdisc(LOOPBACK_IFINDEX, TC_H_ROOT, 0, {TCA_KIND: kind}, f"probe for {kind}")


def probe_action(kind: str) -> Request:
    """Ask for an action without options: always refused, with ENOENT if unknown."""
    action = nest(ACTIONS, {TCA_ACT_PRIO_1: nest(ACTION, {TCA_ACT_KIND: kind})})
    body = bytes(TCAMSG_SIZE) + nest({}, {TCA_ACT_TAB: action})
    return Request(
        what=f"probe for {kind}", kind=RTM_NEWACTION, flags=NLM_F_CREATE | NLM_F_EXCL, body=body
    )


def probe_ifb(name: str) -> Request:
    """Ask for an ifb with too many queues: always refused, with EOPNOTSUPP if unknown."""
    return _ifb(name, {IFLA_NUM_TX_QUEUES: MAX_TX_QUEUES + 1})


# ---------------------------------------------------------------- create


def create_ifb(name: str, mtu: int) -> Request:
    """Create an ifb device, up at once; packets redirected to it return to their path."""
    return _ifb(name, {IFLA_MTU: mtu})


def add_bucket(index: int, *, rate: int, burst: int, limit: int, replaces: bool = False) -> Request:
    """Limit what an interface sends to `rate` bytes per second, `burst` at once, `limit` queued."""
    parms = (*_rate(rate), *NO_PEAK, limit, _ticks(rate, burst), 0)
    options = nest(TBF, {TCA_TBF_PARMS: parms}) + _rate64(TCA_TBF_RATE64, rate)
    # In bytes, because the ticks of the old field end at 274 seconds' worth.
    options += nest({TCA_TBF_BURST: "I"}, {TCA_TBF_BURST: burst})
    what = f"limit what interface {index} sends to {rate} bytes per second"
    values: dict[int, Value] = {TCA_KIND: "tbf", TCA_OPTIONS: options}
    flag = NLM_F_REPLACE if replaces else NLM_F_EXCL
    return _qdisc(index, TC_H_ROOT, ROOT_HANDLE, values, what, flag)


def add_ingress(index: int) -> Request:
    """Add the ingress queueing discipline, to which filters of received packets attach."""
    return _qdisc(
        index,
        TC_H_INGRESS,
        INGRESS_HANDLE,
        {TCA_KIND: "ingress"},
        f"filter what interface {index} receives",
    )


def redirect(index: int, target: int) -> Request:
    """Redirect everything that an interface receives through another one."""
    parms = (0, 0, TC_ACT_STOLEN, 0, 0, TCA_EGRESS_REDIR, target)
    what = f"redirect what interface {index} receives through interface {target}"
    return _filter(index, "mirred", nest(MIRRED, {TCA_MIRRED_PARMS: parms}), what)


def police(index: int, *, rate: int, burst: int) -> Request:
    """Drop what an interface receives beyond `rate` bytes per second, `burst` at once."""
    parms = (0, TC_ACT_SHOT, 0, _ticks(rate, burst), U32_MAX, *_rate(rate), *NO_PEAK, 0, 0, 0)
    options = nest(POLICE, {TCA_POLICE_TBF: parms, TCA_POLICE_RATE: bytes(TC_RTAB_SIZE)})
    options += _rate64(TCA_POLICE_RATE64, rate)
    what = f"limit what interface {index} receives to {rate} bytes per second"
    return _filter(index, "police", options, what)


# ---------------------------------------------------------------- remove


def remove_root(index: int) -> Request:
    """Remove an interface's queueing discipline; the kernel's default takes its place."""
    return _removal(index, TC_H_ROOT, f"remove the limit of interface {index}")


def remove_ingress(index: int) -> Request:
    """Remove the ingress queueing discipline with its filters."""
    return _removal(index, TC_H_INGRESS, f"remove the filters of interface {index}")


def _removal(index: int, parent: int, what: str) -> Request:
    body = encode(TRAFFIC, (0, 0, 0, index, 0, parent, 0), {})
    return Request(what=what, kind=RTM_DELQDISC, body=body)


# ---------------------------------------------------------------- inspect


def get_root(index: int) -> Request:
    """Look up an interface's queueing discipline."""
    return Request(
        what=f"look up the queueing discipline of interface {index}",
        kind=RTM_GETQDISC,
        flags=NLM_F_ECHO,  # otherwise only a multicast group gets the answer
        body=encode(TRAFFIC, (0, 0, 0, index, 0, TC_H_ROOT, 0), {}),
    )


def filters(index: int) -> Request:
    """List the filters of what an interface receives."""
    return Request(
        what=f"list the filters of interface {index}",
        kind=RTM_GETTFILTER,
        body=encode(TRAFFIC, (0, 0, 0, index, 0, INGRESS_HANDLE, 0), {}),
    )


def parse_bucket(payload: bytes) -> Bucket | None:
    """Parse the token bucket in an answer; None if it is another queueing discipline."""
    _, attributes = decode(TRAFFIC, payload)
    if attributes.text(TCA_KIND) != "tbf":
        return None
    options = attributes.nested(TCA_OPTIONS, {TCA_TBF_RATE64: "Q"})
    parms = _fields(TBF[TCA_TBF_PARMS], options.raw(TCA_TBF_PARMS))
    return Bucket(rate=options.number(TCA_TBF_RATE64) or parms[5], limit=parms[12])


def parse_filter(payload: bytes) -> Action | None:
    """Parse the action of the filter in an answer; None if it has none."""
    _, attributes = decode(TRAFFIC, payload)
    actions = attributes.nested(TCA_OPTIONS, U32).nested(TCA_U32_ACT, ACTIONS)
    action = actions.nested(TCA_ACT_PRIO_1, ACTION)
    kind = action.text(TCA_ACT_KIND)
    if kind == "mirred":
        options = action.nested(TCA_ACT_OPTIONS, MIRRED)
        parms = _fields(MIRRED[TCA_MIRRED_PARMS], options.raw(TCA_MIRRED_PARMS))
        return Action(kind=kind, target=parms[6])
    if kind == "police":
        options = action.nested(TCA_ACT_OPTIONS, {TCA_POLICE_RATE64: "Q"})
        parms = _fields(POLICE[TCA_POLICE_TBF], options.raw(TCA_POLICE_TBF))
        return Action(kind=kind, rate=options.number(TCA_POLICE_RATE64) or parms[10])
    return Action(kind=kind) if kind else None


# ---------------------------------------------------------------- helpers


def _ifb(name: str, more: "Mapping[int, Value]") -> Request:
    values: dict[int, Value] = {
        IFLA_IFNAME: name,
        **more,
        IFLA_LINKINFO: nest(LINKINFO, {IFLA_INFO_KIND: "ifb"}),
    }
    return Request(
        what=f"create ifb {name}",
        kind=RTM_NEWLINK,
        flags=NLM_F_CREATE | NLM_F_EXCL,
        body=encode(LINK, (0, 0, 0, IFF_UP, IFF_UP), values),
    )


def _qdisc(
    index: int,
    parent: int,
    handle: int,
    values: "Mapping[int, Value]",
    what: str,
    flag: int = NLM_F_EXCL,
) -> Request:
    return Request(
        what=what,
        kind=RTM_NEWQDISC,
        flags=NLM_F_CREATE | flag,
        body=encode(TRAFFIC, (0, 0, 0, index, handle, parent, 0), values),
    )


def _filter(index: int, kind: str, action: bytes, what: str) -> Request:
    """Build a filter that matches every packet: its selector compares nothing."""
    actions = nest(ACTION, {TCA_ACT_KIND: kind, TCA_ACT_OPTIONS: action})
    selector = bytes((TC_U32_TERMINAL,)).ljust(TC_U32_SEL_SIZE, b"\0")
    options = nest(U32, {TCA_U32_ACT: nest(ACTIONS, {TCA_ACT_PRIO_1: actions})})
    options += nest(U32, {TCA_U32_SEL: selector})
    protocol = 1 << 16 | ETH_P_ALL << 8  # the priority, and the protocol in network order
    return Request(
        what=what,
        kind=RTM_NEWTFILTER,
        flags=NLM_F_CREATE | NLM_F_EXCL,
        body=encode(
            TRAFFIC,
            (0, 0, 0, index, 0, INGRESS_HANDLE, protocol),
            {TCA_KIND: "u32", TCA_OPTIONS: options},
        ),
    )


def _fields(form: str, payload: bytes) -> tuple[int, ...]:
    """Unpack a struct: a message header without attributes after it."""
    return decode((form, {}), payload)[0]


def _rate(rate: int) -> tuple[int, ...]:
    return (CELL_LOG, TC_LINKLAYER_ETHERNET, 0, -1, 0, min(rate, U32_MAX))


def _rate64(attribute: int, rate: int) -> bytes:
    return nest({attribute: "Q"}, {attribute: rate}) if rate > U32_MAX else b""


def _ticks(rate: int, burst: int) -> int:
    return min(burst * 1_000_000_000 // rate // TICK_NS, U32_MAX)
