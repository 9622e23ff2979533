"""A member of etcd for clients whose clocks are fast: what stands between counts the time of leases as they do.

It can be down, too, without the member.
"""

import http.client
import json
import select
import socket
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from tests.lab.answering import answering

ANSWER_S = 5
PASSED_ON = ("Authorization", "Content-Type", "Grpc-Metadata-hasleader")
DOWN = b'{"code": 14, "message": "no leader"}'


class Front(ThreadingHTTPServer):
    """What clients ask instead of a member."""

    daemon_threads = True

    def __init__(self, address: str, endpoint: str, hurry: int) -> None:
        super().__init__((address, 0), _Handler)
        self.url = f"http://{address}:{self.server_port}"
        parts = urlsplit(endpoint)
        self.member = (parts.hostname or "", parts.port or 0)
        self.hurry = hurry
        self.is_down = False

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of clients that do not wait for their answer."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


@contextmanager
def front(address: str, endpoint: str, hurry: int) -> Iterator[Front]:
    """Yield one that answers."""
    server = Front(address, endpoint, hurry)
    with answering(server):
        try:
            yield server
        finally:
            server.is_down = True


class _Handler(BaseHTTPRequestHandler):
    """One request."""

    server: Front
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path.endswith("/lease/grant"):
            asked = json.loads(body)
            asked["TTL"] = str(max(1, int(asked["TTL"]) // self.server.hurry))
            body = json.dumps(asked).encode()
        headers = {name: self.headers[name] for name in PASSED_ON if name in self.headers}
        headers |= {"Content-Length": str(len(body)), "Connection": "close"}
        if self.server.is_down:
            self._answer(503, DOWN)
        elif self.path.endswith("/watch"):
            self._stream(headers, body)
        else:
            self._ask(headers, body)

    def _ask(self, headers: dict[str, str], body: bytes) -> None:
        with closing(http.client.HTTPConnection(*self.server.member, timeout=ANSWER_S)) as member:
            try:
                member.request("POST", self.path, body, headers)
                answer = member.getresponse()
                status, told = answer.status, answer.read()
            except (OSError, http.client.HTTPException):
                status, told = 503, DOWN
        if "/lease/" in self.path and status == http.client.OK:
            document = json.loads(told)
            lease = document.get("result", document)
            if "TTL" in lease:
                lease["TTL"] = str(int(lease["TTL"]) * self.server.hurry)
            told = json.dumps(document).encode()
        self._answer(status, told)

    def _stream(self, headers: dict[str, str], body: bytes) -> None:
        """Pass on what the member sends until one side ends, or this is down."""
        self.close_connection = True
        words = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        try:
            member = socket.create_connection(self.server.member, ANSWER_S)
        except OSError:
            self._answer(503, DOWN)
            return
        with member:
            member.sendall(
                f"POST {self.path} HTTP/1.1\r\nHost: etcd\r\n{words}\r\n".encode() + body
            )
            while not self.server.is_down:
                readable, _, _ = select.select((member, self.connection), (), (), 0.05)
                if self.connection in readable:
                    return
                if readable and not self._pass_on(member):
                    return

    def _pass_on(self, member: socket.socket) -> bool:
        part = member.recv(1 << 16)
        self.connection.sendall(part)
        return bool(part)

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing."""
