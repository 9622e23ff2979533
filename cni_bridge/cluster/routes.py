"""Compute the tunnels, neighbours and routes to other hosts' blocks, and what prevents them.

Pure: from the view alone. Every host derives the same MACs and names from the same view.
"""

from collections.abc import Iterator
from hashlib import blake2b
from itertools import groupby

from cni_bridge import address
from cni_bridge.address import Prefix, prefix_text, text
from cni_bridge.cluster import member, notation
from cni_bridge.cluster.desired import (
    LAST_RESORT,
    METRIC,
    DesiredState,
    Forward,
    Neighbour,
    Route,
    Tunnel,
)
from cni_bridge.cluster.model import Host, Settings, View
from cni_bridge.lean.record import record
from cni_bridge.ledger import ranges
from cni_bridge.names import ALIAS_LIMIT

IPV4, IPV6 = 4, 16  # bytes of an address
LEAST_MTU = 68  # of IPv4; the kernel refuses less
OVERHEAD = {IPV4: 50, IPV6: 70}  # inner Ethernet, VXLAN, UDP, outer IP
NAMED = 3  # subnets in one message
FAMILY_NAMES = {IPV4: "IPv4", IPV6: "IPv6"}


@record
class _Peer:
    """Another host with the blocks that it has."""

    host: Host
    blocks: tuple[Prefix, ...]


def desired(me: Host, view: View, settings: Settings) -> DesiredState:
    """Return the desired kernel state, so that packets reach every other host's containers."""
    blocks, astray = _blocks(me, view, settings)
    shadowed = dict(_shadowed(me, view))
    peers = [
        _Peer(host=host, blocks=blocks[id])
        for id, host in sorted(view.hosts.items())
        if id != me.id and id in blocks and id not in shadowed
    ]
    unreachable = tuple(
        Route(destination=each.subnet, host="", gateway=None, tunnel="", mtu=0, metric=LAST_RESORT)
        for each in settings.pools
    )
    reach = _through_tunnels if settings.backend.kind == "vxlan" else _on_the_link
    found = reach(me, peers, blocks.get(me.id, ()), settings)
    return DesiredState(
        tunnels=found.tunnels,
        routes=(*found.routes, *unreachable),
        neighbours=found.neighbours,
        forwards=found.forwards,
        problems=(*astray, *shadowed.values(), *_masked(view, settings), *found.problems),
    )


def mtu(me: Host, settings: Settings) -> int:
    """Return the MTU towards other hosts."""
    if settings.backend.kind == "vxlan":
        return me.mtu - OVERHEAD[len(_families(me)[0])]
    return me.mtu


def alias(network: str) -> str:
    """Return the alias that marks a tunnel as the network's."""
    return f"cni-bridge cluster {network}"[:ALIAS_LIMIT]


def tunnel_mac(network: str, host: str) -> bytes:
    """Return the MAC of a host's tunnels, which every host can derive."""
    return b"\x02" + blake2b(f"{network}\n{host}".encode(), digest_size=5).digest()


def link_local(mac: bytes) -> bytes:
    """Return the address that a MAC leads to, by the rule of RFC 4291 (modified EUI-64)."""
    return b"\xfe\x80" + bytes(6) + bytes([mac[0] ^ 2]) + mac[1:3] + b"\xff\xfe" + mac[3:]


def gateway(block: Prefix) -> Prefix:
    """Return what the block's host has of it on its tunnels; on its bridge the same, with the subnet."""
    ip = ranges.make_range(block, None, None, None).gateway
    return Prefix(ip=ip, length=address.bits(ip))


# ---------------------------------------------------------------- through tunnels


