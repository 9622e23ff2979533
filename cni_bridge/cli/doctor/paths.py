"""Follow the connections that containers should be able to make, as `explain` does.

Covers what no single fact shows: foreign rules for one port, forwarding of one interface, routes
of other tables, listeners at another address.
"""

from collections.abc import Iterator

from cni_bridge.cli.doctor.attachments import living
from cni_bridge.cli.doctor.facts import Facts
from cni_bridge.cli.doctor.findings import Diagnosis
from cni_bridge.cli.explain import kernel_queries, walk
from cni_bridge.cli.explain.hops import DROPS, Flow, Hop, bracketed
from cni_bridge.cli.explain.scene import DEFAULTS, Scene
from cni_bridge.cli.firewall_summary import Published
from cni_bridge.cli.inventory import Attached
from cni_bridge.errors import FirewallRefused

MOST = 50  # connections of each kind
PORTS = (443, 80)  # that containers ask for outside
SILENT = "nothing listens"  # a server that is not started yet is no fault of the network


def paths(facts: Facts) -> Iterator[Diagnosis]:
    """Find published ports that are out of reach, and networks without a way out."""
    try:
        yield from _published(facts)
        yield from _outgoing(facts)
    except FirewallRefused:  # without nft the rules can't be read
        return


def _published(facts: Facts) -> Iterator[Diagnosis]:
    scene = Scene(facts.found)
    ports = [(each, port) for each in living(facts) for port in each.protection.ports]
    told: set[str] = set()
    for each, port in ports[:MOST]:
        address = port.host_ip or _any(scene, is_ipv6=":" in port.address)
        if not address or _is_loopback(address):
            continue
        flow = Flow(protocol=port.protocol, address=address, port=port.host_port)
        end = _end(scene, flow)
        if end and end.text not in told and SILENT not in end.text:
            told.add(end.text)
            yield _diagnosis(end, f"{_name(port)} of {each.title} cannot be reached", flow)


def _outgoing(facts: Facts) -> Iterator[Diagnosis]:
    hosts = {route.destination for route in facts.found.host.routes}
    seen: set[tuple[str, str]] = set()
    for each in living(facts):
        space = facts.found.space(each.space) if each.space else None
        for default in DEFAULTS:
            key = (each.attachment.network, default)
            ways = {route.destination for route in space.routes} if space else set()
            if key in seen or default not in hosts & ways or len(seen) > MOST:
                continue
            seen.add(key)
            yield from _outwards(facts, each, is_ipv6=":" in default)


def _outwards(facts: Facts, each: Attached, *, is_ipv6: bool) -> Iterator[Diagnosis]:
    scene = Scene(facts.found, (each,))
    for port in PORTS:
        address = kernel_queries.OUTSIDE[is_ipv6]
        flow = Flow(protocol="tcp", address=address, port=port)
        if end := _end(scene, flow):
            effect = f"containers on {each.attachment.network} cannot reach port {port} outside"
            yield _diagnosis(end, effect, flow, each.title)
            return


def _end(scene: Scene, flow: Flow) -> Hop | None:
    """Return the hop that drops a connection."""
    return next((hop for hop in walk.hops(scene, flow) if hop.verdict == DROPS), None)


def _diagnosis(end: Hop, effect: str, flow: Flow, asker: str = "") -> Diagnosis:
    words = f"{asker} {bracketed(flow.address)}:{flow.port}".strip()
    udp = " --udp" if flow.protocol == "udp" else ""
    return Diagnosis(cause=end.text, effect=effect, command=f"cni-bridge explain {words}{udp}")


def _any(scene: Scene, *, is_ipv6: bool) -> str:
    """Return an address of the host that others can ask; empty if it has none."""
    uplink = scene.uplink()
    return scene.own(uplink.name, is_ipv6=is_ipv6) if uplink else ""


def _is_loopback(address: str) -> bool:
    return address.startswith("127.") or address == "::1"


def _name(port: Published) -> str:
    return f"port {port.name}"
