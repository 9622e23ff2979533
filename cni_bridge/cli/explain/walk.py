"""The way of a connection: hop by hop, each asked of the kernel where it can answer.

Ends at the first hop that drops. Nothing is sent; what only a packet can show is `evidence`'s.
"""

from collections.abc import Iterator

from cni_bridge.cli.explain import asking, delivery, rules
from cni_bridge.cli.explain.hops import DROPS, INFERRED, UNSURE, Flow, Hop, dropped
from cni_bridge.cli.explain.rules import Crossing
from cni_bridge.cli.guarding import Published
from cni_bridge.cli.inventory import Attached, Inventory
from cni_bridge.cli.sightings import Space
from cni_bridge.kernel import sysctl
from cni_bridge.kernel.netns import OWN_NETNS
from cni_bridge.kernel.nftables import NFPROTO_INET, Netfilter
from cni_bridge.parts import firewall, foreign
from cni_bridge.record import record, replace

CONTAINER, BRIDGE, HOST, NAT, FORWARD = "container", "bridge", "host", "nat", "forward"
KEYS = {False: "net/ipv4/conf/{}/forwarding", True: "net/ipv6/conf/all/forwarding"}


@record
class Scene:
    """What there is, and who asks: the attachments of a container, or nobody of ours."""

    found: Inventory
    asker: tuple[Attached, ...] = ()

    def at(self, address: str) -> Attached | None:
        """Whose address it is."""
        for each in self.found.attachments:
            if any(prefix.partition("/")[0] == address for prefix in each.addresses):
                return each
        return None

    def is_hosts(self, address: str) -> bool:
        """Whether the host itself has the address."""
        return any(
            prefix.partition("/")[0] == address
            for link in self.found.host.interfaces
            for prefix in link.addresses
        )

    def flags(self, bridge: str) -> frozenset[str]:
        """What the network of a bridge is."""
        own = [each.guarded.flags for each in self.found.attachments if each.bridge == bridge]
        return frozenset(flag for flags in own for flag in flags)


def hops(scene: Scene, flow: Flow) -> Iterator[Hop]:
    """Every hop up to the one that drops, that one included."""
    way = _from_container(scene, flow) if scene.asker else _at_host(scene, flow, None)
    for hop in way:
        yield hop
        if hop.verdict == DROPS:
            return


def _from_container(scene: Scene, flow: Flow) -> Iterator[Hop]:
    first = scene.asker[0]
    name = first.attachment.container
    way = asking.route(first.netns_path, flow.address)
    if way.refusal:
        for each in scene.asker:  # a link that is down takes its routes with it
            yield from delivery.pair(scene.found, each)
        yield dropped(CONTAINER, f"{name} has no route to {flow.address}: {way.refusal}")
        return
    if way.is_local:
        yield from delivery.loopback(scene.found, first)
        yield from delivery.listening(first.netns_path, name, flow)
        return
    own = next((each for each in scene.asker if each.attachment.ifname == way.device), None)
    via = f" via {way.gateway}" if way.gateway else ", on its own subnet"
    yield Hop(place=CONTAINER, text=f"{name} sends it by {way.device}{via}")
    if own is None:
        yield Hop(place=CONTAINER, text=f"{way.device} is not of ours", verdict=UNSURE)
        return
    yield from delivery.pair(scene.found, own)
    flow = replace(flow, source=delivery.own_address(own, flow.address))
    if scene.is_hosts(way.gateway or flow.address):
        yield from _at_host(scene, flow, own)
    elif way.gateway:
        yield dropped(
            BRIDGE, f"nobody has the gateway's address {way.gateway}: {own.bridge} lost it"
        )
    else:
        yield from _to_neighbour(scene, flow, own)


def _to_neighbour(scene: Scene, flow: Flow, own: Attached) -> Iterator[Hop]:
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
        return
    yield Hop(place=BRIDGE, text=f"{own.bridge} switches it to {target.host_name}")
    yield from delivery.arrival(scene.found, target, flow)


