"""The parts that few networks use: VLANs, tuning, bandwidth, wires. Each is loaded only when used.

Only their order is decided here.
"""

from cni_bridge import timings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from cni_bridge.kernel.links import Link
    from cni_bridge.kernel.netlink import Socket
    from cni_bridge.kernel.netns import OpenNetns
    from cni_bridge.model import Bridge, Interface, NetworkConfig, Plan


def require(host: "Socket", settings: "NetworkConfig") -> None:
    """Refuse what this host forbids or its kernel lacks, before anything is changed.

    Raises UnsupportedField, InvalidConfig, IOFailure.
    """
    if settings.nameserver:
        from cni_bridge.naming import server

        server.require()
    if settings.vlan:
        from cni_bridge.parts import vlan

        vlan.demand(host, settings.vlan)
    if settings.tuning:
        from cni_bridge.parts import tuning

        tuning.require(settings.tuning)
    if settings.bandwidth:
        from cni_bridge.parts import bandwidth

        bandwidth.require(host, settings.bandwidth)


def ensure_gateway(host: "Socket", shared: "Link", desired: "Bridge") -> "Link":
    """Return the interface that carries the gateway addresses: the bridge, or one of its VLAN."""
    if not desired.gateway_vlan:
        return shared
    from cni_bridge.parts import vlan

    return vlan.ensure_gateway(host, shared, desired)


def prepare(planned: "Plan") -> "Callable[[], None] | None":
    """Return what to run in the container's namespace before its interface comes up, if anything."""
    tuned = planned.tuned
    if not tuned:
        return None
    from cni_bridge.parts import tuning

    return lambda: tuning.set_sysctls(tuned.tuning.sysctls)


def apply(host: "Socket", container: "OpenNetns", planned: "Plan") -> "tuple[Interface, ...]":
    """Apply tuning and bandwidth to the pair; return the interfaces that were made for them."""
    if planned.tuned:
        from cni_bridge.parts import tuning

        tuning.apply(container, planned.tuned)
        timings.done("tuning")
    if planned.shaping:
        from cni_bridge.parts import bandwidth

        made = bandwidth.apply(host, planned.shaping)
        timings.done("bandwidth")
        return made
    return ()


def problems(host: "Socket", container: "OpenNetns", planned: "Plan") -> "Iterator[str]":
    """Yield every difference between the plan and the kernel: what, expected, found."""
    if planned.bridge and planned.bridge.filters_vlans:
        from cni_bridge.parts import vlan

        yield from vlan.problems(host, planned.bridge, planned.veth)
    if planned.tuned:
        from cni_bridge.parts import tuning

        yield from tuning.problems(container, planned.tuned)
    if planned.shaping:
        from cni_bridge.parts import bandwidth

        yield from bandwidth.problems(host, planned.shaping)
