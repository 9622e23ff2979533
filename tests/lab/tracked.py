"""Connections that the kernel tracks, listed by pyroute2 and not by the plugin's own reader."""

from socket import AF_INET, AF_INET6

from pyroute2.netlink.nfnetlink.nfctsocket import NFCTSocket

ADDRESSES = ("CTA_IP_V4_SRC", "CTA_IP_V4_DST", "CTA_IP_V6_SRC", "CTA_IP_V6_DST")
SIDES = ("CTA_TUPLE_ORIG", "CTA_TUPLE_REPLY")


def connections(address: str) -> list[tuple[str, ...]]:
    """Return source and destination of both directions of each connection with this address."""
    family = AF_INET6 if ":" in address else AF_INET
    with NFCTSocket(nfgen_family=family) as socket:  # type: ignore[no-untyped-call]
        listed = [_addresses(each) for each in socket.dump()]
    return [each for each in listed if address in each]


def _addresses(entry: object) -> tuple[str, ...]:
    found = []
    for side in SIDES:
        ip = entry.get_attr(side).get_attr("CTA_TUPLE_IP")  # type: ignore[attr-defined]
        found += [value for name in ADDRESSES if (value := ip.get_attr(name))]
    return tuple(found)
