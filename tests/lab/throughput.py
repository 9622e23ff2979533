"""How many bytes a second TCP carries between a container and its host, in either direction.

Two sockets in one thread, for a bounded time; what is a good figure is decided by the callers.
"""

import select
import socket
import time

from tests.lab import namespaces
from tests.lab.containers import Container

SECONDS = 1.0
CHUNK = bytes(1 << 16)


def received(container: Container, gateway: str) -> float:
    """Bytes a second that the container gets from the host."""
    inside, outside = _connect(container, gateway)
    return _carry(outside, inside)


def sent(container: Container, gateway: str) -> float:
    """Bytes a second that the container sends to the host."""
    inside, outside = _connect(container, gateway)
    return _carry(inside, outside)


def _connect(container: Container, gateway: str) -> tuple[socket.socket, socket.socket]:
    with socket.create_server((gateway, 0)) as server:
        with namespaces.visiting(container.netns):
            inside = socket.create_connection(server.getsockname(), timeout=5)
        outside, _ = server.accept()
    return inside, outside


def _carry(source: socket.socket, sink: socket.socket) -> float:
    total = 0
    start = time.monotonic()
    with source, sink:
        source.setblocking(False)
        sink.setblocking(False)
        while (rest := start + SECONDS - time.monotonic()) > 0:
            readable, writable, _ = select.select([sink], [source], [], rest)
            if writable:
                source.send(CHUNK)
            if readable:
                total += len(sink.recv(len(CHUNK)))
            elif writable:
                time.sleep(0.001)  # the source's buffer is not full: let the packets travel
    return total / (time.monotonic() - start)
