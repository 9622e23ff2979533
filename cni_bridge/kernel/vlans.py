"""Netlink requests and answers about VLANs of bridges and their ports.

Pure: builds requests and parses answers. Loaded only for networks with VLANs.
"""

from cni_bridge.kernel.links import NO_NETNS
from cni_bridge.kernel.messages import (
    BRIDGE,
    BRIDGE_SPEC,
    BRIDGE_VLAN_INFO_PVID,
    BRIDGE_VLAN_INFO_RANGE_BEGIN,
    BRIDGE_VLAN_INFO_RANGE_END,
    BRIDGE_VLAN_INFO_UNTAGGED,
    IFLA_AF_SPEC,
    IFLA_BR_VLAN_DEFAULT_PVID,
    IFLA_BR_VLAN_PROTOCOL,
    IFLA_BRIDGE_VLAN_INFO,
    IFLA_EXT_MASK,
    IFLA_INFO_DATA,
    IFLA_INFO_KIND,
    IFLA_LINKINFO,
    IFLA_NET_NS_FD,
    LINK,
    LINKINFO,
    NLM_F_CREATE,
    NLM_F_EXCL,
    RTM_DELLINK,
    RTM_GETLINK,
    RTM_NEWLINK,
    RTM_SETLINK,
)
from cni_bridge.kernel.netlink import Request, decode, encode, nest

TYPE_CHECKING = False

if TYPE_CHECKING:
    from cni_bridge.model_optional import VlanFilter

    PortVlans = dict[int, int]  # BRIDGE_VLAN_INFO_PVID and _UNTAGGED by VLAN id

AF_BRIDGE = 7  # linux/socket.h
RTEXT_FILTER_BRVLAN = 2  # linux/rtnetlink.h
DEFAULT_VLAN = 1
VLAN_FIRST, VLAN_LAST = 1, 4094
ACCESS = BRIDGE_VLAN_INFO_PVID | BRIDGE_VLAN_INFO_UNTAGGED


def probe() -> Request:
    """Ask for an impossible bridge: EPROTONOSUPPORT comes from a kernel that can filter VLANs.

    VLAN protocol 0 does not exist, but only such a kernel looks at it. Others go on to the network
    namespace that does not exist (EBADF), or have no bridges at all (EOPNOTSUPP).
    """
    data = nest(BRIDGE, {IFLA_BR_VLAN_PROTOCOL: 0})
    info = nest(LINKINFO, {IFLA_INFO_KIND: "bridge", IFLA_INFO_DATA: data})
    return Request(
        what="ask whether bridges can filter VLANs",
        kind=RTM_NEWLINK,
        flags=NLM_F_CREATE | NLM_F_EXCL,
        body=encode(LINK, (0, 0, 0, 0, 0), {IFLA_NET_NS_FD: NO_NETNS, IFLA_LINKINFO: info}),
    )


def desired(port: "VlanFilter") -> "PortVlans":
    """Return the VLANs that a port should have, apart from a default that is kept.

    Untagged frames need a VLAN: the access VLAN even if the trunk lists it too, otherwise VLAN 1.
    """
    return dict.fromkeys(port.trunk, 0) | {port.access or DEFAULT_VLAN: ACCESS}


def configure(index: int, port: "VlanFilter") -> list[Request]:
    """Give a port exactly its VLANs, plus the default VLAN if that is kept."""
    vlans = desired(port)
    requests = [] if port.keeps_default else [delete(index)]
    requests += [add(index, *span) for span in _spans(vlans)]
    return requests


def add(index: int, first: int, last: int, flags: int = 0) -> Request:
    """Add a range of VLANs to a bridge port; `flags` are BRIDGE_VLAN_INFO_*."""
    what = f"add VLANs {first}-{last} to port {index}"
    return _change(what, RTM_SETLINK, index, (first, last, flags))


def delete(index: int, first: int = VLAN_FIRST, last: int = VLAN_LAST) -> Request:
    """Remove a range of VLANs, all by default, from a bridge port; absent ones are ignored."""
    what = f"remove VLANs {first}-{last} from port {index}"
    return _change(what, RTM_DELLINK, index, (first, last, 0))


def listing() -> Request:
    """List all bridge ports with their VLANs; the kernel can't list a single port."""
    return Request(
        what="list the VLANs of bridge ports",
        kind=RTM_GETLINK,
        body=encode(LINK, (AF_BRIDGE, 0, 0, 0, 0), {IFLA_EXT_MASK: RTEXT_FILTER_BRVLAN}),
    )


def of_port(index: int, answers: list[bytes]) -> "PortVlans":
    """Return the VLANs of one of the listed ports."""
    vlans: PortVlans = {}
    for answer in answers:
        (_, _, port, _, _), link = decode(LINK, answer)
        if port != index:
            continue
        # The kernel repeats one attribute here, of four numbers: length, kind, flags, VLAN.
        numbers = memoryview(link.raw(IFLA_AF_SPEC)).cast("H").tolist()
        for flags, vlan in zip(numbers[2::4], numbers[3::4], strict=True):
            vlans[vlan] = flags & ACCESS
    return vlans


def default_vlan(payload: bytes) -> int:
    """Return the VLAN of new ports of a bridge; 0 for none."""
    info = decode(LINK, payload)[1].nested(IFLA_LINKINFO, LINKINFO)
    return info.nested(IFLA_INFO_DATA, BRIDGE).number(IFLA_BR_VLAN_DEFAULT_PVID) or 0


def describe(flags: int | None) -> str:
    """Describe what a port does with a VLAN's frames, for messages."""
    if flags is None:
        return "none"
    words = "untagged" if flags & BRIDGE_VLAN_INFO_UNTAGGED else "tagged"
    return f"pvid {words}" if flags & BRIDGE_VLAN_INFO_PVID else words


def _spans(vlans: "PortVlans") -> list[tuple[int, int, int]]:
    """Return first, last and flags of each run of VLANs with equal flags."""
    spans: list[tuple[int, int, int]] = []
    for vlan, flags in sorted(vlans.items()):
        if spans and spans[-1][1:] == (vlan - 1, flags):
            spans[-1] = (spans[-1][0], vlan, flags)
        else:
            spans.append((vlan, vlan, flags))
    return spans


def _change(what: str, kind: int, index: int, span: tuple[int, int, int]) -> Request:
    first, last, flags = span
    if first == last:
        spec = nest(BRIDGE_SPEC, {IFLA_BRIDGE_VLAN_INFO: (flags, first)})
    else:
        begin = (flags | BRIDGE_VLAN_INFO_RANGE_BEGIN, first)
        end = (flags | BRIDGE_VLAN_INFO_RANGE_END, last)
        spec = nest(BRIDGE_SPEC, {IFLA_BRIDGE_VLAN_INFO: begin})
        spec += nest(BRIDGE_SPEC, {IFLA_BRIDGE_VLAN_INFO: end})
    body = encode(LINK, (AF_BRIDGE, 0, index, 0, 0), {IFLA_AF_SPEC: spec})
    return Request(what=what, kind=kind, body=body)
