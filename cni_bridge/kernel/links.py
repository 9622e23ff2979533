"""Netlink requests and answers about links: interfaces, bridges, veth pairs and bridge ports.

Pure: builds requests and parses answers. Sends nothing and decides no policy.
"""

from cni_bridge.kernel.messages import (
    BRIDGE,
    BRIDGE_PORT,
    IFF_PROMISC,
    IFF_UP,
    IFLA_ADDRESS,
    IFLA_AF_SPEC,
    IFLA_BR_FORWARD_DELAY,
    IFLA_BR_VLAN_FILTERING,
    IFLA_BRPORT_GROUP_FWD_MASK,
    IFLA_BRPORT_ISOLATED,
    IFLA_BRPORT_MODE,
    IFLA_BRPORT_STATE,
    IFLA_EXT_MASK,
    IFLA_GROUP,
    IFLA_IFALIAS,
    IFLA_IFNAME,
    IFLA_INET6_ADDR_GEN_MODE,
    IFLA_INFO_DATA,
    IFLA_INFO_KIND,
    IFLA_INFO_SLAVE_DATA,
    IFLA_INFO_SLAVE_KIND,
    IFLA_LINK,
    IFLA_LINK_NETNSID,
    IFLA_LINKINFO,
    IFLA_MASTER,
    IFLA_MTU,
    IFLA_NET_NS_FD,
    IFLA_OPERSTATE,
    LINK,
    LINKINFO,
    NLM_F_CREATE,
    NLM_F_EXCL,
    RTM_DELLINK,
    RTM_GETLINK,
    RTM_NEWLINK,
    SPEC6,
    VETH,
    VETH_INFO_PEER,
)
from cni_bridge.kernel.netlink import Attributes, Request, decode, encode, nest
from cni_bridge.lean.record import record

TYPE_CHECKING = False

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cni_bridge.kernel.netlink import Value

    Who = int | str  # an interface, by index or by name

AF_INET, AF_INET6 = 2, 10
IFLA_INET_CONF = 1  # linux/if_link.h, in IFLA_AF_SPEC of AF_INET
IPV4_DEVCONF_ARP_NOTIFY = 22  # linux/ip.h
IN6_ADDR_GEN_MODE_NONE = 1  # linux/if_link.h
BR_STATE_DISABLED = 0  # linux/if_bridge.h
BR_STATE_FORWARDING = 3
STP_STATES = {1: "listening", 2: "learning", 4: "blocking"}  # of BR_STATE_*
NO_NETNS = 0xFFFFFFFF  # not a valid descriptor
RTEXT_FILTER_SKIP_STATS = 8  # linux/rtnetlink.h
# Frames to the group addresses 01:80:c2:00:00:00 to 0f, but not pause frames, which are always dropped.
# Unless the port forwards them, the bridge learns their sender and hands them to the host before any
# rule of nftables sees them.
RESERVED_GROUPS = 0xFFFD


@record
class BridgePort:
    """A bridge port, as its bridge sees it; `state` is BR_STATE_*."""

    state: int
    hairpin: bool
    isolated: bool
    forwards_reserved: bool = False  # frames to all of RESERVED_GROUPS


