"""The fixes of `--fix` for attachments and bridges, made of the parts that ADD uses.

Each can be applied twice, and none removes anything.
"""

from errno import EEXIST, EINVAL, ENETDOWN

from cni_bridge import address, optional_parts
from cni_bridge.cli import default_route, host_state
from cni_bridge.cli import restore as restore_command
from cni_bridge.kernel import netns, sysctl
from cni_bridge.kernel.netlink import Socket
from cni_bridge.kernel.netns import OWN_NETNS, OpenNetns
from cni_bridge.lean.record import replace
from cni_bridge.model import Bridge, Plan, Veth
from cni_bridge.parts import bridge, veth, veth_repair

IP6_RT_PRIO_ADDRCONF = 256  # net/ip6_route.h: the metric of what the kernel adds with an address


def bridge_of(wanted: Plan) -> Bridge:
    """Return an attachment's bridge; wires, which have none, are not checked."""
    assert wanted.bridge, "a wire has no bridge, and is not among the plans"
    return wanted.bridge


def ensure_bridge(wanted: Plan) -> None:
    """Ensure the bridge, its addresses and forwarding as every ADD does."""
    host = Socket()
    shared = bridge.ensure(host, bridge_of(wanted))
    gateway = optional_parts.ensure_gateway(host, shared, bridge_of(wanted))
    bridge.ensure_gateways(host, gateway, bridge_of(wanted))


def restore(wanted: Plan, netns_path: str, *, is_published: bool) -> None:
    """Restore an attachment whose pair still exists, its bridge included."""
    ensure_bridge(wanted)
    host = Socket()
    shared = bridge.ensure(host, bridge_of(wanted))
    assert wanted.veth.port, "what is on a bridge has a port there"
    # As `plan` does where it knows the ports, which the runtime alone tells.
    port = replace(wanted.veth.port, hairpin=wanted.veth.port.hairpin or is_published)
    container = netns.open_netns(netns_path)
    try:
        _connect(container, wanted.veth)  # other routes lead over these
        inside = netns.inside(container, Socket)
        try:
            name, routes = wanted.veth.container_name, wanted.veth.routes
            lacking = tuple(default_route.lacking(inside, name, routes))
        finally:
            inside.close()
        desired = replace(wanted.veth, port=port, routes=lacking)
        veth_repair.restore(host, container, shared, desired)
    finally:
        netns.close(container)


def rebuild(state_dir: str) -> None:
    """Rebuild a lost or damaged ledger from kernel state, and the firewall from it."""
    restore_command.rebuild(state_dir)
    restore_command.firewall()


def bring_up(host_name: str) -> None:
    """Set a host end up, where no config specifies more."""
    _set(OWN_NETNS, host_name, state="up")


def forward(host_name: str) -> None:
    """Let a bridge port forward, where no STP decides about it."""
    state = host_state.PORT_STATES.index(host_state.FORWARDING)
    _set(OWN_NETNS, host_name, kind="bridge_slave", IFLA_BRPORT_STATE=state)


def join(host_name: str) -> None:
    """Let a bridge port exchange packets with isolated ones."""
    _set(OWN_NETNS, host_name, kind="bridge_slave", IFLA_BRPORT_ISOLATED=0)


def set_mtu(netns_path: str, ifname: str, mtu: int) -> None:
    """Set the MTU of an interface in a namespace."""
    _set(netns_path, ifname, mtu=mtu)


def set_sysctl(key: str, value: str) -> None:
    """Set a kernel parameter of the host."""
    sysctl.write(key, value)


def _connect(container: OpenNetns, want: Veth) -> None:
    """Add the connected routes as the kernel adds them with addresses.

    Where it refuses because the link is down or the address is gone, it adds them itself later.
    """
    from cni_bridge.cli.iproute import IPRoute, NetlinkError  # only fixes need pyroute2

    with netns.inside(container, IPRoute) as socket:
        (index,) = socket.link_lookup(ifname=want.container_name)
        for subnet, own in veth.connected(want).items():
            more = (
                {"prefsrc": address.text(own.ip), "scope": "link"}
                if address.family(own.ip) == address.AF_INET
                else {"priority": IP6_RT_PRIO_ADDRCONF}
            )
            target = address.prefix_text(subnet)
            try:
                socket.route("add", dst=target, oif=index, proto="kernel", **more)
            except NetlinkError as error:
                if error.code not in (EEXIST, EINVAL, ENETDOWN):
                    raise


def _set(netns_path: str, ifname: str, **what: object) -> None:
    from cni_bridge.cli.iproute import IPRoute  # as above

    opened = netns.open_netns(netns_path, may_be_own=True)
    try:
        with netns.inside(opened, IPRoute) as socket:
            (index,) = socket.link_lookup(ifname=ifname)
            socket.link("set", index=index, **what)
    finally:
        netns.close(opened)
