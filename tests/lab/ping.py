"""One ICMP echo from the namespace in which the caller is, for IPv4 and IPv6.

Written here because a bare machine has no `ping`; it never asks twice.
"""

import os
import select
import socket
import struct
import time

from tests.lab.frames import checksum

ECHO = {  # family: protocol, request, reply, length of the IP header as received on a raw socket
    socket.AF_INET: (socket.IPPROTO_ICMP, 8, 0, 20),
    socket.AF_INET6: (socket.IPPROTO_ICMPV6, 128, 129, 0),
}
TIMEOUT = 2.0  # seconds


def answers(address: str, timeout: float = TIMEOUT) -> bool:
    """Whether `address` answers one echo request in time."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    protocol, request, reply, header = ECHO[family]
    payload = os.urandom(16)
    with socket.socket(family, socket.SOCK_RAW, protocol) as link:
        try:
            link.sendto(_message(request, payload), (address, 0))
        except OSError:
            return False
        return _hears(link, header, bytes([reply]), payload, timeout)


def _hears(link: socket.socket, header: int, reply: bytes, payload: bytes, timeout: float) -> bool:
    """Whether our own payload comes back before the time is over."""
    deadline = time.monotonic() + timeout
    while (rest := deadline - time.monotonic()) > 0:
        if not select.select([link], [], [], rest)[0]:
            break
        message = link.recv(2048)[header:]
        if message[:1] == reply and message[8:] == payload:
            return True
    return False


def _message(kind: int, payload: bytes) -> bytes:
    """Return an echo request; the kernel fills in ICMPv6's checksum, and ignores this one there."""
    unsummed = struct.pack("!BBHHH", kind, 0, 0, os.getpid() & 0xFFFF, 1) + payload
    return unsummed[:2] + struct.pack("!H", checksum(unsummed)) + unsummed[4:]
