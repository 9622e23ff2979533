"""Which hosts of a cluster network are not heard here: each is asked for an echo.

At its own addresses, and through the tunnel where there is one; what follows is judged elsewhere.
"""

import socket
from collections.abc import Iterator
from contextlib import ExitStack, suppress

from cni_bridge.address import parse_prefix, text
from cni_bridge.cli import echoes
from cni_bridge.cli.clusters import Cluster
from cni_bridge.cluster import routes
from cni_bridge.cluster.model import Host
from cni_bridge.cluster.routes import IPV4, IPV6
from cni_bridge.record import record

MOST = 200  # hosts that are asked: kernels keep few neighbours, and operators read few names
FAMILIES = {IPV4: socket.AF_INET, IPV6: socket.AF_INET6}
ATTEMPTS = 2


@record
class Unheard:
    """A host that renews its membership, and where it does not answer: without or through the tunnel."""

    host: Host
    own: tuple[str, ...]
    tunnel: tuple[str, ...]


def unheard(cluster: Cluster) -> tuple[Unheard, ...]:
    """Those that don't answer within two seconds; nobody where this user must not ask."""
    peers = [each for each in cluster.peers if cluster.is_member(each)][:MOST]
    with ExitStack() as stack:
        senders = dict(_senders(stack))
        asked = [
            (peer.id, address, senders[length])
            for peer in peers
            for length, address in (*_own(cluster, peer), *_tunnel(cluster, peer))
            if length in senders
        ]
        targets = [(sender, address) for _, address, sender in asked]
        heard = echoes.answered(targets, attempts=ATTEMPTS)
    silent = {asked[place][:2] for place in range(len(asked)) if place not in heard}
    found = (
        Unheard(
            host=peer,
            own=tuple(ip for _, ip in _own(cluster, peer) if (peer.id, ip) in silent),
            tunnel=tuple(ip for _, ip in _tunnel(cluster, peer) if (peer.id, ip) in silent),
        )
        for peer in peers
    )
    return tuple(each for each in found if each.own or each.tunnel)


def _senders(stack: ExitStack) -> Iterator[tuple[int, socket.socket]]:
    for length, family in FAMILIES.items():
        with suppress(OSError):  # without the privilege, or a kernel without IPv6
            yield length, stack.enter_context(echoes.sender(family))


def _own(cluster: Cluster, peer: Host) -> Iterator[tuple[int, str]]:
    """Its addresses of families that this host has too."""
    mine = {len(ip) for ip in cluster.shot.me.addresses}
    return ((len(ip), text(ip)) for ip in peer.addresses if len(ip) in mine)


def _tunnel(cluster: Cluster, peer: Host) -> Iterator[tuple[int, str]]:
    """What it has on its tunnels, of families in which this host has an address there too."""
    if cluster.backend != "vxlan":
        return
    mine, theirs = (_firsts(cluster, each) for each in (cluster.shot.me, peer))
    for length in mine.keys() & theirs.keys():
        yield length, theirs[length]


def _firsts(cluster: Cluster, host: Host) -> dict[int, str]:
    """The address on its tunnels, by family: of the first block that it has of it."""
    blocks = map(parse_prefix, reversed(cluster.blocks_of(host)))
    return {len(block.ip): text(routes.gateway(block).ip) for block in blocks}
