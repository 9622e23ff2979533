"""Repair an existing veth pair to match its plan, keeping whatever it already has.

Not for ADD, which must not adopt an interface that it finds: that interface has another owner.
"""

from errno import EEXIST

from cni_bridge.kernel import links, netns
from cni_bridge.kernel.netlink import Socket
from cni_bridge.parts import bridge_port, veth

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cni_bridge.kernel.links import Link
    from cni_bridge.kernel.netns import OpenNetns
    from cni_bridge.model import Veth


def restore(host: Socket, container: "OpenNetns", bridge: "Link", desired: "Veth") -> None:
    """Put the host end back on its bridge; restore addresses, link state and routes of the other.

    Raise KernelError if an end is gone.
    """
    outer = links.parse(host.ask(links.get(desired.host_name)))
    if outer.master != bridge.index:
        host.run(links.set_master(outer.index, bridge.index))
    port = desired.port
    assert port, "a pair on a bridge has a port"
    host.run(
        bridge_port.setting(outer.index, desired.alias, port),
        links.set_group(outer.index, veth.GROUPS),
        links.set_up(outer.index),
    )
    if port.vlan:
        from cni_bridge.parts import vlan  # few networks have VLANs

        vlan.configure_port(host, outer.index, port.vlan)
    inside = netns.inside(container, lambda: _enter(desired))
    try:
        inner = links.parse(inside.ask(links.get(desired.container_name)))
        inside.run(*veth.configuration(inner, desired), tolerate=EEXIST)
    finally:
        inside.close()
    if desired.is_up:
        bridge_port.wait_until_up(host, desired)


def _enter(desired: "Veth") -> Socket:
    veth.set_sysctls(desired)
    return Socket()
