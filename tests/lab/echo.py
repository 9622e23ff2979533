"""Servers that tell who they are and whom they saw, and the questions put to them.

A socket stays in the network namespace in which it was opened: one thread serves all of a laboratory, and no process is
started. What the answers should be is decided by the callers.
"""

import errno
import select
import socket
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tests.lab import namespaces

KINDS = {"tcp": socket.SOCK_STREAM, "udp": socket.SOCK_DGRAM}
FREEBIND = {  # linux/in.h, linux/in6.h
    socket.AF_INET: (socket.IPPROTO_IP, 15),
    socket.AF_INET6: (socket.IPPROTO_IPV6, 78),
}
NO_ANSWER = "no answer"
FAILURES = {
    errno.ECONNREFUSED: "refused",
    errno.ECONNRESET: "reset",
    errno.EHOSTUNREACH: "unreachable",
    errno.ENETUNREACH: "unreachable",
    errno.EACCES: "unreachable",
    errno.EINVAL: "unreachable",  # from 127.0.0.1 to elsewhere
}
BLOCKED = frozenset({NO_ANSWER, *FAILURES.values()})
PATIENCE = 0.8  # seconds; a repeated SYN comes after one


@dataclass(frozen=True)
class Question:
    """Who asks whom; without a namespace the host asks, without a source port the kernel picks one."""

    netns: Path | None
    address: str
    port: int
    protocol: str = "tcp"
    source_port: int = 0


class Servers:
    """Echo servers; each answers `NAME:PORT saw SOURCE` to whatever it is sent."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._names: dict[int, tuple[str, int, socket.socket]] = {}
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def listen(
        self, name: str, port: int, *, netns: Path | None = None, address: str = "::"
    ) -> None:
        """Answers TCP and UDP on this port as `name`; `::` is every address of both families."""
        for kind in KINDS.values():
            with namespaces.visiting_if(netns):
                family = socket.AF_INET6 if ":" in address else socket.AF_INET
                server = socket.socket(family, kind)
            server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            server.setsockopt(*FREEBIND[family], 1)  # an address may still be tentative
            server.bind((address, port))
            if kind == socket.SOCK_STREAM:
                server.listen(256)
            self._watch(name, port, server)

    def end(self, name: str = "") -> None:
        """Close the servers of this name, or all."""
        for number, (each, _, server) in list(self._names.items()):
            if name in ("", each):
                self._forget(number, server)

    def close(self) -> None:
        """End the thread and every server."""
        self._ended.set()
        self._thread.join()
        self.end()
        self._epoll.close()

    def _watch(self, name: str, port: int, server: socket.socket) -> None:
        server.setblocking(False)
        self._names[server.fileno()] = (name, port, server)
        self._epoll.register(server, select.EPOLLIN)

    def _forget(self, number: int, server: socket.socket) -> None:
        if self._names.pop(number, None):  # or the other thread has been faster
            server.close()

    def _serve(self) -> None:
        while not self._ended.is_set():
            for number, _ in self._epoll.poll(0.05):
                if known := self._names.get(number):
                    self._handle(number, *known)

    def _handle(self, number: int, name: str, port: int, server: socket.socket) -> None:
        """Accept, or answers one message; a connection that ends is forgotten."""
        try:
            if server.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
                self._watch(name, port, server.accept()[0])
            elif server.type == socket.SOCK_DGRAM:
                _, peer = server.recvfrom(100)
                server.sendto(_greeting(name, port, peer[0]), peer)
            elif server.recv(100):
                server.send(_greeting(name, port, server.getpeername()[0]))
            else:
                self._forget(number, server)
        except BlockingIOError:
            return
        except OSError:  # the asker went away
            if server.type == socket.SOCK_STREAM:
                self._forget(number, server)


def ask(question: Question) -> str:
    """Return the answer, or in one word how it failed."""
    return ask_all([question])[0]


def ask_all(questions: Iterable[Question], patience: float = PATIENCE) -> list[str]:
    """Asks all at once, so that those that get no answer cost the time of one."""
    askers = [_Asker(question) for question in questions]
    deadline = time.monotonic() + patience
    with select.epoll() as epoll:
        waiting = {each.socket.fileno(): each for each in askers if not each.answer}
        for number in waiting:
            epoll.register(number, select.EPOLLOUT)
        while waiting and (rest := deadline - time.monotonic()) > 0:
            for number, _ in epoll.poll(rest):
                if waiting[number].go_on():
                    del waiting[number]
                    epoll.unregister(number)
                else:
                    epoll.modify(number, select.EPOLLIN)
    for each in askers:
        each.socket.close()
    return [each.answer or NO_ANSWER for each in askers]


class Conversation:
    """One TCP connection, made with the first word and kept open."""

    def __init__(self, question: Question) -> None:
        self._socket = _open(question)
        self._peer: tuple[str, int] | None = (question.address, question.port)

    def say(self, patience: float = PATIENCE) -> str:
        """Send something; the answer, or in one word how it failed."""
        self._socket.settimeout(patience)
        try:
            if self._peer:
                self._socket.connect(self._peer)
                self._peer = None
            self._socket.send(b"?")
            return self._socket.recv(200).decode()
        except TimeoutError:
            return NO_ANSWER
        except OSError as error:
            return _failure(error)

    def close(self) -> None:
        """End the connection."""
        self._socket.close()


class _Asker:
    """One question on its way: connect, send, receive."""

    def __init__(self, question: Question) -> None:
        self.answer = ""
        self._has_sent = False
        self.socket = _open(question)
        self.socket.setblocking(False)
        try:
            self.socket.connect((question.address, question.port))
        except BlockingIOError:
            pass
        except OSError as error:
            self.answer = _failure(error)

    def go_on(self) -> bool:
        """Take the next step; whether it was the last."""
        try:
            if self._has_sent:
                self.answer = self.socket.recv(200).decode() or "closed"
            else:
                self.socket.send(b"?")
                self._has_sent = True
        except OSError as error:
            self.answer = _failure(error)
        return bool(self.answer)


def _open(question: Question) -> socket.socket:
    family = socket.AF_INET6 if ":" in question.address else socket.AF_INET
    with namespaces.visiting_if(question.netns):
        made = socket.socket(family, KINDS[question.protocol])
    if question.source_port:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind(("", question.source_port))
    return made


def _greeting(name: str, port: int, source: str) -> bytes:
    return f"{name}:{port} saw {source.removeprefix('::ffff:')}".encode()


def _failure(error: OSError) -> str:
    return FAILURES.get(error.errno or 0, str(error))
