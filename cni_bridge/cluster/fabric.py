"""Routes and tunnels to other hosts: reconcile the kernel with what `routes` computes.

Only differences are changed, so that running traffic is not disturbed.
"""

import os
from collections.abc import Iterable, Iterator
from contextlib import closing
from errno import EADDRNOTAVAIL, EHOSTUNREACH, ENETUNREACH, ENODEV, ENOENT, ESRCH

from cni_bridge import address
from cni_bridge.address import AF_INET, AF_INET6, Prefix, prefix_text, text
from cni_bridge.cluster import route_requests as requests
from cni_bridge.cluster import routes, table, tunnels
from cni_bridge.cluster.desired import DesiredState, Route
from cni_bridge.cluster.model import Host, Settings, View
from cni_bridge.cluster.route_requests import Installed
from cni_bridge.cluster.routes import IPV6
from cni_bridge.cluster.table import Share
from cni_bridge.kernel import layer3, links
from cni_bridge.kernel.netlink import KernelError, Request, Socket
from cni_bridge.lean.record import record, replace

IPV6_SYSCTLS = "/proc/sys/net/ipv6"
GONE = (EADDRNOTAVAIL, ENODEV, ENOENT, ESRCH)
NOT_ON_LINK = (EHOSTUNREACH, ENETUNREACH)
NOTHING = DesiredState(tunnels=(), routes=(), neighbours=(), forwards=(), problems=())


@record
class _Made:
    """The outcome: problems, and the routes that existed before."""

    problems: list[str]
    installed: list[Installed]
    mine: Share
    interfaces: tuple[int, ...]  # the tunnels'


class Fabric:
    """One cluster network's part of this host's kernel; not for several threads at a time."""

    def __init__(self, settings: Settings, me: Host) -> None:
        self._settings = settings
        self._me = me
        self._pools = tuple(pool.subnet for pool in settings.pools)

    def mtu(self) -> int:
        """Return the MTU towards other hosts."""
        return routes.mtu(self._me, self._settings)

    def ensure(self, view: View, held: tuple[Prefix, ...] = ()) -> tuple[str, ...]:
        """Reconcile the kernel with the view; return sentences for operators about what failed.

        `held` are blocks with containers here, which the store may have lost. Raises KernelError if the kernel does not answer.
        """
        desired = routes.desired(self._me, view, self._settings)
        own = tuple(each.subnet for each in view.blocks.values() if each.host == self._me.id)
        own += tuple(each for each in held if each not in view.blocks)
        with closing(Socket()) as socket:
            made = self._make(socket, desired)
            others = table.obstacles(
                made.mine, desired.routes, made.installed, own=own, interfaces=made.interfaces
            )
            problems = (
                *desired.problems,
                *made.problems,
                *table.overlaps(self._pools, made.installed),
                *(_explained(socket, each, self._settings.bridge) for each in others),
            )
        return tuple(dict.fromkeys(problems))

    def vacate(self, block: Prefix) -> None:
        """Remove the gateway of a block that this host gives back from the interface that has it.

        ADD added it, and its subnet would hide the route to the block's next host. Raises KernelError.
        """
        gateway = Prefix(ip=routes.gateway(block).ip, length=block.length)
        with closing(Socket()) as socket:
            for answer in socket.dump(layer3.addresses(address.family(block.ip), 0)):
                found = layer3.parse_address(answer)
                if found.address == gateway:
                    socket.run(layer3.delete_address(found.interface, gateway))

    def remove(self) -> tuple[str, ...]:
        """Remove all of this network's kernel state; return sentences about what failed."""
        with closing(Socket()) as socket:
            return tuple(self._make(socket, NOTHING).problems)

    def _make(self, socket: Socket, desired: DesiredState) -> _Made:
        """Add new routes before old ones are removed, tunnels and neighbours before and after them."""
        problems: list[str] = []
        has_ipv6 = os.path.isdir(IPV6_SYSCTLS)
        if not has_ipv6:
            desired, problems = _without_ipv6(desired)
        alias = routes.alias(self._settings.network)
        below = tunnels.ensure(socket, desired, alias, has_ipv6=has_ipv6)
        problems += (*below.problems, *_carry_out(socket, below.first))
        installed = _installed(socket, has_ipv6=has_ipv6)
        mine = table.share(self._pools, installed)
        placed, lost = _placed(socket, desired.routes, self._me, below.indexes)
        change = table.difference(mine, placed, installed)
        additions = [requests.set_route(*each, mine.protocol) for each in change.missing]
        refusals = zip(change.missing, socket.attempt(*additions), strict=True)
        problems += [_refused(route, refusal) for (route, _), refusal in refusals if refusal]
        surplus = map(requests.delete_route, change.surplus)
        problems += (*lost, *_carry_out(socket, (*surplus, *below.last)))
        return _Made(
            problems=problems,
            installed=installed,
            mine=mine,
            interfaces=tuple(below.indexes.values()),
        )


