"""The underlay: this host's own addresses there, and the MTU. Reads routes and interfaces only."""

import socket
from collections.abc import Iterator, Sequence
from contextlib import closing
from urllib.parse import urlsplit

from cni_bridge import address
from cni_bridge.address import AF_INET, AF_INET6, text
from cni_bridge.kernel import layer3, links
from cni_bridge.kernel.netlink import Socket
from cni_bridge.lean.record import record

# Reserved (RFC 1112) and for documentation (RFC 9637): on no link, so that only the default route matches.
ELSEWHERE = {AF_INET: "240.0.0.1", AF_INET6: "3fff::1"}
ANY_PORT = 9  # discard; to connect a datagram socket sends nothing


class NoUnderlay(Exception):
    """This host has no address by which others could reach it."""


@record
class Underlay:
    """At most one address of each family, IPv4 first, and the MTU that fits both."""

    addresses: tuple[bytes, ...]
    mtu: int


def find(endpoints: Sequence[str], given: Sequence[bytes] = ()) -> Underlay:
    """Return the addresses that this host is reached at: those given, or else those from which the kernel
    sends to the store, or else to anywhere. Raises NoUnderlay.
    """
    chosen = tuple(sorted(given, key=len)) or tuple(_chosen(endpoints))
    if not chosen:
        raise NoUnderlay(
            "this host has no address at which others could reach it: there is neither a way to "
            f"{', '.join(endpoints) or 'a store'} nor a default route; give it an address and a "
            "route, or tell the agent which address to use"
        )
    if len({len(ip) for ip in chosen}) < len(chosen):
        raise NoUnderlay(
            f"{' and '.join(map(text, chosen))} are of one family: tell the agent one address of "
            "each at most"
        )
    with closing(Socket()) as kernel:
        return Underlay(addresses=chosen, mtu=min(_mtu(kernel, ip) for ip in chosen))


def _chosen(endpoints: Sequence[str]) -> Iterator[bytes]:
    """Per family the source of what goes to the first endpoint elsewhere, or by default."""
    stores = list(_resolved(endpoints))
    for family, anywhere in ELSEWHERE.items():
        targets = [ip for ip in stores if address.family(ip) == family and not _is_loopback(ip)]
        if source := _source(targets[0] if targets else address.parse(anywhere)):
            yield source


def _resolved(endpoints: Sequence[str]) -> Iterator[bytes]:
    for endpoint in endpoints:
        name = urlsplit(endpoint if "//" in endpoint else f"//{endpoint}").hostname
        try:
            found = socket.getaddrinfo(name, None, type=socket.SOCK_DGRAM)
        except OSError:
            continue  # the store's driver reports it
        for family, *_, where in found:
            if family in ELSEWHERE:
                yield address.parse(str(where[0]).partition("%")[0])


def _source(target: bytes) -> bytes | None:
    family = address.family(target)
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as asking:
            asking.connect((text(target), ANY_PORT))
            source = address.parse(asking.getsockname()[0].partition("%")[0])
    except OSError:
        return None  # no route, or no such family in this kernel
    return None if _is_loopback(source) or address.is_link_local(source) else source


def _mtu(kernel: Socket, ip: bytes) -> int:
    for answer in kernel.dump(layer3.addresses(address.family(ip), 0)):
        found = layer3.parse_address(answer)
        if found.address.ip == ip:
            return links.parse(kernel.ask(links.get(found.interface))).mtu
    raise NoUnderlay(
        f"no interface of this host has {text(ip)}: `ip address` lists what there is; tell the "
        "agent one of those"
    )


def _is_loopback(ip: bytes) -> bool:
    return ip[:1] == b"\x7f" if len(ip) == 4 else ip == bytes(15) + b"\x01"
