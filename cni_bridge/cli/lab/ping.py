"""Who reaches whom: one ICMP echo from every namespace to every address, all at once.

A bare machine has no `ping`, and one after the other would be slow where nobody answers.
"""

import select
import socket
import struct
import time
from collections.abc import Iterable
from contextlib import ExitStack

from cni_bridge.cli.lab import spaces

ECHO, ECHO_REPLY = 8, 0  # RFC 792
IP_HEADER = 20
PATIENCE_S = 1.0

Pair = tuple[str, str]  # from a namespace to an address


def reachable(names: Iterable[str], addresses: Iterable[str]) -> set[Pair]:
    """The pairs of which the address answers, within a second."""
    pairs = dict(enumerate((name, address) for name in names for address in addresses))
    with ExitStack() as stack:
        sockets = {
            name: stack.enter_context(spaces.work_in(name, _socket))
            for name in {name for name, _ in pairs.values()}
        }
        for number, (name, address) in pairs.items():
            try:
                sockets[name].sendto(_echo(number), (address, 0))
            except OSError:  # no route: nothing to wait for
                continue
        return {pairs[number] for number in _replies(list(sockets.values()), len(pairs))}


def _socket() -> socket.socket:
    return socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)


def _replies(sockets: list[socket.socket], expected: int) -> set[int]:
    """The numbers of the echoes that were answered."""
    answered: set[int] = set()
    deadline = time.monotonic() + PATIENCE_S
    while len(answered) < expected and (left := deadline - time.monotonic()) > 0:
        for each in select.select(sockets, [], [], left)[0]:
            kind, _, _, number, _ = struct.unpack_from("!BBHHH", each.recv(2048), IP_HEADER)
            if kind == ECHO_REPLY:
                answered.add(number)
    return answered


def _echo(number: int) -> bytes:
    """An echo request whose identifier is the pair's number."""
    total = (ECHO << 8) + number
    checksum = ~((total & 0xFFFF) + (total >> 16)) & 0xFFFF
    return struct.pack("!BBHHH", ECHO, 0, checksum, number, 0)
