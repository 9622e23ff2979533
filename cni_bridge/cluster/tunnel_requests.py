"""Netlink messages for tunnels, their forwarding entries and neighbours.

Pure: builds requests and reads answers. It sends nothing and decides no policy.
"""

from socket import AF_BRIDGE

from cni_bridge import address
from cni_bridge.address import text
from cni_bridge.cluster.desired import Forward, Neighbour, Tunnel
from cni_bridge.cluster.messages import (
    IFLA_VXLAN_ID,
    IFLA_VXLAN_LEARNING,
    IFLA_VXLAN_LOCAL,
    IFLA_VXLAN_LOCAL6,
    IFLA_VXLAN_PORT,
    NDA_DST,
    NDA_IFINDEX,
    NDA_LLADDR,
    NEIGHBOUR,
    NLM_F_REPLACE,
    NTF_SELF,
    NUD_PERMANENT,
    RTM_DELNEIGH,
    RTM_GETNEIGH,
    RTM_NEWNEIGH,
    VXLAN,
)
from cni_bridge.kernel import links
from cni_bridge.kernel.messages import (
    IFF_UP,
    IFLA_ADDRESS,
    IFLA_AF_SPEC,
    IFLA_IFALIAS,
    IFLA_IFNAME,
    IFLA_INFO_DATA,
    IFLA_INFO_KIND,
    IFLA_LINKINFO,
    IFLA_MTU,
    LINK,
    LINKINFO,
    NLM_F_CREATE,
    NLM_F_EXCL,
    RTM_GETLINK,
    RTM_NEWLINK,
)
from cni_bridge.kernel.netlink import Request, decode, encode, nest
from cni_bridge.lean.record import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cni_bridge.kernel.netlink import Value

REPLACE = NLM_F_CREATE | NLM_F_REPLACE


@record
class Device:
    """A VXLAN device that is there; its addresses are listed elsewhere."""

    index: int
    is_up: bool
    learns: bool
    tunnel: Tunnel


# ---------------------------------------------------------------- tunnels


def tunnels() -> Request:
    """List VXLAN devices; a kernel that knows of none lists all interfaces."""
    kind = nest(LINKINFO, {IFLA_INFO_KIND: "vxlan"})
    return Request(
        what="list tunnels",
        kind=RTM_GETLINK,
        body=encode(LINK, (0, 0, 0, 0, 0), {IFLA_LINKINFO: kind}),
    )


def create_tunnel(want: Tunnel) -> Request:
    """Create a tunnel, down and without an alias; its MAC is set, so that udev does not choose one."""
    local = IFLA_VXLAN_LOCAL if len(want.local) == 4 else IFLA_VXLAN_LOCAL6
    data = nest(
        VXLAN,
        {
            IFLA_VXLAN_ID: want.vni,
            local: want.local,
            IFLA_VXLAN_LEARNING: 0,
            IFLA_VXLAN_PORT: want.port,
        },
    )
    values: dict[int, Value] = {
        IFLA_IFNAME: want.name,
        IFLA_ADDRESS: want.mac,
        IFLA_MTU: want.mtu,
        IFLA_LINKINFO: nest(LINKINFO, {IFLA_INFO_KIND: "vxlan", IFLA_INFO_DATA: data}),
    }
    return Request(
        what=f"create tunnel {want.name}",
        kind=RTM_NEWLINK,
        flags=NLM_F_CREATE | NLM_F_EXCL,
        body=encode(LINK, (0, 0, 0, 0, 0), values),
    )


def adjust_tunnel(index: int, want: Tunnel, *, has_ipv6: bool) -> Request:
    """Set what can be set while packets go through.

    It makes no IPv6 address by itself, because duplicate detection has no listeners. That must be
    set before it is up.
    """
    values: dict[int, Value] = {
        IFLA_ADDRESS: want.mac,
        IFLA_MTU: want.mtu,
        IFLA_IFALIAS: want.alias,
        IFLA_AF_SPEC: links.no_link_local() if has_ipv6 else None,
    }
    return Request(
        what=f"set tunnel {want.name}: MAC {want.mac.hex(':')}, MTU {want.mtu}",
        kind=RTM_NEWLINK,
        body=encode(LINK, (0, 0, index, 0, 0), values),
    )


