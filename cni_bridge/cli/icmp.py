"""ICMP echo requests to many addresses at once.

Minimal machines have no `ping`, and asking one address after the other is slow if few answer.
"""

import os
import select
import socket
import struct
import time
from collections.abc import Mapping, Sequence

from cni_bridge.lean.record import record

PATIENCE_S = 1.0
HEADER = 8  # of an ICMP message


@record
class _Protocol:
    """The protocol number and message types of one family (RFC 792, RFC 4443)."""

    number: int
    request: int
    reply: int
    header: int  # bytes of IP's
    whole: tuple[int, int, int]  # the option by which no packet is cut, not even by what is known


# IP_MTU_DISCOVER, IPV6_MTU_DISCOVER: IP_PMTUDISC_PROBE (linux/in.h, linux/in6.h)
PROTOCOLS = {
    socket.AF_INET: _Protocol(
        number=socket.IPPROTO_ICMP, request=8, reply=0, header=20, whole=(socket.IPPROTO_IP, 10, 3)
    ),
    socket.AF_INET6: _Protocol(
        number=socket.IPPROTO_ICMPV6,
        request=128,
        reply=129,
        header=40,
        whole=(socket.IPPROTO_IPV6, 23, 3),
    ),
}

# Through which socket, which address, and with how many bytes in all; 0: as few as can be.
Asked = tuple[socket.socket, str, int]


def sender(family: socket.AddressFamily = socket.AF_INET) -> socket.socket:
    """Return a raw socket for the current network namespace. Raises OSError."""
    made = socket.socket(family, socket.SOCK_RAW, PROTOCOLS[family].number)
    made.setsockopt(*PROTOCOLS[family].whole)
    return made


def answered(asked: Sequence[Asked], *, attempts: int = 1) -> set[int]:
    """Return the indexes of the targets that answer within a second, after up to `attempts` tries."""
    silent = dict(enumerate(asked))
    for _ in range(attempts):
        for place in _answers(silent):
            del silent[place]
    return set(range(len(asked))) - silent.keys()


def _answers(asked: Mapping[int, Asked]) -> set[int]:
    token = os.urandom(8)  # by which our replies differ from those to others
    sent = set()
    for place, (link, address, size) in asked.items():
        try:
            link.sendto(_request(link.family, place, token, size), (address, 0))
        except OSError:  # no route, or larger than the link: nothing to wait for
            continue
        sent.add(place)
    return _replies({link for link, *_ in asked.values()}, sent, token)


def _replies(links: set[socket.socket], awaited: set[int], token: bytes) -> set[int]:
    heard: set[int] = set()
    deadline = time.monotonic() + PATIENCE_S
    while heard != awaited and (left := deadline - time.monotonic()) > 0:
        for link in select.select(links, [], [], left)[0]:
            message = _without_ip_header(link.family, link.recv(1 << 16))
            reply = bytes([PROTOCOLS[link.family].reply])
            if message[:1] == reply and message[HEADER:].startswith(token):
                heard.add(int.from_bytes(message[4:6]))
    return heard


def _without_ip_header(family: int, packet: bytes) -> bytes:
    """Strip the IPv4 header, which the kernel leaves on for raw sockets."""
    return packet[(packet[0] & 15) * 4 :] if family == socket.AF_INET else packet


def _request(family: int, place: int, token: bytes, size: int) -> bytes:
    """Build an echo request identified by its index; the kernel computes ICMPv6's checksum."""
    protocol = PROTOCOLS[socket.AddressFamily(family)]
    message = struct.pack("!BBHHH", protocol.request, 0, 0, place, 0) + token
    message = message.ljust(size - protocol.header, b"\0")
    return message[:2] + _checksum(message) + message[4:]


def _checksum(message: bytes) -> bytes:
    """Return the checksum of RFC 1071."""
    message += bytes(len(message) % 2)
    total: int = sum(struct.unpack(f"!{len(message) // 2}H", message))
    total = (total & 0xFFFF) + (total >> 16)
    return (~(total + (total >> 16)) & 0xFFFF).to_bytes(2)
