"""The firewall's nouns, as records: what a config wants of it, and what its sets hold.

Apart from `model`, because most networks leave the firewall alone and most runs never load this.
"""

from cni_bridge.address import Prefix
from cni_bridge.lean.record import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal

    Isolation = Literal["off", "on", "strict"]


@record
class PublishedPort:
    """A port of the host that leads to a port of the container.

    `host_ip`: empty for every address of the host, all zeros for every one of that family.
    """

    protocol: int  # IPPROTO_*
    host_port: int  # 0: one that is free
    container_port: int
    host_ip: bytes = b""


@record
class FirewallConfig:
    """What the config wants of the firewall."""

    masquerades: bool = False
    ports: tuple[PublishedPort, ...] = ()
    translates_source: bool = True  # of the network's own traffic to published ports
    translates_every_source: bool = False
    isolation: "Isolation" = "off"
    is_internal: bool = False
    is_closed: bool = False
    allows_icc: bool = True  # containers of the network may talk to each other
    checks_mac: bool = False
    checks_ip: bool = False


@record
class Firewall:
    """What the firewall does for one attachment, and for its network."""

    bridge: str
    host_name: str
    mac: bytes | None  # known beforehand where it is checked
    addresses: tuple[bytes, ...]
    subnets: tuple[Prefix, ...]  # of the network
    rules: FirewallConfig
    routed: tuple[Prefix, ...] = ()  # what its containers reach under their own addresses, anywhere


@record
class Element:
    """One element of a set, or with `data` of a map, as the kernel packs it."""

    set_name: str
    key: bytes
    key_end: bytes | None = None  # the last of an interval of keys
    data: bytes | None = None


@record
class Ruleset:
    """A table of ours as it was loaded."""

    boot_id: str
    digest: str  # of its rules' text
    handle: int
    rules: int
    generation: int = 0  # of nftables when we left it and all was well; 0: unknown
