"""What few networks ask for beyond bridge and pair: each part is loaded for those alone.

Order only; what a limit or a sysctl is, the parts know.
"""

from cni_bridge import steps

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from cni_bridge.kernel.links import Link
    from cni_bridge.kernel.netlink import Socket
    from cni_bridge.kernel.netns import OpenNetns
    from cni_bridge.model import Interface, NetworkConfig, Plan


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


def ensure_gateway(host: "Socket", shared: "Link", wanted: "Plan") -> "Link":
    """The interface that is to have the gateway addresses: the bridge, or one of its VLAN."""
    if not wanted.bridge.gateway_vlan:
        return shared
    from cni_bridge.parts import vlan

    return vlan.ensure_gateway(host, shared, wanted.bridge)


def apply(host: "Socket", container: "OpenNetns", wanted: "Plan") -> "tuple[Interface, ...]":
    """Apply what is wanted to the pair; return the interfaces that were made for it."""
    if wanted.tuned:
        from cni_bridge.parts import tuning

        tuning.apply(container, wanted.tuned)
        steps.done("tuning")
    if wanted.shaping:
        from cni_bridge.parts import bandwidth

        made = bandwidth.apply(host, wanted.shaping)
        steps.done("bandwidth")
        return made
    return ()


def problems(host: "Socket", container: "OpenNetns", wanted: "Plan") -> "Iterator[str]":
    """Every difference between the plan and the kernel: what, expected, found."""
    if wanted.bridge.filters_vlans:
        from cni_bridge.parts import vlan

        yield from vlan.problems(host, wanted.bridge, wanted.veth)
    if wanted.tuned:
        from cni_bridge.parts import tuning

        yield from tuning.problems(container, wanted.tuned)
    if wanted.shaping:
        from cni_bridge.parts import bandwidth

        yield from bandwidth.problems(host, wanted.shaping)
