"""Requests for a filter of traffic control that drops packets from and to 127.0.0.0/8.

Pure: builds requests and reads answers. The filter is a classic BPF program: it needs no action's
module, and outlives `nft flush ruleset` and every reload of another firewall.
"""

from cni_bridge.kernel.messages import (
    NLM_F_CREATE,
    NLM_F_EXCL,
    RTM_GETTFILTER,
    RTM_NEWQDISC,
    RTM_NEWTFILTER,
    TCA_KIND,
    TCA_OPTIONS,
    TRAFFIC,
)
from cni_bridge.kernel.netlink import Request, encode, nest
from cni_bridge.lean.cstruct import pack

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from cni_bridge.kernel.netlink import Value

EXEMPT_MARK = 0x1000  # what ruleset.nft gives to answers that are for the host's own connections
CLSACT = 0xFFFFFFF1  # linux/pkt_sched.h
CLSACT_HANDLE = 0xFFFF0000
INGRESS = 0xFFFFFFF2  # of clsact, and of an ingress queueing discipline too
PRIORITY = 2  # before all but the filter of older releases, which has 1
ETH_P_IP, ETH_P_ALL = 0x0800, 0x0003  # linux/if_ether.h
ETH_P_8021Q, ETH_P_8021AD = 0x8100, 0x88A8
NETWORK = 0x7F000000, 0xFF000000  # 127.0.0.0/8
AT_KIND, AT_SOURCE, AT_DESTINATION = 12, 26, 30  # offsets in a frame
TAG = 4  # bytes
AT_MARK = 0xFFFFF000 + 20  # SKF_AD_OFF + SKF_AD_MARK, linux/filter.h
# linux/bpf_common.h; the index is what the second of these adds to an offset
LD_HALF, LD_WORD_AT_INDEX, LD_INDEX = 0x28, 0x40, 0x01
LD_WORD, AND, JUMP_IF_EQUAL, RETURN = 0x20, 0x54, 0x15, 0x06
TC_ACT_SHOT, TC_ACT_UNSPEC = 2, 0xFFFFFFFF  # linux/pkt_cls.h
TCA_BPF_OPS_LEN, TCA_BPF_OPS, TCA_BPF_NAME, TCA_BPF_FLAGS = 4, 5, 7, 8
TCA_BPF_FLAG_ACT_DIRECT = 1
BPF = {TCA_BPF_OPS_LEN: "H", TCA_BPF_OPS: "bytes", TCA_BPF_NAME: "text", TCA_BPF_FLAGS: "I"}


def add_ingress(index: int) -> Request:
    """Add the queueing discipline that filters of received packets attach to; EEXIST if there is one."""
    return Request(
        what=f"filter what interface {index} receives",
        kind=RTM_NEWQDISC,
        flags=NLM_F_CREATE | NLM_F_EXCL,
        body=encode(TRAFFIC, (0, 0, 0, index, CLSACT_HANDLE, CLSACT, 0), {TCA_KIND: "clsact"}),
    )


def drop(index: int) -> Request:
    """Drop what an interface receives from and to 127.0.0.0/8, but for what has the mark."""
    options: dict[int, Value] = {
        TCA_BPF_OPS_LEN: len(_PROGRAM) // 8,
        TCA_BPF_OPS: _PROGRAM,
        TCA_BPF_NAME: "cni-bridge loopback",
        TCA_BPF_FLAGS: TCA_BPF_FLAG_ACT_DIRECT,
    }
    protocol = int.from_bytes(pack(">H", ETH_P_ALL), "little")
    info = PRIORITY << 16 | protocol
    return Request(
        what=f"drop what interface {index} receives from and to 127.0.0.0/8",
        kind=RTM_NEWTFILTER,
        flags=NLM_F_CREATE | NLM_F_EXCL,
        body=encode(
            TRAFFIC,
            (0, 0, 0, index, 0, INGRESS, info),
            {TCA_KIND: "bpf", TCA_OPTIONS: nest(BPF, options)},
        ),
    )


def filters(index: int) -> Request:
    """List the filters of what an interface receives."""
    return Request(
        what=f"list the filters of interface {index}",
        kind=RTM_GETTFILTER,
        body=encode(TRAFFIC, (0, 0, 0, index, 0, INGRESS, 0), {}),
    )


def is_among(listed: "Iterable[bytes]") -> bool:
    """Return whether the filter of `drop` is among these."""
    return any(_PROGRAM in payload for payload in listed)


def _program() -> bytes:
    """Assemble the program: struct sock_filter for each instruction; jumps count from the next one.

    The kernel keeps a frame's outer VLAN tag elsewhere. A tag with the id 0 it ignores, however many
    there are: so the program looks behind a second one, and drops frames with more.
    """
    address, mask = NETWORK
    instructions = (
        (LD_INDEX, 0, 0, 0),
        (LD_HALF, 0, 0, AT_KIND),
        (JUMP_IF_EQUAL, 7, 0, ETH_P_IP),
        (JUMP_IF_EQUAL, 1, 0, ETH_P_8021Q),
        (JUMP_IF_EQUAL, 0, 15, ETH_P_8021AD),
        (LD_INDEX, 0, 0, TAG),
        (LD_HALF, 0, 0, AT_KIND + TAG),
        (JUMP_IF_EQUAL, 11, 0, ETH_P_8021Q),
        (JUMP_IF_EQUAL, 10, 0, ETH_P_8021AD),
        (JUMP_IF_EQUAL, 0, 10, ETH_P_IP),
        (LD_WORD_AT_INDEX, 0, 0, AT_SOURCE),
        (AND, 0, 0, mask),
        (JUMP_IF_EQUAL, 3, 0, address),
        (LD_WORD_AT_INDEX, 0, 0, AT_DESTINATION),
        (AND, 0, 0, mask),
        (JUMP_IF_EQUAL, 0, 4, address),
        (LD_WORD, 0, 0, AT_MARK),
        (AND, 0, 0, EXEMPT_MARK),
        (JUMP_IF_EQUAL, 0, 1, 0),
        (RETURN, 0, 0, TC_ACT_SHOT),
        (RETURN, 0, 0, TC_ACT_UNSPEC),
    )
    return b"".join(pack("HBBI", *each) for each in instructions)


_PROGRAM = _program()