class Link:
    """An interface, decoded on access: few of an answer's hundred attributes are ever read."""

    def __init__(self, payload: bytes) -> None:
        (_, _, self.index, self._flags, _), self._link = decode(LINK, payload)

    @property
    def _info(self) -> Attributes:
        return self._link.nested(IFLA_LINKINFO, LINKINFO)

    @property
    def name(self) -> str:
        """Return its name."""
        return self._link.text(IFLA_IFNAME)

    @property
    def kind(self) -> str:
        """Return `bridge`, `veth`, ...; empty for hardware."""
        return self._info.text(IFLA_INFO_KIND)

    @property
    def mtu(self) -> int:
        """Return its MTU."""
        return self._link.number(IFLA_MTU) or 0

    @property
    def mac(self) -> str:
        """Return its MAC as text."""
        return self._link.raw(IFLA_ADDRESS).hex(":")

    @property
    def alias(self) -> str:
        """Return its alias, empty if it has none."""
        return self._link.text(IFLA_IFALIAS)

    @property
    def group(self) -> int:
        """Return its group."""
        return self._link.number(IFLA_GROUP) or 0

    @property
    def is_up(self) -> bool:
        """Return whether it is up."""
        return bool(self._flags & IFF_UP)

    @property
    def is_promiscuous(self) -> bool:
        """Return whether it receives all frames."""
        return bool(self._flags & IFF_PROMISC)

    @property
    def operstate(self) -> int:
        """Return its operational state, IF_OPER_*."""
        return self._link.number(IFLA_OPERSTATE) or 0

    @property
    def master(self) -> int:
        """Return the index of its bridge, 0 if it has none."""
        return self._link.number(IFLA_MASTER) or 0

    @property
    def peer(self) -> int:
        """Return the index of a veth's other end, 0 if it has none."""
        return self._link.number(IFLA_LINK) or 0

    @property
    def peer_netns(self) -> int | None:
        """Return the id of the other end's namespace, None if it is in the same one."""
        return self._link.number(IFLA_LINK_NETNSID)

    @property
    def port(self) -> BridgePort | None:
        """Return the bridge port that it is, or None."""
        if self._info.text(IFLA_INFO_SLAVE_KIND) != "bridge":
            return None
        data = self._info.nested(IFLA_INFO_SLAVE_DATA, BRIDGE_PORT)
        return BridgePort(
            state=data.number(IFLA_BRPORT_STATE) or 0,
            hairpin=bool(data.number(IFLA_BRPORT_MODE)),
            isolated=bool(data.number(IFLA_BRPORT_ISOLATED)),
            forwards_reserved=data.number(IFLA_BRPORT_GROUP_FWD_MASK) == RESERVED_GROUPS,
        )

    @property
    def filters_vlans(self) -> bool:
        """Return whether it is a bridge that filters VLANs."""
        return bool(self._of_bridge(IFLA_BR_VLAN_FILTERING))

    @property
    def forward_delay(self) -> int:
        """Return the hundredths of a second that a bridge's STP listens, and then learns."""
        return self._of_bridge(IFLA_BR_FORWARD_DELAY)

    def _of_bridge(self, attribute: int) -> int:
        """Return a number that bridges have; 0 for another kind, whose attributes mean other things."""
        if self.kind != "bridge":
            return 0
        return self._info.nested(IFLA_INFO_DATA, BRIDGE).number(attribute) or 0


def get(who: "Who") -> Request:
    """Look one interface up."""
    index, name = _identity(who)
    values = {IFLA_IFNAME: name, IFLA_EXT_MASK: RTEXT_FILTER_SKIP_STATS}
    return Request(
        what=f"look up interface {who}",
        kind=RTM_GETLINK,
        body=encode(LINK, (0, 0, index, 0, 0), values),
    )


def listing(master: int = 0) -> Request:
    """List all interfaces, or the ports of one bridge."""
    values = {IFLA_MASTER: master or None, IFLA_EXT_MASK: RTEXT_FILTER_SKIP_STATS}
    return Request(
        what=f"list the ports of interface {master}" if master else "list interfaces",
        kind=RTM_GETLINK,
        body=encode(LINK, (0, 0, 0, 0, 0), values),
    )


def probe(kind: str) -> Request:
    """Ask for an interface in a netns that does not exist: EBADF if the kernel has that kind."""
    info = nest(LINKINFO, {IFLA_INFO_KIND: kind})
    return _create(f"probe for {kind}", {IFLA_NET_NS_FD: NO_NETNS, IFLA_LINKINFO: info})