def _without_ipv6(desired: DesiredState) -> tuple[DesiredState, list[str]]:
    """Return the desired state without IPv6, for a kernel that lacks it, and the problems."""
    remaining = tuple(each for each in desired.routes if not _needs_ipv6(each))
    lost = sorted({each.host for each in desired.routes if each.gateway and _needs_ipv6(each)})
    problem = (
        f"this kernel has no IPv6, which the way to {', '.join(lost)} needs: start it without "
        "ipv6.disable=1, or take cluster.network6 out of the config of all hosts"
    )
    neighbours = tuple(each for each in desired.neighbours if len(each.ip) != IPV6)
    left = replace(desired, routes=remaining, neighbours=neighbours)
    return left, [problem] if lost else []


def _needs_ipv6(route: Route) -> bool:
    return IPV6 in (len(route.destination.ip), len(route.gateway or b""))


def _installed(socket: Socket, *, has_ipv6: bool) -> list[Installed]:
    return [
        requests.parse_route(answer)
        for family in ((AF_INET, AF_INET6) if has_ipv6 else (AF_INET,))
        for answer in socket.dump(requests.routes(family))
    ]


def _placed(
    socket: Socket, wanted: Iterable[Route], me: Host, indexes: dict[str, int]
) -> tuple[list[tuple[Route, int]], list[str]]:
    """Return routes with their interfaces; those without one are omitted."""
    shared = _interfaces_of(socket, me.addresses)
    placed: list[tuple[Route, int]] = []
    lost: dict[int, None] = {}
    for route in wanted:
        if route.gateway is None:
            placed.append((route, 0))
        elif route.tunnel:
            if (index := indexes.get(route.tunnel)) is not None:
                placed.append((route, index))
        elif (index := shared.get(len(route.gateway))) is not None:
            placed.append((route, index))
        else:
            lost[len(route.gateway)] = None
    return placed, [_homeless(me, length) for length in lost]


def _interfaces_of(socket: Socket, addresses: Iterable[bytes]) -> dict[int, int]:
    """Return the index of the interface that has the address of each family."""
    found = {}
    for ip in addresses:
        for answer in socket.dump(layer3.addresses(address.family(ip), 0)):
            present = layer3.parse_address(answer)
            if present.address.ip == ip:
                found[len(ip)] = present.interface
    return found


def _carry_out(socket: Socket, steps: Iterable[Request]) -> Iterator[str]:
    """Carry out the steps; removing what is gone already is no failure."""
    for refusal in socket.attempt(*steps):
        if refusal and refusal.errno not in GONE:
            yield str(refusal)


# ---------------------------------------------------------------- for operators


def _refused(route: Route, refusal: KernelError) -> str:
    if route.gateway and not route.tunnel and refusal.errno in NOT_ON_LINK:
        return (
            f"host {route.host} at {text(route.gateway)} is not on a link of this one that is "
            "up: host-gw can't reach it; set cluster.backend to vxlan on all hosts"
        )
    whose = f" of host {route.host}" if route.host else ""
    return f"{refusal}; traffic for {prefix_text(route.destination)}{whose} is lost"


def _homeless(me: Host, length: int) -> str:
    lost = ", ".join(text(ip) for ip in me.addresses if len(ip) == length)
    return f"no interface has {lost} any more: restart the agent, so that other hosts learn the new address"


def _explained(socket: Socket, found: Installed, bridge: str) -> str:
    answer = socket.find(links.get(found.interface)) if found.interface else None
    name = links.parse(answer).name if answer else "nowhere"
    subnet = prefix_text(found.destination)
    if name == bridge:
        return (
            f"{subnet} is not leased to this host, but {bridge} still has an address of it, so its "
            "containers are unreachable from here: remove that address with `ip address del` when the last "
            "container of it on this host is gone"
        )
    return (
        f"a foreign route sends {subnet} to {name}, which may capture traffic for other hosts' "
        "containers: remove it with `ip route del`, or choose another cluster.network"
    )
