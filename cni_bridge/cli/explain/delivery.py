"""The last part of the path: bridge, pair, interface and listener of the target container."""

from collections.abc import Iterator

from cni_bridge.cli import host_state
from cni_bridge.cli.explain import kernel_queries
from cni_bridge.cli.explain.hops import Flow, Hop, dropped
from cni_bridge.cli.explain.scene import Scene
from cni_bridge.cli.host_state import KernelInterface
from cni_bridge.cli.inventory import Attached, Inventory
from cni_bridge.kernel import links
from cni_bridge.kernel.netlink import Socket
from cni_bridge.lean.record import replace

CONTAINER, BRIDGE = "container", "bridge"
NOWHERE = {"127.0.0.1", "::1"}
EVERYWHERE = {"0.0.0.0", "::"}  # noqa: S104 - nothing is bound here


def pair(found: Inventory, each: Attached) -> Iterator[Hop]:
    """Check both ends of an attachment and its bridge; of a wire, the end in the container."""
    if why := _fault(found, each):
        yield dropped(*why)
    elif each.is_wire:
        yield Hop(place="wire", text=f"{each.attachment.ifname} in {each.title}: up")
    else:
        yield Hop(
            place="pair",
            text=f"{each.attachment.ifname} to {each.host_name} on {each.bridge}: up",
        )


def arrival(scene: Scene, target: Attached, flow: Flow) -> Iterator[Hop]:
    """Deliver the packet to a container, and check that its answer has a route."""
    yield from pair(scene.found, target)
    name, path = target.title, target.netns_path
    if flow.source:
        way = kernel_queries.route(path, flow.source)
        if way.refusal:
            yield dropped(CONTAINER, f"{name} has no route back to {flow.source}: {way.refusal}")
        if way.is_local:
            text = f"{name} drops it, since it comes from its own address {flow.source}"
            yield dropped(CONTAINER, text)
    elif not _has_default(scene.found, target, flow.address):
        yield dropped(CONTAINER, f"{name} has no default route, so its answers cannot leave")
    flow = replace(flow, enters=target.attachment.ifname, leaves="", mac="", mark=0)
    flow = yield from scene.filtered(CONTAINER, "input", flow, path=path)
    yield from scene.answered(CONTAINER, "output", flow, path)
    yield Hop(place=CONTAINER, text=f"{name} has a route back")
    yield from listening(path, name, flow)


def listening(netns_path: str, name: str, flow: Flow) -> Iterator[Hop]:
    """Check whether a process listens."""
    at = kernel_queries.listeners(netns_path, flow.protocol, flow.port)
    what = f"{flow.protocol}/{flow.port}"
    if not at:
        yield dropped(CONTAINER, f"nothing listens on {what} in {name}: connection refused")
    elif at <= NOWHERE and flow.address not in at:
        yield dropped(
            CONTAINER, f"{name} listens on {what} at {', '.join(at)} only: connection refused"
        )
    elif not at & EVERYWHERE and flow.address and flow.address not in at:
        yield dropped(
            CONTAINER,
            f"{name} listens on {what} at {', '.join(sorted(at))} only: connection refused",
        )
    else:
        yield Hop(place=CONTAINER, text=f"a process listens on {what} in {name}")


def loopback(found: Inventory, each: Attached) -> Iterator[Hop]:
    """Check a connection of a container to itself, which uses lo."""
    name = each.title
    space = found.space(each.space) if each.space else None
    lo = space.interface("lo") if space else None
    if lo and not lo.is_up:
        yield dropped(CONTAINER, f"lo in {name} is down, so it cannot reach itself")
    else:
        yield Hop(place=CONTAINER, text=f"the address belongs to {name} itself")


def own_address(each: Attached, towards: str) -> str:
    """Return the address a container sends from; empty if it has none of that family."""
    own = (prefix.partition("/")[0] for prefix in each.addresses)
    return next((address for address in own if (":" in address) == (":" in towards)), "")


def is_isolated(each: Attached) -> bool:
    """Whether the host end is an isolated bridge port."""
    answer = Socket().find(links.get(each.host_name))
    port = links.parse(answer).port if answer else None
    return port is not None and port.isolated


def _fault(found: Inventory, each: Attached) -> tuple[str, str] | None:
    """Return place and reason of what is wrong with a pair."""
    name, ifname = each.title, each.attachment.ifname
    outer, inner = each.host_end, each.container_end
    if inner is None or (outer is None and not each.is_wire):
        return "pair", f"the veth pair of {name} is gone: restart the container"
    if not inner.is_up:
        return CONTAINER, f"{ifname} in {name} is down"
    missing = [prefix for prefix in each.addresses if prefix not in inner.addresses]
    if missing:
        return CONTAINER, f"{name} has lost its address {missing[0]}"
    return _fault_on_host(found, name, outer) if outer and not each.is_wire else None


def _fault_on_host(found: Inventory, name: str, outer: KernelInterface) -> tuple[str, str] | None:
    if not outer.is_up:
        return "pair", f"{outer.name}, the host end of {name}, is down"
    if not outer.master:
        return BRIDGE, f"{outer.name}, the host end of {name}, is on no bridge"
    bridge = found.host.interface(outer.master)
    if bridge is None or not bridge.is_up:
        return BRIDGE, f"bridge {outer.master} is down"
    if outer.port_state != host_state.FORWARDING:
        why = f"by STP of {bridge.name}" if bridge.has_stp else "it was set so by hand"
        return BRIDGE, f"port {outer.name} of {bridge.name} is {outer.port_state}: {why}"
    return None


def _has_default(found: Inventory, target: Attached, address: str) -> bool:
    space = found.space(target.space) if target.space else None
    wanted = "::/0" if ":" in address else "0.0.0.0/0"
    return space is None or any(route.destination == wanted for route in space.routes)
