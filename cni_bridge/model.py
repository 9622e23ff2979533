"""The nouns, as records without behaviour: the request, the desired state, the result."""

from cni_bridge.address import Prefix
from cni_bridge.lean.record import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cni_bridge.firewall.model import Firewall, FirewallConfig
    from cni_bridge.model_optional import (
        Bandwidth,
        Names,
        Nameserver,
        ServedNames,
        Shaping,
        TunedInterface,
        Tuning,
        VlanFilter,
    )


@record
class Attachment:
    """One container interface on one network: what ADD creates and DEL removes."""

    network: str
    container: str
    ifname: str


# ---------------------------------------------------------------- what the config says


@record
class Range:
    """A slice of one subnet, from `start` to `end` inclusive."""

    subnet: Prefix
    start: bytes
    end: bytes
    gateway: bytes


RangeSet = tuple[Range, ...]


@record
class Route:
    """A route in the container; `gateway` None means the first gateway of its family."""

    destination: Prefix
    gateway: bytes | None = None
    mtu: int | None = None
    advmss: int | None = None
    priority: int | None = None
    table: int | None = None
    scope: int | None = None


@record
class Dns:
    """Resolver settings, which the result passes on."""

    nameservers: tuple[str, ...] = ()
    domain: str = ""
    search: tuple[str, ...] = ()
    options: tuple[str, ...] = ()


@record
class Ipam:
    """Where addresses come from; an empty type means a layer 2 network without addresses.

    One address is taken from each of `range_sets`; `requested` lists the addresses asked for.
    """

    type: str = ""
    range_sets: tuple[RangeSet, ...] = ()
    requested: tuple[bytes, ...] = ()
    routes: tuple[Route, ...] = ()
    resolv_conf: str = ""
    sticky: int = 0  # seconds that a name's last address is remembered; 0: not at all


@record
class NetworkConfig:
    """The validated network config, in the shape of the newest spec version."""

    cni_version: str
    name: str
    state_dir: str
    reservations_dir: str  # where the reference's host-local keeps its files
    bridge: str
    is_gateway: bool
    is_default_gateway: bool
    force_address: bool
    mtu: int  # 0: the kernel's default
    hairpin_mode: bool
    promisc_mode: bool
    port_isolation: bool
    duplicate_address_detection: bool
    keeps_link_local: bool = False
    container_interface_up: bool
    vlan: "VlanFilter | None"
    mac: bytes | None
    ipam: Ipam
    dns: Dns | None  # None: IPAM's
    firewall: "FirewallConfig | None" = None  # None: no firewall key is used
    attachment_mtu: int = 0  # 0: the network's
    tuning: "Tuning | None" = None
    bandwidth: "Bandwidth | None" = None
    cluster: tuple[Prefix, ...] | None = (
        None  # where its blocks come from; None: a network of one host
    )
    is_wire: bool = False  # one veth pair joins two containers, without a bridge
    names: "Names | None" = None  # of the container; None: the runtime gives none
    nameserver: "Nameserver | None" = None


# ---------------------------------------------------------------- what the ledger holds


@record
class Lease:
    """One address held by one attachment."""

    address: Prefix
    gateway: bytes | None = None


@record
class Grant:
    """What IPAM granted: leases from the ledger, or a delegated plugin's result."""

    leases: tuple[Lease, ...] = ()
    routes: tuple[Route, ...] = ()
    dns: Dns = Dns()


@record
class Netns:
    """The identity of a network namespace across processes: its nsfs device and inode."""

    path: str
    device: int
    inode: int


@record
class Holding:
    """The ledger's record of one attachment."""

    attachment: Attachment
    host_name: str
    netns: Netns
    boot_id: str
    created: int  # Unix time in milliseconds
    pid: int  # of the ADD that claimed it
    is_confirmed: bool = False
    leases: tuple[Lease, ...] = ()
    bridge: str | None = None  # with `mac`, which is held once a bridge; None: not known, or a wire
    mac: bytes | None = None


# ---------------------------------------------------------------- the desired state


@record
class Bridge:
    """The shared bridge."""

    name: str
    mtu: int
    gateways: tuple[Prefix, ...]
    replaces_address: bool
    is_promiscuous: bool
    filters_vlans: bool
    has_blocks: bool = False  # a cluster network: other blocks' gateways belong to it too
    is_default_gateway: bool = False
    routed: tuple[Prefix, ...] = ()  # subnets without an address on the bridge: link-local gateway
    gateway_vlan: int = 0  # 0: the bridge has the gateways; else an access port of that VLAN


@record
class Port:
    """The host end as a bridge port: its bridge and its flags."""

    bridge: str
    hairpin: bool
    isolated: bool
    vlan: "VlanFilter | None"
    is_checked: bool = False  # the firewall checks the senders of frames


@record
class Veth:
    """The veth pair and what its container end carries.

    Without a port it is one end of a wire; the other end is on the host until a second container
    joins.
    """

    host_name: str
    container_name: str
    alias: str
    mtu: int
    mac: bytes | None
    port: Port | None
    is_up: bool
    detects_duplicates: bool
    disables_ipv6: bool = False
    addresses: tuple[Prefix, ...]
    routes: tuple[Route, ...]
    ignores_routers: bool = False  # refuses router advertisements


@record
class Plan:
    """Everything that should exist for one attachment."""

    attachment: Attachment
    bridge: Bridge | None  # None: a wire
    veth: Veth
    leases: tuple[Lease, ...]
    routes: tuple[Route, ...]  # as reported: the config's, then the default routes added
    dns: Dns
    firewall: "Firewall | None" = None
    tuned: "TunedInterface | None" = None
    shaping: "Shaping | None" = None
    served: "ServedNames | None" = None


# ---------------------------------------------------------------- what was made


@record
class Interface:
    """One interface of the result."""

    name: str
    mac: str
    mtu: int
    sandbox: str = ""
