"""What the host does with a connection: accept, translate, forward or open it."""

import ipaddress
from collections.abc import Generator, Iterator

from cni_bridge.cli.explain import delivery, kernel_queries, other_hosts
from cni_bridge.cli.explain.hops import INFERRED, UNSURE, Flow, Hop, bracketed, dropped
from cni_bridge.cli.explain.nft_evaluator import Judgement
from cni_bridge.cli.explain.scene import Hops, Scene
from cni_bridge.cli.firewall_summary import Published
from cni_bridge.cli.inventory import Attached
from cni_bridge.firewall import foreign, nft_tables
from cni_bridge.kernel import sysctl
from cni_bridge.kernel.netns import OWN_NETNS
from cni_bridge.kernel.nftables import NFPROTO_INET, Netfilter
from cni_bridge.lean.record import replace

HOST, NAT, FORWARD = "host", "nat", "forward"
FORWARDING = {False: "net/ipv4/conf/{}/forwarding", True: "net/ipv6/conf/all/forwarding"}
Way = Generator[Hop, None, None]


def received(scene: Scene, flow: Flow, own: Attached | None) -> Way:
    """Follow what arrives from a container, or from outside with an unknown address."""
    if own is None:
        flow = _from_outside(scene, flow)
    else:
        yield from _way_back(own, flow)
    asked = flow
    judgement = scene.judged("prerouting", flow, OWN_NETNS)
    flow = yield from scene.filtered(HOST, "prerouting", flow)
    yield from _translation(scene, asked, judgement)
    if scene.is_hosts(flow.address):
        yield from _taken(scene, flow)
        return
    yield from _forwarded(scene, flow, own)


def sent(scene: Scene, flow: Flow) -> Way:
    """Follow what the host itself sends."""
    way = kernel_queries.route(OWN_NETNS, flow.address)
    if way.refusal:
        yield from _unrouted(scene, flow)
        yield dropped(HOST, f"the host has no route to {flow.address}: {way.refusal}")
    asked = flow = replace(flow, source=way.source, leaves=way.device)
    judgement = scene.judged("output", flow, OWN_NETNS)
    flow = yield from scene.filtered(HOST, "output", flow)
    yield from scene.answered(HOST, "input", asked)
    if way.is_local:
        yield from _translation(scene, asked, judgement)
    if flow.address == asked.address and way.is_local:
        yield from _taken(scene, replace(flow, enters=way.device, leaves=""))
        return
    way = kernel_queries.route(OWN_NETNS, flow.address)
    flow = replace(flow, leaves=way.device)
    yield from _localnet(flow)
    yield Hop(place=HOST, text=_routed(way))
    flow = yield from _source(scene, flow)
    yield from _delivered(scene, flow, way)


def _from_outside(scene: Scene, flow: Flow) -> Flow:
    """Choose the interface it arrives by and, unless given, the address of the host."""
    if flow.source:
        return replace(flow, enters=kernel_queries.route(OWN_NETNS, flow.source).device)
    port = _published(scene, flow)[1]
    uplink = scene.device(flow.address) if flow.address else None
    if uplink is None or uplink.kind == "bridge":
        uplink = scene.uplink()
    published = port.host_ip if port else ""
    is_inside = bool(published) and ipaddress.ip_address(published).is_loopback
    address = flow.address or ("" if is_inside else published)
    if not address:
        devices = [uplink.name] if uplink else [each.name for each in scene.found.bridges]
        is_ipv6 = ":" in port.address if port else False
        own = (scene.own(each, is_ipv6=is_ipv6) for each in devices)
        address = next(filter(None, own), "127.0.0.1")
    return replace(flow, address=address, enters=uplink.name if uplink else "")


