"""Put the default routes of an interface behind those that its container has by others."""

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from cni_bridge import address
from cni_bridge.kernel import layer3, links, netns
from cni_bridge.kernel.netlink import Socket
from cni_bridge.plan import DEFAULT, RT_TABLE_MAIN


def put_behind(netns_path: str, ifname: str) -> None:
    """Let the container use them only once the others are gone.

    The kernel puts a new route of the same metric first (IPv4), or uses both in turn (IPv6).
    """
    container = netns.open_netns(netns_path, may_be_own=True)
    try:
        inside = netns.inside(container, Socket)
        late = list(_in_front(inside, ifname))
        inside.close()
        if late:
            from cni_bridge.cli.iproute import IPRoute, NetlinkError  # not if nothing is to change

            with netns.inside(container, IPRoute) as socket:
                for route, metric, behind in late:
                    socket.route("add", **route, priority=behind)
                    with suppress(NetlinkError):  # the container has taken it away itself
                        socket.route("del", **route, priority=metric)
    finally:
        netns.close(container)


def _in_front(inside: Socket, ifname: str) -> Iterator[tuple[dict[str, Any], int, int]]:
    """Yield the interface's default routes that are used before others: their metrics now, and then."""
    index = links.parse(inside.ask(links.get(ifname))).index
    for family, anywhere in DEFAULT.items():
        found = [
            (route, *way)
            for route in map(layer3.parse_route, inside.dump(layer3.routes(family)))
            if route.destination == anywhere and route.table == RT_TABLE_MAIN
            for way in route.ways
        ]
        others = [route.priority for route, at, _ in found if at != index]
        for route, at, gateway in found:
            if at == index and others and route.priority <= min(others):
                sizes = {"mtu": route.mtu, "advmss": route.advmss}
                metrics = {key: size for key, size in sizes.items() if size}
                words = {
                    "family": family,
                    "dst": "default",
                    "oif": index,
                    "gateway": address.text(gateway) if gateway else None,
                    "metrics": metrics or None,
                }
                yield (
                    {key: word for key, word in words.items() if word},
                    route.priority,
                    max(others) + 1,
                )
