"""What the kernel shows of network namespaces: interfaces, addresses, routes, veth peers.

Read only, with pyroute2 rather than the plugin's own reader, and without the ledger.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from typing import Any

from cni_bridge.errors import InvalidNetns, UnknownContainer
from cni_bridge.kernel import netns
from cni_bridge.kernel.netns import OWN_NETNS, OpenNetns
from cni_bridge.lean.record import record
from cni_bridge.model import Netns

HOST = ""  # no container id is empty
AF_INET, AF_INET6 = 2, 10  # linux/socket.h
IFF_UP = 1  # linux/if.h
RT_SCOPE_LINK = 253  # linux/rtnetlink.h
RT_TABLE_MAIN = 254
RTPROT_RA = 9
FORWARDING = "forwarding"
PORT_STATES = ("disabled", "listening", "learning", FORWARDING, "blocking")  # linux/if_bridge.h


@record
class Counters:
    """Traffic counters of an interface, from its own side."""

    received_bytes: int
    received_packets: int
    sent_bytes: int
    sent_packets: int
    dropped: int


@record
class End:
    """An interface, by the name of its space and its own."""

    space: str
    interface: str


@record
class KernelInterface:
    """An interface; `peer` is a veth's other end if that is in one of the inspected spaces.

    `port_state` is one of PORT_STATES if it is a bridge port; `has_stp` concerns a bridge.
    """

    index: int
    name: str
    kind: str
    mac: str
    mtu: int
    is_up: bool
    has_carrier: bool
    addresses: tuple[str, ...]
    master: str
    peer: End | None
    alias: str
    counters: Counters
    port_state: str = ""
    has_stp: bool = False


@record
class KernelRoute:
    """A route of the main table; without a gateway the destination is on the link itself."""

    destination: str
    gateway: str
    device: str
    is_advertised: bool = False  # by an IPv6 router


@record
class Space:
    """A network namespace under the name it was requested by."""

    name: str
    identity: Netns
    interfaces: tuple[KernelInterface, ...]
    routes: tuple[KernelRoute, ...]

    def interface(self, name: str) -> KernelInterface | None:
        """Return the interface of that name."""
        return next((each for each in self.interfaces if each.name == name), None)


def look(paths: Mapping[str, str], host_path: str = OWN_NETNS) -> tuple[Space, ...]:
    """Inspect the host first, then every namespace that exists, given by name and path."""
    with ExitStack() as stack:
        views = [
            view
            for name, path in {HOST: host_path, **paths}.items()
            if (opened := _open(path)) and (view := _view(name, opened, stack))
        ]
        return tuple(_space(view, views) for view in views)


class _View:
    """An open namespace with a netlink socket in it and the links listed there."""

    def __init__(self, name: str, opened: OpenNetns, stack: ExitStack) -> None:
        from cni_bridge.cli.iproute import IPRoute  # help and usage errors need not wait for it

        self.name = name
        self.opened = opened
        stack.callback(netns.close, opened)
        # The own namespace needs no privilege to enter: ordinary users may look at it.
        is_own = opened.identity.path == OWN_NETNS
        self.socket = stack.enter_context(
            _here(IPRoute) if is_own else netns.inside(opened, IPRoute)
        )
        self.links: dict[int, Any] = {link["index"]: link for link in self.socket.get_links()}

    def knows(self, other: "_View", number: int) -> bool:
        """Whether this namespace knows the other one by that namespace id."""
        answer = self.socket.get_netnsid(fd=other.opened.descriptor)
        return bool(answer["nsid"] == number)


def _here(work: Callable[[], Any]) -> Any:
    return work()


def _open(path: str) -> OpenNetns | None:
    try:
        return netns.open_netns(path, may_be_own=True)
    except (InvalidNetns, UnknownContainer, PermissionError):
        return None


def _view(name: str, opened: OpenNetns, stack: ExitStack) -> _View | None:
    try:
        return _View(name, opened, stack)
    except PermissionError:  # an ordinary user may not enter another namespace
        return None


def _space(view: _View, views: list[_View]) -> Space:
    addresses: dict[int, list[str]] = {}
    for item in view.socket.get_addr():
        if item["scope"] != RT_SCOPE_LINK:
            local = item.get("local") or item.get("address")
            addresses.setdefault(item["index"], []).append(f"{local}/{item['prefixlen']}")
    return Space(
        name=view.name,
        identity=view.opened.identity,
        interfaces=tuple(
            _interface(view, link, tuple(addresses.get(index, ())), views)
            for index, link in view.links.items()
        ),
        routes=tuple(_routes(view)),
    )


def _interface(
    view: _View, link: Any, addresses: tuple[str, ...], views: list[_View]
) -> KernelInterface:
    info = link.get("linkinfo")
    of_port = info.get("slave_data") if info and info.get("slave_kind") == "bridge" else None
    of_bridge = info.get("data") if info and info.get("kind") == "bridge" else None
    stats = link.get("stats64")
    master = view.links.get(link.get("master"))
    return KernelInterface(
        index=link["index"],
        name=link.get("ifname"),
        kind=(info.get("kind") if info else "") or "",
        mac=link.get("address") or "",
        mtu=link.get("mtu"),
        is_up=bool(link["flags"] & IFF_UP),
        has_carrier=bool(link.get("carrier")),
        addresses=addresses,
        master=master.get("ifname") if master else "",
        peer=_peer(view, link, views),
        alias=link.get("ifalias") or "",
        counters=Counters(
            received_bytes=stats["rx_bytes"],
            received_packets=stats["rx_packets"],
            sent_bytes=stats["tx_bytes"],
            sent_packets=stats["tx_packets"],
            dropped=stats["rx_dropped"] + stats["tx_dropped"],
        ),
        port_state=PORT_STATES[of_port.get("IFLA_BRPORT_STATE")] if of_port else "",
        has_stp=bool(of_bridge and of_bridge.get("br_stp_state")),
    )


def _peer(view: _View, link: Any, views: list[_View]) -> End | None:
    """Find the other end by its index and the namespace id that this namespace knows it by."""
    info, index, number = link.get("linkinfo"), link.get("link"), link.get("link_netnsid")
    if not info or info.get("kind") != "veth" or not index:
        return None
    candidates = [view] if number is None else [each for each in views if each is not view]
    for each in candidates:  # the host is the first of them, and the answer as a rule
        other = each.links.get(index)
        if other is not None and (number is None or view.knows(each, number)):
            return End(space=each.name, interface=other.get("ifname"))
    return None


def _routes(view: _View) -> Iterator[KernelRoute]:
    for family, default in ((AF_INET, "0.0.0.0/0"), (AF_INET6, "::/0")):
        for item in view.socket.get_routes(family=family, table=RT_TABLE_MAIN):
            device = view.links.get(item.get("oif"))
            target = item.get("dst")
            if device is None or (target or "").startswith("fe80:"):
                continue
            yield KernelRoute(
                destination=f"{target}/{item['dst_len']}" if target else default,
                gateway=item.get("gateway") or "",
                device=device.get("ifname"),
                is_advertised=item["proto"] == RTPROT_RA,
            )