def create_bridge(name: str, *, mac: bytes, mtu: int, filters_vlans: bool) -> Request:
    """Create a bridge that is up at once and keeps its MAC whatever its ports are.

    `mtu` 0: the kernel's default.
    """
    data = nest(BRIDGE, {IFLA_BR_VLAN_FILTERING: 1}) if filters_vlans else None
    values: dict[int, Value] = {
        IFLA_IFNAME: name,
        IFLA_ADDRESS: mac,
        IFLA_MTU: mtu or None,
        IFLA_LINKINFO: nest(LINKINFO, {IFLA_INFO_KIND: "bridge", IFLA_INFO_DATA: data}),
    }
    return _create(f"create bridge {name}", values)


def create_veth(
    host_name: str,
    container_name: str,
    *,
    bridge: int,
    netns: int | None,
    mtu: int,
    mac: bytes | None = None,
    group: int = 0,
    is_up: bool = True,
) -> Request:
    """Create a veth pair: one end on the host's bridge, the other inside `netns`.

    `bridge` is an index (0: on no bridge, and down), `netns` a descriptor (None: in this one),
    `mtu` 0 the kernel's default. `mac` is the container end's; `group` and `is_up` the host end's.
    """
    peer: dict[int, Value] = {
        IFLA_IFNAME: container_name,
        IFLA_ADDRESS: mac,
        IFLA_MTU: mtu or None,
        IFLA_NET_NS_FD: netns,
    }
    data = nest(VETH, {VETH_INFO_PEER: encode(LINK, (0, 0, 0, 0, 0), peer)})
    values: dict[int, Value] = {
        IFLA_IFNAME: host_name,
        IFLA_MTU: mtu or None,
        IFLA_MASTER: bridge or None,
        IFLA_GROUP: group or None,
        IFLA_LINKINFO: nest(LINKINFO, {IFLA_INFO_KIND: "veth", IFLA_INFO_DATA: data}),
    }
    what = f"create veth {host_name} with its other end {container_name}"
    return _create(what, values, IFF_UP if bridge and is_up else 0)


def set_port(
    who: "Who",
    *,
    hairpin: bool,
    isolated: bool,
    alias: str,
    forwards_reserved: bool = False,
    lacks_link_local: bool = False,
) -> Request:
    """Set the flags and the alias of a bridge port; `forwards_reserved` can't be taken back.

    `lacks_link_local`: see `set_alias`.
    """
    flags: dict[int, Value] = {
        IFLA_BRPORT_MODE: hairpin,
        IFLA_BRPORT_GROUP_FWD_MASK: RESERVED_GROUPS if forwards_reserved else None,
        IFLA_BRPORT_ISOLATED: isolated,
    }
    data = nest(BRIDGE_PORT, flags)
    info = nest(LINKINFO, {IFLA_INFO_SLAVE_KIND: "bridge", IFLA_INFO_SLAVE_DATA: data})
    what = f"set bridge port {who}: hairpin {hairpin}, isolated {isolated}, alias {alias}"
    family = no_link_local() if lacks_link_local else None
    return _change(what, who, {IFLA_LINKINFO: info, IFLA_IFALIAS: alias, IFLA_AF_SPEC: family})


def announce_changes(who: "Who") -> Request:
    """Make the kernel announce IPv4 addresses by ARP when the MAC is set: sysctl arp_notify."""
    conf = nest({IPV4_DEVCONF_ARP_NOTIFY: "I"}, {IPV4_DEVCONF_ARP_NOTIFY: 1})
    values = nest({}, {AF_INET: nest({}, {IFLA_INET_CONF: conf})})
    return _change(f"set arp_notify of interface {who}", who, {IFLA_AF_SPEC: values})


def set_alias(who: "Who", alias: str, *, lacks_link_local: bool = False) -> Request:
    """Mark the owner of an interface.

    `lacks_link_local`: the interface, which has IPv6 and no carrier yet, never gets a link-local address.
    """
    family = no_link_local() if lacks_link_local else None
    values: dict[int, Value] = {IFLA_IFALIAS: alias, IFLA_AF_SPEC: family}
    return _change(f"set alias {alias} of interface {who}", who, values)


def no_link_local() -> bytes:
    """Return the value of IFLA_AF_SPEC with which the kernel gives an interface no link-local address."""
    mode = {IFLA_INET6_ADDR_GEN_MODE: IN6_ADDR_GEN_MODE_NONE}
    return nest({}, {AF_INET6: nest(SPEC6, mode)})