def _through_tunnels(
    me: Host, peers: list[_Peer], own: tuple[Prefix, ...], settings: Settings
) -> DesiredState:
    routes: list[Route] = []
    neighbours: dict[Neighbour, None] = {}
    forwards, problems = [], []
    tunnels = {len(local): _tunnel(me, local, own, settings) for local in _families(me)}
    used = {len(_families(me)[0])}
    for peer in peers:
        below = _shared_family(me, peer.host)
        if below is None:
            problems.append(_no_family(me, peer.host))
            continue
        tunnel = tunnels[len(below)]
        used.add(len(below))
        mac = tunnel_mac(settings.network, peer.host.id)
        forwards.append(Forward(tunnel=tunnel.name, mac=mac, ip=below))
        for block in peer.blocks:
            hop = _next_hop(peer.host, block, mac)
            neighbours[Neighbour(tunnel=tunnel.name, ip=hop, mac=mac)] = None
            narrow = _narrower(me, peer.host, OVERHEAD[len(below)])
            routes.append(_route(block, peer.host, hop, tunnel.name, narrow))
    return DesiredState(
        tunnels=tuple(each for family, each in tunnels.items() if family in used),
        routes=tuple(routes),
        neighbours=tuple(neighbours),
        forwards=tuple(forwards),
        problems=tuple(problems),
    )


def _tunnel(me: Host, local: bytes, own: tuple[Prefix, ...], settings: Settings) -> Tunnel:
    """Return this host's end over one family; named by the VNI, which is unique on a host.

    Its addresses are the gateways of the first blocks, which the bridge has too: without one, what
    the host sends to containers elsewhere would come from an address that is answered past the
    tunnel, and reverse path filters drop that.
    """
    number = settings.backend.vni
    firsts = {len(block.ip): block for block in reversed(own)}
    return Tunnel(
        name=f"vxlan-{number}" if len(local) == IPV4 else f"vxlan6-{number}",
        alias=alias(settings.network),
        mac=tunnel_mac(settings.network, me.id),
        vni=number,
        port=settings.backend.port,
        local=local,
        mtu=me.mtu - OVERHEAD[len(local)],
        addresses=tuple(gateway(block) for _, block in sorted(firsts.items())),
    )


def _next_hop(peer: Host, block: Prefix, mac: bytes) -> bytes:
    """Return an address that only the tunnel's neighbour table has to know: any would do for IPv4."""
    by_family = {len(ip): ip for ip in peer.addresses}
    if len(block.ip) == IPV4 and IPV4 in by_family:
        return by_family[IPV4]
    return link_local(mac)


def _no_family(me: Host, peer: Host) -> str:
    return (
        f"host {peer.name} is at {_addresses(peer)} and this one at {_addresses(me)}: no tunnel "
        "can join them; give one of them an address of the other's family on the network below"
    )


# ---------------------------------------------------------------- on the link


def _on_the_link(
    me: Host, peers: list[_Peer], own: tuple[Prefix, ...], settings: Settings
) -> DesiredState:
    routes, problems = [], []
    mine = {len(ip) for ip in me.addresses}
    for peer in peers:
        hops = {len(ip): ip for ip in peer.host.addresses if len(ip) in mine}
        narrow = _narrower(me, peer.host, 0)
        for block in peer.blocks:
            if hop := hops.get(len(block.ip)):
                routes.append(_route(block, peer.host, hop, "", narrow))
            else:
                problems.append(_no_gateway(me, peer.host, len(block.ip)))
    return DesiredState(
        tunnels=(),
        routes=tuple(routes),
        neighbours=(),
        forwards=(),
        problems=tuple(dict.fromkeys(problems)),
    )


def _no_gateway(me: Host, peer: Host, family: int) -> str:
    name = FAMILY_NAMES[family]
    return (
        f"host {peer.name} has blocks of {name}, but is at {_addresses(peer)} and this one at "
        f"{_addresses(me)}: host-gw needs an {name} address of both on the network below; give them "
        "one, or set cluster.backend to vxlan on all hosts"
    )


# ---------------------------------------------------------------- helpers


def _route(block: Prefix, host: Host, hop: bytes, tunnel: str, narrow: int) -> Route:
    return Route(
        destination=block,
        host=host.name,
        gateway=hop,
        tunnel=tunnel,
        mtu=narrow,
        metric=METRIC,
    )