def _translation(scene: Scene, asked: Flow, judgement: Judgement) -> Way:
    """Report where a port leads, and why it is not published or does not lead there."""
    flow, by = judgement.flow, judgement.translation
    if not scene.is_hosts(asked.address) and not flow.is_redirected:
        return
    target, port = _published(scene, asked)
    if target is None or port is None:
        if flow.is_redirected and by:
            yield Hop(
                place=NAT, text=f"{by.chain.where} translates it to {flow.text}", source=INFERRED
            )
            return
        yield Hop(place=NAT, text=_unpublished(scene, asked))
        return
    container = target.title
    where = f"{bracketed(port.address)}:{port.container_port}"
    what = f"port {port.host_port}/{port.protocol}"
    if (flow.address, flow.port) == (port.address, port.container_port):
        text = f"table inet cni_bridge, chain publish: to {where} of {container}"
        yield Hop(place=NAT, text=text, source=INFERRED)
    elif flow.is_redirected and by:
        text = f"{by.chain.where} translates it to {flow.text} before {container} gets its {what}"
        yield dropped(NAT, text, INFERRED)
    elif asked.address == "::1":
        yield dropped(NAT, "the kernel does not route ::1: use 127.0.0.1")
    elif nft_tables.handle(Netfilter(), NFPROTO_INET) is None:
        gone = "table inet cni_bridge is gone: run `cni-bridge restore`"
        yield dropped(NAT, f"{what} is recorded for {container}, but {gone}")
    elif ipaddress.ip_address(asked.address).is_loopback and asked.enters:
        yield dropped(NAT, f"{what} is published at {asked.address}, for this host only")
    else:
        lost = f"table inet cni_bridge does not translate it to {where}: run `cni-bridge restore`"
        yield dropped(NAT, f"{what} is recorded for {container}, but {lost}")


def _published(scene: Scene, flow: Flow) -> tuple[Attached | None, Published | None]:
    """Return the attachment that publishes a port."""
    for each, port in _ports(scene, flow):
        is_there = not flow.address or port.host_ip in ("", flow.address)
        is_family = not flow.address or (":" in port.address) == flow.is_ipv6
        if is_there and is_family:
            return each, port
    return None, None


def _unpublished(scene: Scene, flow: Flow) -> str:
    others = dict.fromkeys(
        port.host_ip or ("every IPv6 address" if ":" in port.address else "every IPv4 address")
        for _, port in _ports(scene, flow)
    )
    port = f"port {flow.port}/{flow.protocol} is"
    if not others:
        other = "udp" if flow.protocol == "tcp" else "tcp"
        by = next((each.title for each, _ in _ports(scene, replace(flow, protocol=other))), "")
        hint = f", but {flow.port}/{other} is, by {by}" if by else ""
        return f"{port} not published{hint}: the host itself is asked"
    return f"{port} published at {', '.join(others)} only, not at {flow.address}"


def _ports(scene: Scene, flow: Flow) -> Iterator[tuple[Attached, Published]]:
    """Yield the published ports of a number; one of a run by itself."""
    for each in scene.found.attachments:
        for port in each.protection.ports:
            if port.protocol == flow.protocol and flow.port in port.host_ports:
                to = port.container_port + flow.port - port.host_port
                yield each, replace(port, host_port=flow.port, container_port=to, count=1)


def _taken(scene: Scene, flow: Flow) -> Way:
    """Deliver to the host itself."""
    flow = yield from scene.filtered(HOST, "input", flow)
    yield from scene.answered(HOST, "output", flow)
    yield from delivery.listening(OWN_NETNS, "this host", flow, HOST)


def _forwarded(scene: Scene, flow: Flow, own: Attached | None) -> Way:
    for device in dict.fromkeys((flow.enters or "all", own.bridge if own else "all")):
        key = FORWARDING[flow.is_ipv6].format(device)
        if sysctl.read(key) == "0":
            yield dropped(HOST, f"forwarding is off: {key.replace('/', '.')} is 0")
    way = kernel_queries.route(
        OWN_NETNS, flow.address, source=flow.source, arrives_by=flow.enters if own else ""
    )
    if way.refusal:
        yield from _unrouted(scene, flow)
        yield dropped(HOST, f"the host has no route to {flow.address}: {way.refusal}")
    flow = replace(flow, leaves=way.device)
    yield Hop(place=HOST, text=_routed(way))
    if target := scene.at(flow.address):
        yield from _to_container(target, flow, way)
        yield from scene.parted(own, target) if own else ()
    key = FORWARDING[flow.is_ipv6].format(way.device)  # answers come in there
    if sysctl.read(key) == "0":
        yield dropped(HOST, f"answers are not forwarded: {key.replace('/', '.')} is 0")
    flow = yield from scene.filtered(FORWARD, "forward", flow)
    yield from scene.answered(FORWARD, "forward", flow)
    yield from _older_tables(scene)
    yield Hop(place=FORWARD, text="no table drops what is forwarded", source=INFERRED)
    flow = yield from _source(scene, flow)
    if flow.enters == flow.leaves and flow.is_redirected and not flow.is_masked:
        text = "the answer goes directly to the client, from another address than it asked: snat is false"
        yield dropped(NAT, text, INFERRED)
    yield from _delivered(scene, flow, way)


