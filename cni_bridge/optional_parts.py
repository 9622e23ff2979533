"""What few networks ask for beyond bridge and pair: each part is loaded for those alone.

Order only; what a limit or a sysctl is, the parts know.
"""

from cni_bridge import timings
from cni_bridge.ledger import host_ledger

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cni_bridge.kernel.links import Link
    from cni_bridge.kernel.netlink import Socket
    from cni_bridge.kernel.netns import OpenNetns
    from cni_bridge.ledger.store import Ledger
    from cni_bridge.model import Attachment, Bridge, Interface, NetworkConfig, Plan


def require(host: "Socket", settings: "NetworkConfig") -> None:
    """Refuse, before anything is done, what this host forbids or its kernel lacks.

    Raises UnsupportedField, InvalidConfig, IOFailure.
    """
    if settings.vlan:
        from cni_bridge.parts import vlan

        vlan.demand(host, settings.vlan)
    if settings.tuning:
        from cni_bridge.parts import tuning

        tuning.require(settings.tuning)
    if settings.bandwidth:
        from cni_bridge.parts import bandwidth

        bandwidth.require(host, settings.bandwidth)


def ensure_gateway(host: "Socket", shared: "Link", want: "Bridge") -> "Link":
    """The interface that is to have the gateway addresses: the bridge, or one of its VLAN."""
    if not want.gateway_vlan:
        return shared
    from cni_bridge.parts import vlan

    return vlan.ensure_gateway(host, shared, want)


def apply(host: "Socket", container: "OpenNetns", wanted: "Plan") -> "tuple[Interface, ...]":
    """Apply what is wanted to the pair; return the interfaces that were made for it."""
    if wanted.tuned:
        from cni_bridge.parts import tuning

        tuning.apply(container, wanted.tuned)
        timings.done("tuning")
    if wanted.shaping:
        from cni_bridge.parts import bandwidth

        made = bandwidth.apply(host, wanted.shaping)
        timings.done("bandwidth")
        return made
    return ()


def remove(host: "Socket", ledger: "Ledger | None", attachments: "Sequence[Attachment]") -> None:
    """Take back what is in containers, and so is not removed by its name on the host."""
    if ledger and any(host_ledger.is_wired(ledger, item) for item in attachments):
        from cni_bridge.wire import attachments as wire_attachments

        wire_attachments.remove(host, ledger, attachments)
        timings.done("wire removed")


def problems(host: "Socket", container: "OpenNetns", wanted: "Plan") -> "Iterator[str]":
    """Every difference between the plan and the kernel: what, expected, found."""
    if wanted.bridge and wanted.bridge.filters_vlans:
        from cni_bridge.parts import vlan

        yield from vlan.problems(host, wanted.bridge, wanted.veth)
    if wanted.tuned:
        from cni_bridge.parts import tuning

        yield from tuning.problems(container, wanted.tuned)
    if wanted.shaping:
        from cni_bridge.parts import bandwidth

        yield from bandwidth.problems(host, wanted.shaping)
