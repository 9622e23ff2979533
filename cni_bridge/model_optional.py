"""The nouns of what few networks ask for, as records: VLANs, tuning, limits of bandwidth.

Apart from `model`, because most runs never load this. No behaviour and no I/O here.
"""

from cni_bridge.lean.record import record


@record
class VlanFilter:
    """VLANs of the bridge port: one untagged (0 for none), some tagged."""

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
    """What the config wants of the container end beyond address and routes; None: leave it."""

    sysctls: tuple[Sysctl, ...] = ()
    promisc: bool | None = None
    allmulti: bool | None = None
    tx_queue_length: int | None = None


@record
class Limit:
    """Bytes a second, and bytes at once."""

    rate: int
    burst: int


@record
class Bandwidth:
    """How much the container gets (ingress) and sends (egress); None: as much as it can."""

    ingress: Limit | None
    egress: Limit | None


@record
class TunedInterface:
    """The container end's name and what is wanted of it."""

    name: str
    tuning: Tuning


@record
class Shaping:
    """The limits of one attachment, and where: on its host end, and on a device of its own."""

    host_name: str
    ifb_name: str
    ingress: Limit | None
    egress: Limit | None
