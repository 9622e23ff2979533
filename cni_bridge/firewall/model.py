"""The firewall's nouns, as records: its configuration, its plan, and what its sets hold.

Apart from `model`, because most networks use no firewall and most runs never load this module.
"""

from cni_bridge.address import Prefix
from cni_bridge.lean.csocket import csocket
from cni_bridge.lean.record import record, tuple_record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal

    Isolation = Literal["off", "on", "strict"]
    HostAccess = Literal["all", "gateway", "none"]

PROTOCOLS = {  # names that a config and nftables use
    "tcp": csocket.IPPROTO_TCP,
    "udp": csocket.IPPROTO_UDP,
    "sctp": csocket.IPPROTO_SCTP,
}


def protocol_name(number: int) -> str:
    """Return the name of a protocol whose ports can be published."""
    return next(name for name, each in PROTOCOLS.items() if each == number)


@tuple_record
class PublishedPort:
    """A port of the host that leads to a port of the container, or `count` consecutive ones.

    `host_ip` is empty for every address of the host, all zeros for every address of one family.
    """

    protocol: int  # IPPROTO_*
    host_port: int  # 0: any free one
    container_port: int
    host_ip: bytes = b""
    count: int = 1
    preferred: int = 0  # the number to try first if any free one will do


@record
class FirewallConfig:
    """The firewall's part of a network configuration."""

    masquerades: bool = False
    ports: tuple[PublishedPort, ...] = ()
    translates_source: bool = True  # of the network's own traffic to published ports
    translates_every_source: bool = False
    isolation: "Isolation" = "off"
    is_internal: bool = False
    is_closed: bool = False
    host_access: "HostAccess" = "all"
    allows_icc: bool = True  # containers of the network may talk to each other
    serves_names: bool = False  # the gateway answers DNS queries, whatever `host_access` is
    checks_mac: bool = False
    checks_ip: bool = False


@record
class Firewall:
    """The firewall's part of the plan: for one attachment, and for its network."""

    bridge: str
    host_name: str
    mac: bytes | None  # known if checks_mac or checks_ip is set
    addresses: tuple[bytes, ...]
    subnets: tuple[Prefix, ...]  # of the network
    rules: FirewallConfig
    routed: tuple[Prefix, ...] = ()  # destinations that see the containers' own addresses


@tuple_record
class Element:
    """One element of a set, or of a map if it has `data`, packed as the kernel wants it."""

    set_name: str
    key: bytes
    key_end: bytes | None = None  # the last of an interval of keys
    data: bytes | None = None


@record
class Ruleset:
    """One of our tables as it was loaded."""

    boot_id: str
    digest: str  # of its rules' text
    handle: int
    rules: int  # a digest of them as the kernel lists them
    generation: int = 0  # of nftables when the table was last known to be intact; 0: unknown
