"""The last part of the path: bridge, pair, interface and listener of the target container."""

from collections.abc import Iterator

from cni_bridge.cli import host_state
from cni_bridge.cli.explain import kernel_queries
from cni_bridge.cli.explain.hops import INFERRED, Flow, Hop, bracketed, dropped
from cni_bridge.cli.explain.scene import Scene
from cni_bridge.cli.host_state import KernelInterface
from cni_bridge.cli.inventory import Attached, Inventory
from cni_bridge.kernel import links
from cni_bridge.kernel.netlink import Socket
from cni_bridge.lean.record import replace

CONTAINER, BRIDGE = "container", "bridge"


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
    """Deliver the packet to a container, and check that its answer comes back the same way."""
    yield from pair(scene.found, target)
    if twin := _twin(scene.found, target):
        text = f"{target.title} and {twin.title} have the same MAC address: {target.bridge} sends to one"
        yield dropped(BRIDGE, text, INFERRED)
    name, path = target.title, target.netns_path
    way = kernel_queries.route(path, flow.source or kernel_queries.OUTSIDE[flow.is_ipv6])
    client = flow.source or "the client"
    if way.refusal:
        why = "default route" if not flow.source else f"route back to {flow.source}"
        yield dropped(CONTAINER, f"{name} has no {why}, so its answers cannot leave")
    if way.is_local:
        text = f"{name} drops it, since it comes from its own address {flow.source}"
        yield dropped(CONTAINER, text)
    if way.device and way.device != target.attachment.ifname and not way.is_local:
        text = f"{name} answers {client} via {way.device}, not via {target.attachment.ifname}"
        yield dropped(CONTAINER, f"{text}: the answer does not come back")
    flow = replace(flow, enters=target.attachment.ifname, leaves="", mac="", mark=0)
    flow = yield from scene.filtered(CONTAINER, "input", flow, path=path)
    yield from scene.answered(CONTAINER, "output", flow, path)
    yield Hop(place=CONTAINER, text=f"{name} has a route back")
    yield from listening(path, name, flow)


def listening(netns_path: str, name: str, flow: Flow, place: str = CONTAINER) -> Iterator[Hop]:
    """Check whether a process listens at the address."""
    found = kernel_queries.listeners(netns_path, flow.protocol, flow.port)
    what = f"{flow.protocol}/{flow.port}"
    if not found:
        yield dropped(place, f"nothing listens on {what} in {name}: connection refused")
        return
    taking = next((each for each in found if each.accepts(flow.address)), None)
    if taking is None:
        at = ", ".join(sorted({f"{bracketed(each.address)}:{flow.port}" for each in found}))
        process = found[0].process or "a process"
        every = "[::]" if flow.is_ipv6 else "0.0.0.0"  # noqa: S104 - nothing is bound here
        text = f"{process} in {name} listens on {at} only: let it listen on {every}:{flow.port}"
        yield dropped(place, text)
        return
    yield Hop(place=place, text=f"{taking.process or 'a process'} listens on {what} in {name}")


def _twin(found: Inventory, target: Attached) -> Attached | None:
    """Return another attachment on the same bridge with the same MAC."""
    mac = target.container_end.mac if target.container_end else ""
    others = (
        each
        for each in found.attachments
        if each is not target and each.bridge == target.bridge and each.container_end
    )
    same = (each for each in others if each.container_end and each.container_end.mac == mac)
    return next(same, None) if mac and target.bridge else None


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
    own = (prefix.partition("/")[0] for prefix in each.shown_addresses)
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
