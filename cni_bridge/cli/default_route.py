"""Which of a container's default routes is used, if it has one on each of several networks.

The kernel puts a new route of the same metric first (IPv4), or uses both in turn (IPv6).
"""

from collections.abc import Collection, Iterable, Iterator
from errno import ESRCH

from cni_bridge import address
from cni_bridge.address import AF_INET, AF_INET6
from cni_bridge.cluster.messages import RTM_DELROUTE
from cni_bridge.kernel import layer3, links, netns
from cni_bridge.kernel.layer3 import InstalledRoute
from cni_bridge.kernel.netlink import Socket
from cni_bridge.lean.record import replace
from cni_bridge.model import Route
from cni_bridge.plan import DEFAULT, RT_TABLE_MAIN

UNNAMED = {AF_INET: 0, AF_INET6: 1024}  # the metric of a route that names none: net/ip6_route.h
LEAST = {AF_INET: 0, AF_INET6: 1}  # for IPv6, 0 names none


def arrange(netns_path: str, ifname: str, *, first: bool) -> None:
    """Let the container use an interface's default routes before others, or once those are gone."""
    container = netns.open_netns(netns_path, may_be_own=True)
    try:
        inside = netns.inside(container, Socket)
        try:
            index = links.parse(inside.ask(links.get(ifname))).index
            moved = list(_moved(inside, index, first=first))
            made = [layer3.add_route(index, new) for new, _ in moved]
            gone = [layer3.add_route(index, old) for _, old in moved]
            away = [
                replace(each, what="delete a default route", kind=RTM_DELROUTE, flags=0)
                for each in gone
            ]
            inside.run(*made, *away, tolerate=ESRCH)  # the container may have taken it away itself
        finally:
            inside.close()
    finally:
        netns.close(container)


def lacking(inside: Socket, ifname: str, wanted: Iterable[Route]) -> Iterator[Route]:
    """Yield the routes that an interface is to be given back.

    It keeps the default routes that it has, with their metrics; those that it gets come `behind`.
    """
    index = links.parse(inside.ask(links.get(ifname))).index
    for route in wanted:
        family = address.family(route.destination.ip)
        if route.destination != DEFAULT[family] or route.table not in (None, RT_TABLE_MAIN):
            yield route
            continue
        found = list(_defaults(inside, family))
        if (index, route.gateway) not in [(at, gateway) for _, at, gateway in found]:
            yield behind(route, [each.priority for each, at, _ in found if at != index])


def behind(route: Route, others: Collection[int]) -> Route:
    """Return a default route with a metric by which it takes the place of no other, given theirs."""
    metric = route.priority or UNNAMED[address.family(route.destination.ip)]
    return replace(route, priority=max(others) + 1) if metric in others else route


def _moved(inside: Socket, index: int, *, first: bool) -> Iterator[tuple[Route, Route]]:
    """Yield the interface's default routes that need another metric: as they are to be, and are."""
    for family in DEFAULT:
        found = list(_defaults(inside, family))
        others = [each.priority for each, at, _ in found if at != index]
        for each, at, gateway in found:
            if at != index or not others:
                continue
            front, least = min(others), LEAST[family]
            if not first and each.priority <= front:
                metric = max(others) + 1
            elif first and each.priority >= max(front + (family == AF_INET), least + 1):
                metric = max(front - 1, least)
            else:
                continue
            old = Route(
                destination=each.destination,
                gateway=gateway or None,
                mtu=each.mtu,
                advmss=each.advmss,
                priority=each.priority or None,
                scope=each.scope,
            )
            yield replace(old, priority=metric or None), old


def _defaults(inside: Socket, family: int) -> Iterator[tuple[InstalledRoute, int, bytes | None]]:
    """Yield every default route of the main table, once for each next hop: interface and gateway."""
    for route in map(layer3.parse_route, inside.dump(layer3.routes(family))):
        if route.destination == DEFAULT[family] and route.table == RT_TABLE_MAIN:
            for interface, gateway in route.ways:
                yield route, interface, gateway