def parse_tunnel(payload: bytes) -> Device | None:
    """Return the tunnel that an answer describes; None for an interface of another kind."""
    (_, _, index, flags, _), link = decode(LINK, payload)
    info = link.nested(IFLA_LINKINFO, LINKINFO)
    if info.text(IFLA_INFO_KIND) != "vxlan":
        return None
    data = info.nested(IFLA_INFO_DATA, VXLAN)
    return Device(
        index=index,
        is_up=bool(flags & IFF_UP),
        learns=bool(data.number(IFLA_VXLAN_LEARNING)),
        tunnel=Tunnel(
            name=link.text(IFLA_IFNAME),
            alias=link.text(IFLA_IFALIAS),
            mac=link.raw(IFLA_ADDRESS),
            vni=data.number(IFLA_VXLAN_ID) or 0,
            port=data.number(IFLA_VXLAN_PORT) or 0,
            local=data.raw(IFLA_VXLAN_LOCAL) or data.raw(IFLA_VXLAN_LOCAL6),
            mtu=link.number(IFLA_MTU) or 0,
            addresses=(),
        ),
    )


# ---------------------------------------------------------------- neighbours of a tunnel


def neighbours(family: int, interface: int) -> Request:
    """List what an interface knows of its neighbours: next hops, or of AF_BRIDGE, where MACs are."""
    is_bridge = family == AF_BRIDGE
    return Request(
        what=f"list neighbours of interface {interface}",
        kind=RTM_GETNEIGH,
        body=encode(
            NEIGHBOUR,
            (family, interface if is_bridge else 0, 0, 0, 0),
            {} if is_bridge else {NDA_IFINDEX: interface},
        ),
    )


def set_neighbour(interface: int, want: Neighbour) -> Request:
    """Tell a tunnel for good which MAC a next hop has."""
    return Request(
        what=f"set neighbour {text(want.ip)} of {want.tunnel} to {want.mac.hex(':')}",
        kind=RTM_NEWNEIGH,
        flags=REPLACE,
        body=_neighbour(interface, want.ip, want.mac),
    )


def delete_neighbour(interface: int, ip: bytes) -> Request:
    """Let a tunnel forget a next hop."""
    return Request(
        what=f"remove neighbour {text(ip)} of interface {interface}",
        kind=RTM_DELNEIGH,
        body=_neighbour(interface, ip, None),
    )


def set_forward(interface: int, want: Forward) -> Request:
    """Tell a tunnel where a MAC is."""
    return Request(
        what=f"set {want.mac.hex(':')} on {want.tunnel} to be behind {text(want.ip)}",
        kind=RTM_NEWNEIGH,
        flags=REPLACE,
        body=_forward(interface, want.mac, want.ip),
    )


def delete_forward(interface: int, mac: bytes, ip: bytes) -> Request:
    """Let a tunnel forget where a MAC is."""
    return Request(
        what=f"remove {mac.hex(':')} of interface {interface}",
        kind=RTM_DELNEIGH,
        body=_forward(interface, mac, ip),
    )


def parse_neighbour(payload: bytes) -> tuple[bytes, bytes] | None:
    """Address and MAC of an answer; None for what the kernel has learned for the moment."""
    (_, _, state, _, _), values = decode(NEIGHBOUR, payload)
    if not state & NUD_PERMANENT:
        return None
    return values.raw(NDA_DST), values.raw(NDA_LLADDR)


# ---------------------------------------------------------------- helpers


def _neighbour(interface: int, ip: bytes, mac: bytes | None) -> bytes:
    header = (address.family(ip), interface, NUD_PERMANENT, 0, 0)
    return encode(NEIGHBOUR, header, {NDA_DST: ip, NDA_LLADDR: mac})


def _forward(interface: int, mac: bytes, ip: bytes) -> bytes:
    header = (AF_BRIDGE, interface, NUD_PERMANENT, NTF_SELF, 0)
    return encode(NEIGHBOUR, header, {NDA_LLADDR: mac, NDA_DST: ip})