def _narrower(me: Host, peer: Host, overhead: int) -> int:
    """Return the MTU towards a host whose link has a smaller one than this host's; otherwise 0."""
    return max(peer.mtu - overhead, LEAST_MTU) if 0 < peer.mtu < me.mtu else 0


def _families(host: Host) -> list[bytes]:
    """One address of each family, IPv4 first."""
    return sorted(host.addresses, key=len)


def _shared_family(me: Host, peer: Host) -> bytes | None:
    """Return the peer's address of the family that both have, IPv4 first."""
    mine = {len(ip) for ip in me.addresses}
    return next((ip for ip in _families(peer) if len(ip) in mine), None)


def _blocks(
    me: Host, view: View, settings: Settings
) -> tuple[dict[str, tuple[Prefix, ...]], list[str]]:
    """Return every host's blocks, in order, and problems of those that are not cut from the pools.

    A block that overlaps one of this host's is left out: its route would capture traffic for containers here.
    """
    own = [each.subnet for each in view.blocks.values() if each.host == me.id]
    listed = sorted(
        view.blocks.values(), key=lambda block: (block.host, len(block.subnet.ip), block.subnet.ip)
    )
    blocks, problems = {}, []
    for host, some in groupby(listed, key=lambda block: block.host):
        subnets = [block.subnet for block in some]
        blocks[host] = tuple(
            each
            for each in subnets
            if member.is_cut_from(settings.pools, each)
            and (host == me.id or not any(address.overlap(each, mine) for mine in own))
        )
        if refused := [each for each in subnets if each not in blocks[host]]:
            problems.append(
                f"host {_name(view, host)} has {', '.join(map(prefix_text, refused))}, which is no free "
                f"block of {notation.pools_text(settings.pools)}: set the same cluster.network and "
                "cluster.blockSize on all hosts"
            )
    return blocks, problems


def _masked(view: View, settings: Settings) -> Iterator[str]:
    """Yield a problem if some podCIDRs are outside of the networks that are not masqueraded."""
    if (networks := settings.unmasked) is None:
        return
    outside = [
        f"{prefix_text(each)} of {_name(view, block.host)}"
        for each, block in view.blocks.items()
        if not any(_is_within(each, network) for network in networks)
    ]
    if outside:
        more = f" and {len(outside) - NAMED} more" if len(outside) > NAMED else ""
        named = ", ".join(map(prefix_text, networks)) or "none"
        yield (
            f"podCIDRs are outside of cluster.network and cluster.network6 ({named}): "
            f"{', '.join(sorted(outside)[:NAMED])}{more}. Pods there see this host's address as the source of "
            "packets from pods here; name the networks that contain all podCIDRs"
        )


def _is_within(subnet: Prefix, network: Prefix) -> bool:
    return network.length <= subnet.length and address.contains(network, subnet.ip)


def _shadowed(me: Host, view: View) -> Iterator[tuple[str, str]]:
    """Yield hosts whose address belongs to another host: this one, a member, or the first of them."""
    known = view.hosts | {me.id: me}
    by_address: dict[bytes, list[Host]] = {}
    for host in known.values():
        for ip in host.addresses:
            by_address.setdefault(ip, []).append(host)
    for ip, hosts in by_address.items():
        ranked = [(each.id != me.id, each.id not in view.members, each.id) for each in hosts]
        keeper, *others = (known[id] for _, _, id in sorted(ranked))
        for other in others:
            yield (
                other.id,
                f"hosts {keeper.name} ({keeper.id}) and {other.name} ({other.id}) are both at "
                f"{text(ip)}: nothing is sent to the blocks of the second; give it an address of its "
                "own, or evict it if it is gone for ever",
            )


def _name(view: View, host: str) -> str:
    return view.hosts[host].name if host in view.hosts else host


def _addresses(host: Host) -> str:
    return " and ".join(map(text, _families(host))) or "no address"
