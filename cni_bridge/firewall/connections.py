"""Forget connections in conntrack that would lead to, or come from, the wrong container.

A connection that is tracked is never looked up in the rules' maps again, and most of what is
established passes them: so none may outlive its container or come before the next one.
"""

from errno import EINVAL

from cni_bridge.address import AF_INET, AF_INET6
from cni_bridge.firewall import nft_elements
from cni_bridge.kernel import conntrack, layer3
from cni_bridge.kernel.netlink import KernelError, Socket
from cni_bridge.kernel.nftables import Netfilter
from cni_bridge.lean.csocket import csocket

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from cni_bridge.firewall.model import Element
    from cni_bridge.kernel.conntrack import Connection

FEW = 16  # IPv4 addresses up to which one look for each takes less than listing everything
FEW_PORTS = 4
LENGTHS = {AF_INET: 4, AF_INET6: 16}


def forget(
    socket: Netfilter, addresses: "Iterable[bytes]", published: "Iterable[Element]" = ()
) -> None:
    """Forget all connections of containers' addresses, and those to ports before they were published.

    Costs a few microseconds where nothing is tracked. Raises KernelError.
    """
    if conntrack.is_empty():
        return
    wanted = {ip for ip in addresses if not _is_loopback(ip)}
    udp = [item for item in published if nft_elements.is_udp_port(item)]
    for family, length in LENGTHS.items():
        own = {ip for ip in wanted if len(ip) == length}
        ports = [item for item in udp if len(nft_elements.address_behind(item)) == length]
        try:
            _forget_addresses(socket, family, own)
            _forget_unpublished(socket, family, ports)
        except KernelError as error:
            if error.errno != EINVAL:  # a kernel without ctnetlink
                raise


def forget_published(
    socket: Netfilter, gone: "Iterable[Element]", left: "Iterable[Element]" = ()
) -> None:
    """Forget the connections by ports that are not published any more. Raises KernelError."""
    if conntrack.is_empty():
        return
    remaining = tuple(left)
    for family, length in LENGTHS.items():
        closed = [each for each in gone if len(nft_elements.address_behind(each)) == length]

        def is_stale(found: "Connection", closed: "list[Element]" = closed) -> bool:
            return _is_by(found, closed) and not _is_by(found, remaining)

        if closed:
            needles = {nft_elements.address_behind(each) for each in closed}
            conntrack.forget(socket, family, is_stale, addresses=needles)


def _is_by(found: "Connection", ports: "Iterable[Element]") -> bool:
    """Return whether a connection is translated by one of these published ports."""
    return any(
        nft_elements.address_behind(item) == found.answerer
        and found.destination != found.answerer
        and nft_elements.port_of(item)[2] in (b"", found.destination)
        and port.protocol == found.protocol
        and port.host_port <= found.port < port.host_port + port.count
        for item in ports
        for port in (nft_elements.published_port(item),)
    )


def forget_subnets(socket: Netfilter, subnets: "Collection[tuple[bytes, bytes]]") -> None:
    """Forget all connections of a network, from first to last address of each subnet.

    For a network whose rules became stricter. Raises KernelError.
    """
    if conntrack.is_empty():
        return
    for family, length in LENGTHS.items():
        bounds = [each for each in subnets if len(each[0]) == length]

        def is_inside(found: "Connection", bounds: "list[tuple[bytes, bytes]]" = bounds) -> bool:
            ends = (found.source, found.answerer)
            return any(low <= end <= high for low, high in bounds for end in ends)

        if bounds:
            conntrack.forget(socket, family, is_inside)


def _forget_addresses(socket: Netfilter, family: int, addresses: "set[bytes]") -> None:
    if family == AF_INET and len(addresses) <= FEW:
        try:
            for ip in addresses:
                conntrack.forget_ipv4(socket, ip)
            return
        except KernelError as error:
            if error.errno != EINVAL:  # a kernel that can't filter
                raise

    def concerns(found: "Connection") -> bool:
        ends = (found.source, found.destination, found.answerer, found.answered)
        return not addresses.isdisjoint(ends)

    if addresses:
        needles = addresses if len(addresses) <= FEW else ()
        conntrack.forget(socket, family, concerns, addresses=needles)


def _forget_unpublished(socket: Netfilter, family: int, ports: "Iterable[Element]") -> None:
    """Let clients of this host that asked UDP ports before they were published reach them.

    Connections to another host's port of that number are not touched.
    """
    by_number: dict[int, list[Element]] = {}
    runs = []
    for item in ports:
        if item.key_end is None:
            by_number.setdefault(nft_elements.port_of(item)[1], []).append(item)
        else:
            runs.append((item, nft_elements.published_port(item)))
    local: set[bytes] = set()

    def published(number: int) -> "Iterator[Element]":
        yield from by_number.get(number, ())
        for item, port in runs:
            if port.host_port <= number < port.host_port + port.count:
                yield item

    def is_stale(found: "Connection") -> bool:
        if found.protocol != csocket.IPPROTO_UDP or not any(
            found.answerer != nft_elements.address_behind(item)
            and nft_elements.port_of(item)[2] in (b"", found.destination)
            for item in published(found.port)
        ):
            return False
        if not local:
            local.update(_host_addresses(family))
        return found.destination in local or _is_loopback(found.destination)

    # The kernel finds those to one port; many ports are looked for in one list.
    for number in (0,) if runs or len(by_number) > FEW_PORTS else by_number:
        conntrack.forget(socket, family, is_stale, udp_port=number, only_udp=True)


def _host_addresses(family: int) -> "Iterable[bytes]":
    host = Socket()
    try:
        return [
            layer3.parse_address(each).address.ip for each in host.dump(layer3.addresses(family, 0))
        ]
    finally:
        host.close()


def _is_loopback(ip: bytes) -> bool:
    return ip[0] == 127 if len(ip) == 4 else ip == bytes(15) + b"\1"
