"""What containers of different hosts send each other: echo requests without a break, TCP connections.

Hosts, containers and addresses are those of `agents`; what may be lost is for the tests to say.
"""

import re
import signal
import socket
import subprocess
import time

from tests.lab import Container, namespaces
from tests.lab.agents import Node

MUCH = 100_000  # bytes: packets as large as they can be


class Traffic:
    """Echo requests from one container to another, many a second, for as long as the block lasts."""

    INTERVAL_S = 0.02

    def __init__(self, node: Node, container: Container, address: str) -> None:
        self._node = node
        self._words = (
            *("ip", "netns", "exec", container.name),
            *("ping", "-q", "-i", str(self.INTERVAL_S), "-w", "300", address),
        )
        self.sent = self.answered = 0

    def __enter__(self) -> "Traffic":
        with self._node.machine.entered():
            self._ping = subprocess.Popen(self._words, stdout=subprocess.PIPE, text=True)
        time.sleep(10 * self.INTERVAL_S)
        return self

    def __exit__(self, *_: object) -> None:
        time.sleep(10 * self.INTERVAL_S)
        self._ping.send_signal(signal.SIGINT)
        told = self._ping.communicate(timeout=10)[0]
        sent, answered = re.findall(r"(\d+) (?:packets|received)", told)
        self.sent, self.answered = int(sent), int(answered)

    @property
    def lost(self) -> int:
        """Requests without an answer; the last one may have been on its way."""
        return max(0, self.sent - self.answered - 1)


def source_seen(client: Node, asking: Container, server: Node, asked: Container) -> list[str]:
    """Return the address from which a TCP connection is seen to come in another container, one a family."""
    return [_connect(client, asking, server, asked, to) for to in server.addresses[asked]]


def _connect(client: Node, asking: Container, server: Node, asked: Container, to: str) -> str:
    family = socket.AF_INET6 if ":" in to else socket.AF_INET
    with server.machine.entered(), namespaces.visiting(asked.netns):
        listening = socket.create_server((to, 8080), family=family)
    with listening:
        listening.settimeout(5)
        with client.machine.entered(), namespaces.visiting(asking.netns):
            made = socket.create_connection((to, 8080), timeout=5)
        accepted, peer = listening.accept()
        with made, accepted:
            made.sendall(bytes(MUCH))
            received = 0
            while received < MUCH:
                received += len(accepted.recv(65536))
            return str(peer[0])
