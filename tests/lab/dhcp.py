"""A DHCP server with one address, for one interface: enough for a client to get and keep its lease.

Runs in a thread of the caller's network namespace; RFC 2131 and nothing beyond.
"""

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager

DISCOVER, OFFER, REQUEST, ACK = 1, 2, 3, 5
COOKIE = b"\x63\x82\x53\x63"
OPTION_MASK, OPTION_ROUTER, OPTION_LEASE, OPTION_KIND, OPTION_SERVER = 1, 3, 51, 53, 54
SERVER_PORT, CLIENT_PORT = 67, 68
HEADER = 236  # of a BOOTP message, up to the cookie


@contextmanager
def dhcp_server(interface: str, address: str, gateway: str) -> Iterator[None]:
    """Inside, whoever asks on the interface, once it exists, is given that address."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as link:
        link.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        link.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, interface.encode())
        link.bind(("", SERVER_PORT))
        link.settimeout(0.1)
        is_over = threading.Event()
        thread = threading.Thread(target=_serve, args=(link, address, gateway, is_over))
        thread.start()
        try:
            yield
        finally:
            is_over.set()
            thread.join()


def _serve(link: socket.socket, address: str, gateway: str, is_over: threading.Event) -> None:
    while not is_over.is_set():
        try:
            asked = link.recv(2048)
        except TimeoutError:
            continue
        if kind := {DISCOVER: OFFER, REQUEST: ACK}.get(_kind(asked)):
            link.sendto(_answer(asked, kind, address, gateway), ("255.255.255.255", CLIENT_PORT))


def _kind(message: bytes) -> int:
    options = message[HEADER + len(COOKIE) :]
    while options and options[0] != 255:
        if options[0] == OPTION_KIND:
            return options[2]
        options = options[2 + options[1] :]
    return 0


def _answer(asked: bytes, kind: int, address: str, gateway: str) -> bytes:
    client, server = socket.inet_aton(address), socket.inet_aton(gateway)
    head = struct.pack("!BBBB", 2, 1, 6, 0) + asked[4:12] + bytes(4) + client + server
    values = (
        (OPTION_KIND, bytes([kind])),
        (OPTION_SERVER, server),
        (OPTION_LEASE, struct.pack("!I", 3600)),
        (OPTION_MASK, socket.inet_aton("255.255.0.0")),
        (OPTION_ROUTER, server),
    )
    options = b"".join(bytes([number, len(value)]) + value for number, value in values)
    return head + asked[24:HEADER] + COOKIE + options + b"\xff"
