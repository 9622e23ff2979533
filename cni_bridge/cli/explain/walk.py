"""The path of a connection: hop by hop, asked of the kernel where it can answer.

Ends at the first hop that drops. Nothing is sent; `evidence` measures.
"""

from collections.abc import Generator, Iterator

from cni_bridge.cli import conflists, networks
from cni_bridge.cli.explain import delivery, host, kernel_queries
from cni_bridge.cli.explain.delivery import BRIDGE, CONTAINER
from cni_bridge.cli.explain.hops import DROPS, INFERRED, UNSURE, Flow, Hop, dropped
from cni_bridge.cli.explain.scene import Hops, Scene
from cni_bridge.cli.host_state import KernelInterface
from cni_bridge.cli.inventory import Attached
from cni_bridge.lean.record import replace


def hops(scene: Scene, flow: Flow, *, from_host: bool = False) -> Iterator[Hop]:
    """Yield every hop up to and including the one that drops."""
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
    via = f" to gateway {way.gateway}" if way.gateway else ", on its own subnet"
    yield Hop(place=CONTAINER, text=f"{name} sends it via {way.device}{via}")
    if own is None:
        yield Hop(
            place=CONTAINER, text=f"{way.device} was not created by cni-bridge", verdict=UNSURE
        )
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
    """Follow a packet to the host, or to the port that the bridge forwards it to."""
    yield from delivery.pair(scene.found, own)
    mac = own.container_end.mac if own.container_end else ""
    flow = replace(flow, enters=own.host_name, leaves="", mac=mac, mark=0)
    flow = yield from scene.filtered(BRIDGE, "prerouting", flow, as_frame=True)
    device = scene.device(gateway or flow.address)
    yield from _neighbour(scene, own, gateway or flow.address, device)
    if device:
        yield from _same_vlan(scene, own, _port_behind(device))
        yield from scene.filtered(BRIDGE, "input", flow, as_frame=True)
        flow = replace(flow, enters=device.name, mac="")
        yield from host.received(scene, flow, own)
    elif gateway:
        yield dropped(
            BRIDGE, f"no interface has the gateway address {gateway}: {own.bridge} lost it"
        )
    else:
        yield from _to_neighbour(scene, flow, own)


def _neighbour(
    scene: Scene, own: Attached, address: str, device: KernelInterface | None
) -> Iterator[Hop]:
    """Check that the container has no wrong entry for what it sends to."""
    target = None if device else scene.at(address)
    end = device or (target.container_end if target else None)
    ifname = own.attachment.ifname
    wrong = end and kernel_queries.wrong_neighbour(own.netns_path, ifname, address, end.mac)
    if end and wrong:
        text = f"a permanent neighbour entry of {own.title} gives {address} the MAC {wrong}"
        remedy = f"nsenter --net={own.netns_path} ip neigh del {address} dev {ifname}"
        yield dropped(CONTAINER, f"{text}, but it is {end.mac}: {remedy}")


def _to_neighbour(scene: Scene, flow: Flow, own: Attached) -> Generator[Hop, None, None]:
    target = scene.at(flow.address)
    if target is None and kernel_queries.answers(own.netns_path, flow.address):
        text = f"{flow.address} was not attached by cni-bridge, but answers on {own.bridge}"
        yield Hop(place=BRIDGE, text=f"{text}; --probe connects", verdict=UNSURE)
        return
    if target is None or target.bridge != own.bridge:
        where = f", but on {target.bridge or 'no bridge'}" if target else ""
        question = "neighbour discovery" if flow.is_ipv6 else "ARP"
        yield dropped(
            BRIDGE,
            f"no container on {own.bridge} has {flow.address}{where}: {question} gets no answer"
            f"{_kept(own.attachment.network, flow.address)}",
            INFERRED,
        )
        return
    yield from scene.parted(own, target)
    if delivery.is_isolated(own) and delivery.is_isolated(target):
        why = f"{own.host_name} and {target.host_name} are isolated ports of {own.bridge}"
        yield dropped(BRIDGE, why)
    yield from _same_vlan(scene, own, target.host_name)
    flow = replace(flow, leaves=target.host_name)
    if scene.sees_bridged(flow):
        yield from _seen_bridged(scene, flow, own.bridge)
    flow = yield from scene.filtered(BRIDGE, "forward", flow, as_frame=True)
    yield Hop(place=BRIDGE, text=f"{own.bridge} forwards it to {target.host_name}")
    yield from delivery.arrival(scene, target, flow)


def _seen_bridged(scene: Scene, flow: Flow, bridge: str) -> Hops:
    """Evaluate IP rules for bridged packets, which br_netfilter shows as entering and leaving the bridge."""
    shown = replace(flow, enters=bridge, leaves=bridge)
    shown = yield from scene.filtered(host.FORWARD, "prerouting", shown)
    shown = yield from scene.filtered(host.FORWARD, "forward", shown)
    yield from scene.answered(host.FORWARD, "forward", shown)
    return flow


def _over_wire(scene: Scene, own: Attached, flow: Flow) -> Iterator[Hop]:
    """Follow a packet to the other end of a wire, if the target is there."""
    far, target = own.far_end, scene.at(flow.address)
    if far is None:
        yield dropped("wire", f"no container is at the other end of {own.attachment.ifname} yet")
    elif target is None or target.space != far.space:
        yield dropped(
            "wire", f"{far.space}, at the other end, does not have {flow.address}", INFERRED
        )
    else:
        yield Hop(place="wire", text=f"straight to {far.interface} in {far.space}")
        yield from delivery.arrival(scene, target, flow)


def _same_vlan(scene: Scene, own: Attached, port: str) -> Iterator[Hop]:
    """Check that packets of a container pass the bridge to a port and back."""
    if not port or not kernel_queries.filters_vlans(own.bridge):
        return
    there, back = kernel_queries.vlans(own.host_name), kernel_queries.vlans(port)
    if there[0] not in back[1] or back[0] not in there[1]:
        yield dropped(
            BRIDGE,
            f"{own.host_name} is in VLAN {there[0]} of {own.bridge}, {port} in {back[0] or 'none'}",
        )


def _port_behind(device: KernelInterface) -> str:
    """Return the bridge port that leads to a host interface, unless that is the bridge itself."""
    return device.peer.interface if device.peer else ""


def _kept(network: str, address: str) -> str:
    """Return for which deleted container a network remembers an address, as more of a sentence."""
    configs = (each.config for each in conflists.read(conflists.directory()))
    of_network = (each for each in configs if each and each.name == network)
    kept = (item for each in of_network for item in networks.remembered(each).items())
    return next(
        (
            f"; {network} keeps it for the next container named {name}"
            for name, held in kept
            if address in held
        ),
        "",
    )
