"""Queries to a nameserver, as a resolver sends them; and the nameservers of this network namespace."""

import socket
import struct
from dataclasses import dataclass
from pathlib import Path

from tests.lab import namespaces
from tests.lab.containers import Container

KINDS = {"A": 1, "PTR": 12, "AAAA": 28}
NO_ERROR, NAME_ERROR, REFUSED = 0, 3, 5
PATIENCE_S = 3.0
BASE = Path("/run/cni-bridge-dns")


@dataclass(frozen=True)
class Answer:
    """What a server said; code -1: nothing, or a refused connection."""

    code: int
    records: tuple[str, ...] = ()


SILENCE = Answer(-1)


def ask(
    container: Container | None,
    server: str,
    name: str,
    kind: str = "A",
    *,
    by: str = "udp",
    patience_s: float = PATIENCE_S,
) -> Answer:
    """Return a server's answer to one query, from inside a container or from the host."""
    if container is None:
        return _ask(server, name, kind, by, patience_s)
    with namespaces.visiting(container.netns):
        return _ask(server, name, kind, by, patience_s)


def addresses(container: Container | None, server: str, name: str, kind: str = "A") -> list[str]:
    """Return the addresses of a name, sorted; empty if it has none.

    The first question makes sure that the server has read what changed before: a query that arrives together
    with the signal to read may be answered first.
    """
    ask(container, server, "first", kind)
    return sorted(ask(container, server, name, kind).records)


def reverse(container: Container, server: str, address: str) -> list[str]:
    """Return the names of an address."""
    packed = socket.inet_pton(family(address), address)
    if len(packed) == 4:
        name = ".".join(map(str, reversed(packed))) + ".in-addr.arpa"
    else:
        name = ".".join(reversed(packed.hex())) + ".ip6.arpa"
    return sorted(ask(container, server, name, "PTR").records)


def servers() -> list[int]:
    """Return the dnsmasq processes of this network namespace."""
    return [int(each.name) for each in namespaces.processes() if _is_server(each)]


def hosts(network: str = "testnet") -> str:
    """Return the text of a network's hosts file."""
    return Path(BASE, network, "hosts").read_text()


def family(address: str) -> socket.AddressFamily:
    """Return an address's family."""
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def query(name: str, kind: str = "A", number: int = 4711) -> bytes:
    """Return a query's message."""
    labels = b"".join(bytes((len(each),)) + each.encode() for each in name.split("."))
    return (
        struct.pack(">HHHHHH", number, 0x100, 1, 0, 0, 0)
        + labels
        + struct.pack(">BHH", 0, KINDS[kind], 1)
    )


def parse(message: bytes) -> Answer:
    """Return what an answer says."""
    _, flags, questions, count, *_ = struct.unpack_from(">HHHHHH", message)
    at = 12
    for _ in range(questions):
        at = _name(message, at)[1] + 4
    records = []
    for _ in range(count):
        _, at = _name(message, at)
        kind, _, _, length = struct.unpack_from(">HHIH", message, at)
        at += 10
        if kind == KINDS["PTR"]:
            records.append(_name(message, at)[0])
        elif kind in KINDS.values():
            where = socket.AF_INET if length == 4 else socket.AF_INET6
            records.append(socket.inet_ntop(where, message[at : at + length]))
        at += length
    return Answer(flags & 15, tuple(records))


def _ask(server: str, name: str, kind: str, by: str, patience_s: float) -> Answer:
    stream = socket.SOCK_STREAM if by == "tcp" else socket.SOCK_DGRAM
    with socket.socket(family(server), stream) as channel:
        channel.settimeout(patience_s)
        message = query(name, kind)
        try:
            channel.connect((server, 53))
            if by == "tcp":
                channel.sendall(struct.pack(">H", len(message)) + message)
                answer = channel.recv(4096)[2:]
            else:
                channel.send(message)
                answer = channel.recv(4096)
        except OSError:
            return SILENCE
        return parse(answer) if answer else SILENCE


def _name(message: bytes, at: int) -> tuple[str, int]:
    labels, end = [], 0
    while length := message[at]:
        if length >= 192:
            end = end or at + 2
            at = struct.unpack_from(">H", message, at)[0] & 0x3FFF
            continue
        labels.append(message[at + 1 : at + 1 + length].decode())
        at += 1 + length
    return ".".join(labels), end or at + 1


def _is_server(process: Path) -> bool:
    try:
        return f"--conf-file={BASE}/".encode() in (process / "cmdline").read_bytes()
    except OSError:  # it has just ended
        return False
