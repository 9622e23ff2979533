"""The main routing table: what in it is a network's, what is missing, what of others is in the way.

Pure: works on routes as they were listed. It sends nothing.
"""

from collections.abc import Collection, Iterable, Iterator

from cni_bridge import address
from cni_bridge.address import Prefix, prefix_text
from cni_bridge.cluster.desired import Route
from cni_bridge.cluster.messages import RTN_MULTICAST, RTN_UNREACHABLE
from cni_bridge.cluster.route_requests import Installed
from cni_bridge.lean.record import record

# The protocol numbers of the agent's routes. From `static` (4) on the kernel leaves the numbers to user
# space; neither iproute2's list nor FRR, BIRD, systemd-networkd, Cilium or Calico use these.
# Networks whose blocks are cut from pools are told apart by these; a host can have one network that
# is told its blocks.
POOLED, TOLD = 77, 78


@record
class Share:
    """Which routes of the table are a network's."""

    pools: tuple[Prefix, ...]
    enclaves: tuple[
        Prefix, ...
    ]  # pools of other networks within this one's: a mistake in their config

    @property
    def protocol(self) -> int:
        """The number that the network's routes carry."""
        return POOLED if self.pools else TOLD

    def has(self, destination: Prefix) -> bool:
        """Whether a route to there would be the network's."""
        if not self.pools:
            return True
        return _is_in_any(destination, self.pools) and not _is_in_any(destination, self.enclaves)


@record
class Difference:
    """What to change so that the table has what it should have; with the index of the interface."""

    missing: tuple[tuple[Route, int], ...]
    surplus: tuple[Installed, ...]


def share(pools: tuple[Prefix, ...], installed: Iterable[Installed]) -> Share:
    """Return what is this network's, if these are its pools."""
    others = _pools_of_others(pools, installed)
    return Share(pools=pools, enclaves=tuple(each for each in others if _is_in_any(each, pools)))


def difference(
    mine: Share, wanted: Iterable[tuple[Route, int]], installed: Iterable[Installed]
) -> Difference:
    """Return the routes that are missing or different, and those that are not desired any more."""
    present = {
        (each.destination, each.metric): each
        for each in installed
        if each.protocol == mine.protocol and mine.has(each.destination)
    }
    missing = []
    for route, interface in wanted:
        if not mine.has(route.destination):
            continue
        found = present.pop((route.destination, route.metric), None)
        if found is None or not _is_alike(route, interface, found):
            missing.append((route, interface))
    return Difference(missing=tuple(missing), surplus=tuple(present.values()))


def obstacles(
    mine: Share,
    wanted: Iterable[Route],
    installed: Iterable[Installed],
    *,
    own: tuple[Prefix, ...],
    interfaces: Collection[int],
) -> Iterator[Installed]:
    """Routes of others to where other hosts' containers are.

    Fine are those to this host's own blocks, and through `interfaces`, its own tunnels.
    """
    destinations = {route.destination for route in wanted}
    for each in installed:
        if each.protocol == mine.protocol or each.kind == RTN_MULTICAST:
            continue
        is_there = each.destination in destinations or _is_in_any(each.destination, mine.pools)
        if is_there and not _is_in_any(each.destination, own) and each.interface not in interfaces:
            yield each


def overlaps(pools: tuple[Prefix, ...], installed: Iterable[Installed]) -> Iterator[str]:
    """Other cluster networks of this host that share addresses with this one."""
    for other in _pools_of_others(pools, installed):
        for pool in pools:
            if address.overlap(pool, other):
                yield (
                    f"{prefix_text(pool)} and {prefix_text(other)} of another cluster network of "
                    "this host overlap: choose another cluster.network; if there is no other any "
                    f"more, `ip route del unreachable {prefix_text(other)} proto {POOLED}`"
                )


def _pools_of_others(
    pools: tuple[Prefix, ...], installed: Iterable[Installed]
) -> tuple[Prefix, ...]:
    """Yield sentences about overlapping networks, found by their unreachable route."""
    return tuple(
        each.destination
        for each in installed
        if (each.protocol, each.kind) == (POOLED, RTN_UNREACHABLE) and each.destination not in pools
    )


def _is_alike(route: Route, interface: int, found: Installed) -> bool:
    if route.gateway is None:
        return found.kind == RTN_UNREACHABLE
    there = (found.gateway, found.interface, found.mtu)
    return there == (route.gateway, interface, route.mtu)


def _is_in_any(subnet: Prefix, others: Iterable[Prefix]) -> bool:
    return any(
        subnet.length >= other.length and address.contains(other, subnet.ip) for other in others
    )
