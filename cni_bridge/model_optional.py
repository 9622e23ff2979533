"""The records of options: names, VLANs, tuning, bandwidth limits. A plain ADD never loads this."""

from cni_bridge.lean.record import record


@record
class Names:
    """What people call a container: its own name, that name's Kubernetes namespace, its aliases."""

    own: str = ""
    namespace: str = ""
    aliases: tuple[str, ...] = ()


@record
class Nameserver:
    """The network's nameserver; `upstream` None means the servers that the host asks."""

    domain: str
    upstream: tuple[str, ...] | None = None


@record
class ServedNames:
    """What the network's nameserver is, and what it has of one attachment."""

    network: str
    interface: str  # that has the gateway addresses
    domain: str
    upstream: tuple[str, ...] | None
    addresses: tuple[bytes, ...]
    names: Names | None
    spans_hosts: bool  # a cluster network


@record
class VlanFilter:
    """The VLANs of a bridge port: one untagged (0 for none), any number tagged."""

    access: int = 0
    trunk: tuple[int, ...] = ()
    keeps_default: bool = False


@record
class Sysctl:
    """A kernel parameter of the container; `path` is below /proc/sys.

    In a config the path holds IFNAME where the interface's name goes; `key` is as written there.
    """

    key: str
    path: str
    value: str


@record
class Tuning:
    """Settings of the container end beyond addresses and routes; None leaves a setting alone."""

    sysctls: tuple[Sysctl, ...] = ()
    promisc: bool | None = None
    allmulti: bool | None = None
    tx_queue_length: int | None = None


@record
class Limit:
    """A rate limit and its burst."""

    bytes_per_second: int
    burst_bytes: int


NO_LIMIT = Limit(bytes_per_second=0, burst_bytes=0)


@record
class Bandwidth:
    """The limits of what the container receives (ingress) and sends (egress); None is no limit."""

    ingress: Limit | None
    egress: Limit | None


@record
class TunedInterface:
    """The container end's name and its settings."""

    name: str
    tuning: Tuning


@record
class Shaping:
    """The limits of one attachment: ingress on its host end, egress on its ifb device."""

    host_name: str
    ifb_name: str
    ingress: Limit | None
    egress: Limit | None