def _at_host(scene: Scene, flow: Flow, own: Attached | None) -> Iterator[Hop]:
    """The host routes it, or has it."""
    is_published = False
    if own is None or scene.is_hosts(flow.address):
        target, port = _published(scene, flow)
        if target is None or port is None:
            yield Hop(place=HOST, text=f"port {flow.port}/{flow.protocol} is not published")
            yield from delivery.listening(OWN_NETNS, "this host", flow)
            return
        yield from _translation(target, port)
        is_published = True
        flow = replace(flow, address=port.address, port=port.container_port)
    yield from _forwarding(flow, own)
    way = asking.route(
        OWN_NETNS, flow.address, source=flow.source, arrives_by=own.bridge if own else ""
    )
    if way.refusal:
        yield dropped(HOST, f"the host does not route it to {flow.address}: {way.refusal}")
        return
    via = f" via {way.gateway}" if way.gateway else ""
    yield Hop(place=HOST, text=f"the host routes it out by {way.device}{via}")
    yield from _filters(scene, own, way.device, is_published=is_published)
    yield from _source(own, way.device, scene)
    if target := scene.at(flow.address):
        yield from delivery.arrival(scene.found, target, flow)
    else:
        yield from _outside(scene.found.host, flow, way)


def _published(scene: Scene, flow: Flow) -> tuple[Attached | None, Published | None]:
    for each in scene.found.attachments:
        for port in each.guarded.ports:
            is_that = (port.protocol, port.host_port) == (flow.protocol, flow.port)
            is_there = not flow.address or port.host_ip in ("", flow.address)
            is_family = not flow.address or (":" in port.address) == (":" in flow.address)
            if is_that and is_there and is_family:
                return each, port
    return None, None


def _translation(target: Attached, port: Published) -> Iterator[Hop]:
    container = target.attachment.container
    if firewall.handle(Netfilter(), NFPROTO_INET) is None:
        yield dropped(
            NAT,
            f"port {port.host_port} is recorded for {container}, but table inet cni_bridge is gone: "
            "`cni-bridge restore`",
        )
        return
    text = f"table inet cni_bridge, chain publish: to {port.address}:{port.container_port}"
    yield Hop(place=NAT, text=f"{text} of {container}", source=INFERRED)


def _forwarding(flow: Flow, own: Attached | None) -> Iterator[Hop]:
    is_ipv6 = ":" in flow.address
    key = KEYS[is_ipv6].format(own.bridge if own else "all")
    if sysctl.read(key) == "0":
        yield dropped(HOST, f"forwarding is off: {key.replace('/', '.')} is 0")


def _filters(
    scene: Scene, own: Attached | None, leaves: str, *, is_published: bool
) -> Iterator[Hop]:
    enters = own.bridge if own else ""
    crossing = Crossing(
        enters=enters,
        leaves=leaves,
        enters_flags=scene.flags(enters) if enters else frozenset(),
        leaves_flags=scene.flags(leaves),
        is_published=is_published,
    )
    if why := rules.refusal(crossing):
        yield dropped(FORWARD, f"table inet cni_bridge, chain forward: {why}", INFERRED)
        return
    bridges = [each.name for each in scene.found.bridges]
    for obstacle in foreign.obstacles(Netfilter(), *bridges):
        text = f"{obstacle}, unless one of its rules accepts it: {obstacle.remedy}"
        yield dropped(FORWARD, text, INFERRED)
        return
    yield Hop(place=FORWARD, text="no table drops what is forwarded here", source=INFERRED)


def _source(own: Attached | None, leaves: str, scene: Scene) -> Iterator[Hop]:
    if own is None or leaves in {each.name for each in scene.found.bridges}:
        return
    if own.guarded.masquerades:
        yield Hop(place=NAT, text="masquerade: it leaves with the host's address", source=INFERRED)
    else:
        yield Hop(
            place=NAT,
            text="no masquerade: the answer needs a route to this host's containers out there",
            verdict=UNSURE,
            source=INFERRED,
        )


def _outside(host: Space, flow: Flow, way: asking.Way) -> Iterator[Hop]:
    link = host.interface(way.device)
    if link is None or not link.has_carrier:
        yield dropped(HOST, f"{way.device} has no carrier")
        return
    neighbour = way.gateway or flow.address
    if asking.has_failed(way.device, neighbour):
        yield dropped(HOST, f"{neighbour} does not answer on {way.device}")
        return
    yield Hop(place=HOST, text=f"leaves by {way.device}; what is beyond can't be seen from here")