def move(index: int, name: str, netns: int, *, mtu: int = 0, mac: bytes | None = None) -> Request:
    """Move an interface into the namespace of a descriptor, under a new name.

    It is down then, without addresses and routes. `mtu` 0 and `mac` None: unchanged.
    """
    values: dict[int, Value] = {
        IFLA_NET_NS_FD: netns,
        IFLA_IFNAME: name,
        IFLA_MTU: mtu or None,
        IFLA_ADDRESS: mac,
    }
    return _change(f"move interface {index} to another namespace as {name}", index, values)


def set_up(who: "Who", is_up: bool = True) -> Request:
    """Set an interface up, or down."""
    state = "up" if is_up else "down"
    return _change(f"set interface {who} {state}", who, {}, IFF_UP, is_up)


def set_master(who: "Who", bridge: int) -> Request:
    """Make an interface a port of a bridge, given by index."""
    return _change(f"put interface {who} on bridge {bridge}", who, {IFLA_MASTER: bridge})


def set_promiscuous(who: "Who", is_promiscuous: bool = True) -> Request:
    """Switch promiscuous mode of an interface on or off."""
    state = "on" if is_promiscuous else "off"
    what = f"set promiscuous mode of interface {who} {state}"
    return _change(what, who, {}, IFF_PROMISC, is_promiscuous)


def filter_vlans(who: "Who") -> Request:
    """Switch VLAN filtering of a bridge on."""
    data = nest(BRIDGE, {IFLA_BR_VLAN_FILTERING: 1})
    info = nest(LINKINFO, {IFLA_INFO_KIND: "bridge", IFLA_INFO_DATA: data})
    return _change(f"set VLAN filtering of bridge {who} on", who, {IFLA_LINKINFO: info})


def set_mac(who: "Who", mac: bytes) -> Request:
    """Set the MAC of an interface."""
    return _change(f"set MAC {mac.hex(':')} on interface {who}", who, {IFLA_ADDRESS: mac})


def delete(who: "Who", shown: str = "") -> Request:
    """Delete an interface, and with one end of a veth pair the other; errors name it as `shown`."""
    index, name = _identity(who)
    return Request(
        what=f"delete interface {shown or who}",
        kind=RTM_DELLINK,
        body=encode(LINK, (0, 0, index, 0, 0), {IFLA_IFNAME: name}),
    )


def set_group(who: "Who", group: int) -> Request:
    """Put an interface into a group."""
    return _change(f"put interface {who} into group {group}", who, {IFLA_GROUP: group})


def delete_group(group: int) -> Request:
    """Delete all interfaces of a group, which takes hardly longer than deleting one."""
    body = encode(LINK, (0, 0, 0, 0, 0), {IFLA_GROUP: group})
    return Request(what=f"delete interfaces of group {group}", kind=RTM_DELLINK, body=body)


def parse(payload: bytes) -> Link:
    """Parse an answer or a notification."""
    return Link(payload)


def _create(what: str, values: "Mapping[int, Value]", flags: int = IFF_UP) -> Request:
    return Request(
        what=what,
        kind=RTM_NEWLINK,
        flags=NLM_F_CREATE | NLM_F_EXCL,
        body=encode(LINK, (0, 0, 0, flags, flags), values),
    )


def _change(
    what: str, who: "Who", values: "Mapping[int, Value]", flag: int = 0, is_on: bool = False
) -> Request:
    # RTM_NEWLINK and not RTM_SETLINK: only the former reads IFLA_INFO_SLAVE_DATA.
    index, name = _identity(who)
    header = (0, 0, index, flag if is_on else 0, flag)
    return Request(
        what=what, kind=RTM_NEWLINK, body=encode(LINK, header, {IFLA_IFNAME: name, **values})
    )


def _identity(who: "Who") -> tuple[int, str | None]:
    return (who, None) if isinstance(who, int) else (0, who)
