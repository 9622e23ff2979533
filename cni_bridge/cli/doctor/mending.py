"""What `--fix` does for attachments and bridges, with the parts that ADD is made of.

Everything here can be done twice, and never removes anything.
"""

from pyroute2.iproute.linux import IPRoute

from cni_bridge import inline
from cni_bridge.kernel import netns, sysctl
from cni_bridge.kernel.netlink import Socket
from cni_bridge.kernel.netns import OWN_NETNS
from cni_bridge.model import Bridge, Plan
from cni_bridge.parts import bridge, repair
from cni_bridge.record import replace


def bridge_of(wanted: Plan) -> Bridge:
    """The bridge of an attachment that has one: the doctor leaves wires alone."""
    assert wanted.bridge, "a wire has no bridge, and is not among the plans"
    return wanted.bridge


def ensure_bridge(wanted: Plan) -> None:
    """The bridge, its addresses, forwarding, as every ADD ensures them."""
    host = Socket()
    shared = bridge.ensure(host, bridge_of(wanted))
    gateway = inline.ensure_gateway(host, shared, bridge_of(wanted))
    bridge.ensure_gateways(host, gateway, bridge_of(wanted))


def restore(wanted: Plan, netns_path: str, *, is_published: bool) -> None:
    """An attachment whose pair is still there, the bridge included."""
    ensure_bridge(wanted)
    host = Socket()
    shared = bridge.ensure(host, bridge_of(wanted))
    assert wanted.veth.port, "what is on a bridge has a port there"
    # As `plan` does where it knows the ports, which the runtime alone tells.
    port = replace(wanted.veth.port, hairpin=wanted.veth.port.hairpin or is_published)
    container = netns.open_netns(netns_path)
    try:
        repair.restore(host, container, shared, replace(wanted.veth, port=port))
    finally:
        netns.close(container)


def bring_up(host_name: str) -> None:
    """A host end, where no config tells more about it."""
    _set(OWN_NETNS, host_name, state="up")


def set_mtu(netns_path: str, ifname: str, mtu: int) -> None:
    """The MTU of an interface in a container."""
    _set(netns_path, ifname, mtu=mtu)


def set_sysctl(key: str, value: str) -> None:
    """A kernel parameter of the host."""
    sysctl.write(key, value)


def _set(netns_path: str, ifname: str, **what: object) -> None:
    opened = netns.open_netns(netns_path, may_be_own=True)
    try:
        with netns.inside(opened, IPRoute) as socket:
            (index,) = socket.link_lookup(ifname=ifname)
            socket.link("set", index=index, **what)
    finally:
        netns.close(opened)