def _older_tables(scene: Scene) -> Iterator[Hop]:
    """Check legacy iptables, which nftables does not list."""
    bridges = [each.name for each in scene.found.bridges]
    for obstacle in foreign.obstacles(Netfilter(), *bridges):
        if "legacy" in obstacle.where:
            text = f"{obstacle}, unless one of its rules accepts it: {obstacle.remedy}"
            yield dropped(FORWARD, text, INFERRED)


def _source(scene: Scene, flow: Flow) -> Hops:
    """Report the source address it leaves with."""
    passed = yield from scene.filtered(NAT, "postrouting", flow)
    if passed.is_masked:
        source = scene.own(flow.leaves, is_ipv6=flow.is_ipv6)
        text = f"masquerade: it leaves with the host's address {source}".rstrip()
        yield Hop(place=NAT, text=text, source=INFERRED)
        return replace(passed, source=source)
    if flow.source and ipaddress.ip_address(flow.source).is_loopback:
        text = f"it comes from {flow.source} and is not masqueraded, so the answer cannot come back"
        yield dropped(NAT, text, INFERRED)
    if scene.at(flow.source) and not scene.at(flow.address) and not scene.clustered(flow.address):
        yield Hop(
            place=NAT,
            text="no masquerade: the answer needs a route to this host's containers",
            verdict=UNSURE,
            source=INFERRED,
        )
    return passed


def _localnet(flow: Flow) -> Iterator[Hop]:
    """Check that 127.0.0.1 may leave the host by this interface."""
    key = sysctl.route_localnet(flow.leaves)
    is_loopback = flow.source and ipaddress.ip_address(flow.source).is_loopback
    if is_loopback and "1" not in (sysctl.read(key), sysctl.read(sysctl.route_localnet("all"))):
        name = key.replace("/", ".")
        yield dropped(HOST, f"{name} is 0: 127.0.0.1 cannot leave the host via {flow.leaves}")


def _delivered(scene: Scene, flow: Flow, way: kernel_queries.Way) -> Way:
    if target := scene.at(flow.address):
        if flow.enters == "":  # sent by the host itself
            yield from _to_container(target, flow, way)
        yield from delivery.arrival(scene, target, flow)
        return
    link = scene.found.host.interface(way.device)
    if link is None or not link.has_carrier:
        yield dropped(HOST, f"{way.device} has no carrier")
    neighbour = way.gateway or flow.address
    if kernel_queries.is_silent(way.device, neighbour):
        yield dropped(HOST, f"{neighbour} does not answer on {way.device}")
    if cluster := scene.clustered(flow.address):
        yield from other_hosts.arrival(cluster, flow, way)
        return
    yield Hop(
        place=HOST, text=f"it leaves via {way.device}; what is beyond cannot be seen from this host"
    )


def _way_back(own: Attached, flow: Flow) -> Iterator[Hop]:
    """Check that answers to a container leave by its bridge."""
    way = kernel_queries.route(OWN_NETNS, flow.source) if flow.source else None
    if way and not leads_to(own, way.device):
        text = f"answers to {flow.source} leave via {way.device or 'no interface'}"
        yield dropped(HOST, f"{text}, not via {own.bridge}: another route has its subnet")


def _to_container(target: Attached, flow: Flow, way: kernel_queries.Way) -> Iterator[Hop]:
    """Check that the host's route and neighbour entry lead to the container."""
    if not leads_to(target, way.device):
        text = f"{flow.address} of {target.title} is routed via {way.device}"
        yield dropped(HOST, f"{text}, not via {target.bridge}: another route has its subnet")
    mac = target.container_end.mac if target.container_end else ""
    if wrong := kernel_queries.wrong_neighbour(OWN_NETNS, way.device, flow.address, mac):
        text = f"a permanent neighbour entry on {way.device} gives {flow.address} the MAC {wrong}"
        remedy = f"ip neigh del {flow.address} dev {way.device}"
        yield dropped(HOST, f"{text}, but {target.title} has {mac}: {remedy}")


def leads_to(target: Attached, device: str) -> bool:
    """Whether packets sent via an interface get to the bridge of an attachment, if it has one."""
    bridge = target.bridge
    return not bridge or device == bridge or device.startswith(f"{bridge}.")


def _unrouted(scene: Scene, flow: Flow) -> Iterator[Hop]:
    if cluster := scene.clustered(flow.address):
        yield from other_hosts.nobody(cluster, flow)


def _routed(way: kernel_queries.Way) -> str:
    via = f" to gateway {way.gateway}" if way.gateway else ""
    return f"the host routes it via {way.device}{via}"
