"""Find the hosts of a cluster network that do not answer an echo request.

Hosts are asked at their own addresses, and through the tunnel if there is one.
"""

import socket
from collections.abc import Iterator
from contextlib import ExitStack, suppress

from cni_bridge.address import Prefix, text
from cni_bridge.cli import icmp
from cni_bridge.cli.clusters import Cluster
from cni_bridge.cluster import routes
from cni_bridge.cluster.model import Host
from cni_bridge.cluster.routes import IPV4, IPV6
from cni_bridge.lean.record import record, replace

MOST = 200  # hosts that are asked: kernels keep few neighbours, and operators read few names
FAMILIES = {IPV4: socket.AF_INET, IPV6: socket.AF_INET6}
ATTEMPTS = 2


@record
class PeerAddress:
    """An address of a member host: its own, or that of its tunnel.

    `size`: bytes of the packet to send; 0: as small as possible.
    """

    host: Host
    ip: bytes
    is_tunnel: bool
    size: int = 0


def unheard(cluster: Cluster) -> tuple[PeerAddress, ...]:
    """Return the addresses that do not answer within two seconds; none without the privilege to ask.

    Hosts that answer are asked once more with the largest packet that both links carry.
    """
    with ExitStack() as stack:
        senders = dict(_senders(stack))
        asked = [end for end in _ends(cluster) if len(end.ip) in senders]
        silent = _silent(senders, asked)
        mtu = cluster.shot.me.mtu
        heard = [end for end in asked if end not in silent and not end.is_tunnel]
        large = [replace(end, size=min(mtu, end.host.mtu or mtu)) for end in heard]
        return (*silent, *_silent(senders, large))


def _silent(senders: dict[int, socket.socket], asked: list[PeerAddress]) -> list[PeerAddress]:
    targets = [(senders[len(end.ip)], text(end.ip), end.size) for end in asked]
    heard = icmp.answered(targets, attempts=ATTEMPTS)
    return [end for place, end in enumerate(asked) if place not in heard]


def _senders(stack: ExitStack) -> Iterator[tuple[int, socket.socket]]:
    for length, family in FAMILIES.items():
        with suppress(OSError):  # without the privilege, or a kernel without IPv6
            yield length, stack.enter_context(icmp.sender(family))


def _ends(cluster: Cluster) -> Iterator[PeerAddress]:
    """Yield the members' addresses, in the families that this host has too."""
    me = cluster.shot.me
    own = {len(ip) for ip in me.addresses}
    blocks = _first_blocks(cluster) if cluster.backend == "vxlan" else {}
    tunnelled = blocks.get(me.id, {}).keys()
    for peer in [each for each in cluster.peers if cluster.is_member(each)][:MOST]:
        for ip in peer.addresses:
            if len(ip) in own:
                yield PeerAddress(host=peer, ip=ip, is_tunnel=False)
        for length, block in blocks.get(peer.id, {}).items():
            if length in tunnelled:
                yield PeerAddress(host=peer, ip=routes.gateway(block).ip, is_tunnel=True)


def _first_blocks(cluster: Cluster) -> dict[str, dict[int, Prefix]]:
    """Return each host's first block by family: its tunnel has the gateway of that block."""
    found: dict[str, dict[int, Prefix]] = {}
    for block in sorted(cluster.shot.view.blocks.values(), key=lambda block: block.subnet.ip):
        found.setdefault(block.host, {}).setdefault(len(block.subnet.ip), block.subnet)
    return found
