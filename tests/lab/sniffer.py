"""What a bystander hears of announced addresses: a packet socket in some namespace.

Understands ARP announcements and unsolicited neighbour advertisements; nothing else.
"""

import select
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.lab import namespaces

ETH_P_ALL, ETH_P_ARP, ETH_P_IPV6 = 3, 0x0806, 0x86DD
ICMPV6, ADVERTISEMENT, SOLICITED = 58, 136, 0x40


class Sniffer:
    """An open ear."""

    def __init__(self, link: socket.socket) -> None:
        self._link = link

    def announced(self, wanted: set[str], timeout: float = 1.0) -> dict[str, str]:
        """Each wanted address that is announced in time, with the MAC that it is said to have."""
        heard: dict[str, str] = {}
        deadline = time.monotonic() + timeout
        while wanted - heard.keys() and (rest := deadline - time.monotonic()) > 0:
            if select.select([self._link], [], [], rest)[0]:
                heard |= _announcement(self._link.recv(2048))
        return heard


@contextmanager
def listening(netns: Path, interface: str = "eth0") -> Iterator[Sniffer]:
    """Hears what arrives at an interface in a namespace, from now on."""
    with namespaces.visiting(netns):
        link = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        link.bind((interface, ETH_P_ALL))
    with link:
        yield Sniffer(link)


def _announcement(frame: bytes) -> dict[str, str]:
    kind, body = int.from_bytes(frame[12:14], "big"), frame[14:]
    if kind == ETH_P_ARP and body[14:18] == body[24:28]:  # sender and target are one
        return {socket.inet_ntop(socket.AF_INET, body[14:18]): body[8:14].hex(":")}
    is_advertisement = kind == ETH_P_IPV6 and body[6] == ICMPV6 and body[40] == ADVERTISEMENT
    if is_advertisement and not body[44] & SOLICITED:
        return {socket.inet_ntop(socket.AF_INET6, body[48:64]): body[66:72].hex(":")}
    return {}
