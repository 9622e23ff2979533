"""The way of a connection from a container: hop by hop, each asked of the kernel where it can answer.

Ends at the first hop that drops. Nothing of it is sent; what only a packet can show is `evidence`'s.
"""

from collections.abc import Generator, Iterator

from cni_bridge.cli.explain import delivery, host, kernel_queries
from cni_bridge.cli.explain.delivery import BRIDGE, CONTAINER
from cni_bridge.cli.explain.hops import DROPS, INFERRED, UNSURE, Flow, Hop, dropped
from cni_bridge.cli.explain.scene import Hops, Scene
from cni_bridge.cli.host_state import Interface
from cni_bridge.cli.inventory import Attached
from cni_bridge.lean.record import replace


def hops(scene: Scene, flow: Flow, *, from_host: bool = False) -> Iterator[Hop]:
    """Every hop up to the one that drops, that one included."""
    if scene.asker:
        way = _from_container(scene, flow)
    else:
        way = host.sent(scene, flow) if from_host else host.received(scene, flow, None)
    for hop in way:
        yield hop
        if hop.verdict == DROPS:
            return


def _from_container(scene: Scene, flow: Flow) -> Generator[Hop, None, None]:
    first = scene.asker[0]
    name, path = first.title, first.netns_path
    way = kernel_queries.route(path, flow.address)
    if way.refusal:
        for each in scene.asker:  # a link that is down takes its routes with it
            yield from delivery.pair(scene.found, each)
        yield dropped(CONTAINER, f"{name} has no route to {flow.address}: {way.refusal}")
        return
    if way.is_local:
        yield from delivery.loopback(scene.found, first)
        yield from delivery.listening(path, name, flow)
        return
    own = next((each for each in scene.asker if each.attachment.ifname == way.device), None)
    via = f" via {way.gateway}" if way.gateway else ", on its own subnet"
    yield Hop(place=CONTAINER, text=f"{name} sends it by {way.device}{via}")
    if own is None:
        yield Hop(place=CONTAINER, text=f"{way.device} is not of ours", verdict=UNSURE)
        return
    flow = replace(flow, source=delivery.own_address(own, flow.address), leaves=way.device)
    flow = yield from scene.filtered(CONTAINER, "output", flow, path=path)
    yield from scene.answered(CONTAINER, "input", flow, path)
    if own.is_wire:
        yield from _over_wire(scene, own, flow)
        return
    yield from _over_bridge(scene, own, flow, way.gateway)


def _over_bridge(
    scene: Scene, own: Attached, flow: Flow, gateway: str
) -> Generator[Hop, None, None]:
    """To the host, or to whom the bridge switches it."""
    yield from delivery.pair(scene.found, own)
    mac = own.container_end.mac if own.container_end else ""
    flow = replace(flow, enters=own.host_name, leaves="", mac=mac, mark=0)
    flow = yield from scene.filtered(BRIDGE, "prerouting", flow, as_frame=True)
    device = scene.device(gateway or flow.address)
    if device:
        yield from _same_vlan(scene, own, _port_behind(device))
        yield from scene.filtered(BRIDGE, "input", flow, as_frame=True)
        flow = replace(flow, enters=device.name, mac="")
        yield from host.received(scene, flow, own)
    elif gateway:
        yield dropped(BRIDGE, f"nobody has the gateway's address {gateway}: {own.bridge} lost it")
    else:
        yield from _to_neighbour(scene, flow, own)


def _to_neighbour(scene: Scene, flow: Flow, own: Attached) -> Generator[Hop, None, None]:
    target = scene.at(flow.address)
    if target is None or target.bridge != own.bridge:
        where = f", but on {target.bridge or 'no bridge'}" if target else ""
        yield dropped(
            BRIDGE,
            f"{flow.address} is nobody's on {own.bridge}{where}: ARP gets no answer",
            INFERRED,
        )
        return
    if delivery.is_isolated(own) and delivery.is_isolated(target):
        why = f"{own.host_name} and {target.host_name} are isolated ports of {own.bridge}"
        yield dropped(BRIDGE, why)
    yield from _same_vlan(scene, own, target.host_name)
    flow = replace(flow, leaves=target.host_name)
    if scene.sees_bridged(flow):
        yield from _seen_bridged(scene, flow, own.bridge)
    flow = yield from scene.filtered(BRIDGE, "forward", flow, as_frame=True)
    yield Hop(place=BRIDGE, text=f"{own.bridge} switches it to {target.host_name}")
    yield from delivery.arrival(scene, target, flow)


def _seen_bridged(scene: Scene, flow: Flow, bridge: str) -> Hops:
    """br_netfilter shows what is bridged to the rules for packets, as coming and going by the bridge."""
    shown = replace(flow, enters=bridge, leaves=bridge)
    shown = yield from scene.filtered(host.FORWARD, "prerouting", shown)
    shown = yield from scene.filtered(host.FORWARD, "forward", shown)
    yield from scene.answered(host.FORWARD, "forward", shown)
    return flow


def _over_wire(scene: Scene, own: Attached, flow: Flow) -> Iterator[Hop]:
    """To whoever is at the other end, if that is who is meant."""
    far, target = own.far_end, scene.at(flow.address)
    if far is None:
        yield dropped("wire", f"nobody is at the other end of {own.attachment.ifname} yet")
    elif target is None or target.space != far.space:
        yield dropped(
            "wire", f"{flow.address} is not that of {far.space}, at the other end", INFERRED
        )
    else:
        yield Hop(place="wire", text=f"straight to {far.interface} in {far.space}")
        yield from delivery.arrival(scene, target, flow)


def _same_vlan(scene: Scene, own: Attached, port: str) -> Iterator[Hop]:
    """Whether what a container sends leaves the bridge by a port, and comes back."""
    if not port or not kernel_queries.filters_vlans(own.bridge):
        return
    there, back = kernel_queries.vlans(own.host_name), kernel_queries.vlans(port)
    if there[0] not in back[1] or back[0] not in there[1]:
        yield dropped(
            BRIDGE,
            f"{own.host_name} is in VLAN {there[0]} of {own.bridge}, {port} in {back[0] or 'none'}",
        )


def _port_behind(device: Interface) -> str:
    """The bridge port that leads to an interface of the host, where that is not the bridge itself."""
    return device.peer.interface if device.peer else ""
