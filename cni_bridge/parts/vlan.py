"""VLANs: probe the kernel, set a port's VLANs, ensure the gateway interface, and check both.

Loaded only for networks with VLANs. The gateway's addresses are set by the bridge part.
"""

import time
from errno import EBADF, EEXIST, EOPNOTSUPP, EPROTONOSUPPORT

from cni_bridge import names
from cni_bridge.errors import NameTaken, TryAgainLater, UnsupportedField
from cni_bridge.kernel import links, sysctl, vlans
from cni_bridge.kernel.messages import IF_OPER_UP
from cni_bridge.model import Bridge, Veth
from cni_bridge.model_optional import VlanFilter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from cni_bridge.kernel.links import Link
    from cni_bridge.kernel.netlink import Socket
    from cni_bridge.kernel.vlans import PortVlans


UP_TIMEOUT_S = 2.5  # as for a container's port
UP_STEP_S = 0.001


def demand(host: "Socket", desired: VlanFilter) -> None:
    """Raise UnsupportedField if the kernel can't filter VLANs: it would silently ignore the tags.

    The probe creates nothing.
    """
    (refusal,) = host.attempt(vlans.probe())
    assert refusal, "the kernel created a bridge in a network namespace that does not exist"
    if refusal.errno == EPROTONOSUPPORT:
        return
    if refusal.errno not in (EBADF, EOPNOTSUPP):
        raise refusal
    field = f"vlan: {desired.access}" if desired.access else f"vlanTrunk: {list(desired.trunk)}"
    raise UnsupportedField(
        f"{field}: the kernel's bridges can't filter VLANs",
        "it is built without CONFIG_BRIDGE_VLAN_FILTERING, or has no bridges at all; "
        "remove the key, or use a kernel with that option",
    )


def configure_port(host: "Socket", index: int, desired: VlanFilter) -> None:
    """Set the VLANs of a container's bridge port: its access VLAN, or its trunk."""
    host.run(*vlans.configure(index, desired))


def ensure_gateway(host: "Socket", bridge: "Link", desired: Bridge) -> "Link":
    """Return the interface for the gateway addresses of a VLAN: a veth whose peer is a bridge port.

    It is shared like the bridge: completed even if another program created it, and never removed.
    """
    link = _find_gateway(host, desired) or _create_gateway(host, bridge, desired)
    port = _port(host, link)
    if port is None or port.master not in (0, bridge.index):
        raise NameTaken(
            f'"{link.name}" already exists but does not lead to bridge {desired.name}',
            "another interface has this name; remove it, or set another `bridge` or `vlan`",
        )
    if port.master != bridge.index:
        host.run(links.set_master(port.index, bridge.index))
    access = VlanFilter(access=desired.gateway_vlan)
    if _vlans_of(host, port) != vlans.desired(access):
        configure_port(host, port.index, access)
    host.run(*(links.set_up(end.index) for end in (port, link) if not end.is_up))
    return _wait_until_up(host, link.index)


def _find_gateway(host: "Socket", desired: Bridge) -> "Link | None":
    name = names.gateway(desired.name, desired.gateway_vlan)
    answer = host.find(links.get(name))
    link = links.parse(answer) if answer else None
    if link and link.name != name:
        raise NameTaken(
            f'"{name}" is an alternative name of interface "{link.name}"',
            "the gateway of a VLAN has this name; remove the alternative name",
        )
    return link


def _create_gateway(host: "Socket", bridge: "Link", desired: Bridge) -> "Link":
    name = names.gateway(desired.name, desired.gateway_vlan)
    port = names.gateway_port(desired.name, desired.gateway_vlan)
    # Both down: the port joins the bridge, and comes up, with its VLAN.
    creation = links.create_veth(name, port, bridge=0, netns=None, mtu=bridge.mtu)
    host.run(creation, tolerate=EEXIST)  # another ADD may have made it first
    for end in (name, port):
        sysctl.refuse_routers(end)
    return links.parse(host.ask(links.get(name)))


def _wait_until_up(host: "Socket", gateway: int) -> "Link":
    """Return the gateway once its port forwards: the kernel does that in a work queue."""
    deadline = time.monotonic() + UP_TIMEOUT_S
    while not _is_passing(host, link := links.parse(host.ask(links.get(gateway)))):
        if time.monotonic() > deadline:
            raise TryAgainLater(
                f"gateway {link.name} did not come up",
                f"waited {UP_TIMEOUT_S} s; operstate is {link.operstate}",
            )
        time.sleep(UP_STEP_S)
    return link


def _is_passing(host: "Socket", gateway: "Link") -> bool:
    port = _port(host, gateway)
    state = port.port.state if port and port.port else links.BR_STATE_DISABLED
    return gateway.operstate == IF_OPER_UP and state != links.BR_STATE_DISABLED


def _port(host: "Socket", gateway: "Link") -> "Link | None":
    """Return the peer, whatever its name: the reference gives it a random one."""
    if gateway.kind != "veth" or gateway.peer_netns is not None:
        return None
    return links.parse(host.ask(links.get(gateway.peer)))


def _vlans_of(host: "Socket", port: "Link") -> "PortVlans":
    return vlans.of_port(port.index, host.dump(vlans.listing()))


# ---------------------------------------------------------------- CHECK


def problems(host: "Socket", bridge: Bridge, veth: Veth) -> "Iterator[str]":
    """Yield every difference between the plan and the kernel: what, expected, found.

    Leave out what the bridge part and the veth part already report.
    """
    if bridge.gateway_vlan and (gateway := _find_gateway(host, bridge)):
        yield from _gateway_problems(host, gateway, bridge)
    answer = host.find(links.get(veth.host_name))
    if answer and veth.port and veth.port.vlan:
        yield from _port_problems(host, links.parse(answer), veth.port.vlan)


def _gateway_problems(host: "Socket", gateway: "Link", desired: Bridge) -> "Iterator[str]":
    master = host.find(links.get(desired.name))
    port = _port(host, gateway)
    if port is None or master is None or port.master != links.parse(master).index:
        yield f"interface {gateway.name}: expected to lead to bridge {desired.name}, found not"
        return
    for end in (gateway, port):
        if not end.is_up:
            yield f"interface {end.name}: expected up, found down"
        yield from sysctl.router_problems(end.name)
    yield from _port_problems(host, port, VlanFilter(access=desired.gateway_vlan))


def _port_problems(host: "Socket", port: "Link", desired: VlanFilter) -> "Iterator[str]":
    expected_vlans, present = vlans.desired(desired), _vlans_of(host, port)
    kept = _default_vlan(host, port.master) if desired.keeps_default else 0
    for vlan in sorted({*expected_vlans, *present}):
        expected, found = expected_vlans.get(vlan), present.get(vlan)
        if expected != found and not (vlan == kept and expected is None):
            yield (
                f"VLAN {vlan} of port {port.name}: expected {vlans.describe(expected)}, "
                f"found {vlans.describe(found)}"
            )


def _default_vlan(host: "Socket", bridge: int) -> int:
    answer = host.find(links.get(bridge)) if bridge else None
    return vlans.default_vlan(answer) if answer else 0
