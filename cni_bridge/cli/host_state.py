"""What the kernel shows of network namespaces: interfaces, addresses, routes, veth peers.

Read only, and without the ledger.
"""

import resource
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from typing import TypeVar

from cni_bridge import address
from cni_bridge.address import AF_INET, AF_INET6, prefix_text
from cni_bridge.cli import kernel_messages
from cni_bridge.cli.kernel_messages import Counters, Details
from cni_bridge.errors import InvalidNetns, UnknownContainer
from cni_bridge.kernel import layer3, links, netns, netns_ids
from cni_bridge.kernel.layer3 import RT_TABLE_MAIN
from cni_bridge.kernel.links import Link
from cni_bridge.kernel.messages import RTPROT_RA
from cni_bridge.kernel.netlink import Socket
from cni_bridge.kernel.netns import OWN_NETNS, OpenNetns
from cni_bridge.lean.record import record
from cni_bridge.model import Netns

T = TypeVar("T")

HOST = ""  # no container id is empty
RT_SCOPE_LINK = 253  # linux/rtnetlink.h
FORWARDING = "forwarding"
PORT_STATES = ("disabled", "listening", "learning", FORWARDING, "blocking")  # linux/if_bridge.h
LINK_LOCAL = b"\xfe\x80"


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
    metric: int = 0
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
    """Inspect the host first, then every namespace that exists, given by name and path.

    A namespace with several paths is inspected once, under its first name.
    """
    _allow_many_files()
    with ExitStack() as stack:
        views: dict[tuple[int, int], _View] = {}
        for name, path in {HOST: host_path, **paths}.items():
            opened = _open(path)
            if opened is None:
                continue
            stack.callback(netns.close, opened)
            identity = opened.identity.device, opened.identity.inode
            if identity not in views and (view := _view(name, opened, stack)):
                views[identity] = view
        return tuple(_space(view, tuple(views.values())) for view in views.values())


class _View:
    """An open namespace with a netlink socket in it and the links listed there."""

    def __init__(self, name: str, opened: OpenNetns, stack: ExitStack) -> None:
        self.name = name
        self.opened = opened
        # The own namespace needs no privilege to enter: ordinary users may look at it.
        is_own = opened.identity.path == OWN_NETNS
        self.socket = _here(Socket) if is_own else netns.inside(opened, Socket)
        stack.callback(self.socket.close)
        answers = self.socket.dump(kernel_messages.interfaces())
        listed = [(links.parse(each), kernel_messages.parse_details(each)) for each in answers]
        self.links: dict[int, tuple[Link, Details]] = {each[0].index: each for each in listed}
        self._by_number: dict[int | None, _View] = {}
        self._unasked: Iterator[_View] | None = None

    def knows(self, number: int, views: tuple["_View", ...]) -> "_View | None":
        """Return which of the others it knows by that namespace id; each is asked for once."""
        if self._unasked is None:
            self._unasked = (each for each in views if each is not self)
        while number not in self._by_number and (other := next(self._unasked, None)):
            self._by_number[netns_ids.identifier(self.socket, other.opened)] = other
        return self._by_number.get(number)


def _here(work: Callable[[], T]) -> T:
    return work()


def _allow_many_files() -> None:
    """Raise the limit of open files as far as allowed: each namespace takes three."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


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


def _space(view: _View, views: tuple[_View, ...]) -> Space:
    addresses: dict[int, list[str]] = {}
    for each in map(layer3.parse_address, view.socket.dump(layer3.addresses(0, 0))):
        if each.scope != RT_SCOPE_LINK:
            addresses.setdefault(each.interface, []).append(prefix_text(each.address))
    return Space(
        name=view.name,
        identity=view.opened.identity,
        interfaces=tuple(
            _interface(view, link, details, tuple(addresses.get(link.index, ())), views)
            for link, details in view.links.values()
        ),
        routes=tuple(_routes(view)),
    )


def _interface(
    view: _View,
    link: Link,
    details: Details,
    addresses: tuple[str, ...],
    views: tuple[_View, ...],
) -> KernelInterface:
    master = view.links.get(link.master)
    port = link.port
    return KernelInterface(
        index=link.index,
        name=link.name,
        kind=link.kind,
        mac=link.mac,
        mtu=link.mtu,
        is_up=link.is_up,
        has_carrier=details.has_carrier,
        addresses=addresses,
        master=master[0].name if master else "",
        peer=_peer(view, link, views),
        alias=link.alias,
        counters=details.counters,
        port_state=PORT_STATES[port.state] if port else "",
        has_stp=details.has_stp,
    )


def _peer(view: _View, link: Link, views: tuple[_View, ...]) -> End | None:
    """Find the other end by its index and the namespace id that this namespace knows it by."""
    if link.kind != "veth" or not link.peer:
        return None
    number = link.peer_netns
    holder = view if number is None else view.knows(number, views)
    other = holder.links.get(link.peer) if holder else None
    return End(space=holder.name, interface=other[0].name) if holder and other else None


def _routes(view: _View) -> Iterator[KernelRoute]:
    for family in (AF_INET, AF_INET6):
        for each in map(layer3.parse_route, view.socket.dump(layer3.routes(family))):
            if each.table != RT_TABLE_MAIN:
                continue
            if family == AF_INET6 and each.destination.ip.startswith(LINK_LOCAL):
                continue
            for interface, gateway in each.ways:
                if device := view.links.get(interface):
                    yield KernelRoute(
                        destination=prefix_text(each.destination),
                        gateway=address.text(gateway) if gateway else "",
                        device=device[0].name,
                        metric=each.priority,
                        is_advertised=each.protocol == RTPROT_RA,
                    )
