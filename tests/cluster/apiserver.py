"""A Kubernetes API server as far as the driver sees one: Leases and Nodes over real HTTP, in memory.

Objects have versions, writes that name an old one conflict, watches tell changes in order, and what
was asked is recorded: verb and resource, as RBAC knows them.
"""

import json
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.lab.answering import answering

Document = dict[str, Any]
NODE_INFO = (
    *("architecture", "containerRuntimeVersion", "kernelVersion", "kubeProxyVersion"),
    *("kubeletVersion", "machineID", "operatingSystem", "osImage", "systemUUID"),
)
VERBS = {"POST": "create", "PUT": "update", "GET": "get"}


class ApiServer:
    """All objects, by resource and name."""

    def __init__(self) -> None:
        self.objects: dict[str, dict[str, Document]] = {"leases": {}, "nodes": {}}
        self.asked: set[tuple[str, str]] = set()
        self.is_down = False
        self.token = ""  # that a client must have, if there is one
        self.hurry = 1  # how many times as fast as ours the clocks of the clients are
        self.oldest = 0  # version from which changes are still known
        self._version = 0
        self._changes: list[tuple[str, str, Document]] = []
        self._changed = threading.Condition()
        self.url = ""

    def put(self, resource: str, item: Document, kind: str = "MODIFIED") -> Document:
        """Write an object, whatever is there."""
        with self._changed:
            self._version += 1
            item["metadata"]["resourceVersion"] = str(self._version)
            self.objects[resource][item["metadata"]["name"]] = item
            self._changes.append((resource, kind, json.loads(json.dumps(item))))
            self._changed.notify_all()
            return item

    def forget_changes(self) -> None:
        """Those who watch from an old version are told that it is too old."""
        with self._changed:
            self.oldest = self._version

    def node(self, name: str, *subnets: str, address: str) -> None:
        """Add a node with its subnets."""
        self.put(
            "nodes",
            {
                "apiVersion": "v1",
                "kind": "Node",
                "metadata": {"name": name},
                "spec": {"podCIDR": subnets[0], "podCIDRs": list(subnets)},
                "status": {
                    "addresses": [{"type": "InternalIP", "address": address}],
                    "nodeInfo": {**dict.fromkeys(NODE_INFO, ""), "bootID": f"boot-of-{name}"},
                },
            },
        )

    def listed(self, resource: str, labels: dict[str, str]) -> Document:
        """All that have these labels."""
        with self._changed:
            items = [each for each in self.objects[resource].values() if _has(each, labels)]
            return {"metadata": {"resourceVersion": str(self._version)}, "items": items}

    def write(self, method: str, resource: str, name: str, item: Document) -> tuple[int, Document]:
        """Return a new object, or a changed one."""
        with self._changed:
            name = name or item["metadata"]["name"]
            known = self.objects[resource].get(name)
            if method == "POST":
                return (
                    (409, _status(409, "already exists"))
                    if known
                    else (201, self.put(resource, item, "ADDED"))
                )
            if known is None:
                return 404, _status(404, "not found")
            if item["metadata"].get("resourceVersion") != known["metadata"]["resourceVersion"]:
                return 409, _status(409, "the object has been modified")
            return 200, self.put(resource, item)

    def changes(
        self, resource: str, labels: dict[str, str], since: int, seconds: float
    ) -> Iterator[Document]:
        """Events after a version, until the time is over."""
        if since < self.oldest:
            yield {"type": "ERROR", "object": _status(410, "too old resource version")}
            return
        end = time.monotonic() + seconds / self.hurry
        at = 0
        while time.monotonic() < end and not self.is_down:
            with self._changed:
                news = self._changes[at:]
                at = len(self._changes)
                if not news:
                    self._changed.wait(0.1 / self.hurry)
            for kind_of, kind, item in news:
                is_new = int(item["metadata"]["resourceVersion"]) > since
                if is_new and kind_of == resource and _has(item, labels):
                    yield {"type": kind, "object": item}


@contextmanager
def serving(address: str = "127.0.0.1") -> Iterator[ApiServer]:
    """One that answers."""
    state = ApiServer()
    server = _Server(state, address)
    state.url = f"http://{address}:{server.server_port}"
    with answering(server):
        try:
            yield state
        finally:
            state.is_down = True


class _Handler(BaseHTTPRequestHandler):
    """One request, answered from the state that its server has."""

    server: "_Server"
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        resource, name, query = self._asked()
        if not self._is_allowed():
            self._answer(401, _status(401, "Unauthorized"))
        elif name:
            found = self.server.state.objects[resource].get(name)
            self._answer(*((200, found) if found else (404, _status(404, "not found"))))
        elif "watch" in query:
            self._stream(resource, query)
        else:
            self._answer(200, self.server.state.listed(resource, _labels(query)))

    def do_POST(self) -> None:
        self._write("POST")

    def do_PUT(self) -> None:
        self._write("PUT")

    def _write(self, method: str) -> None:
        resource, name, _query = self._asked()
        item = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        refused = (401, _status(401, "Unauthorized"))
        write = self.server.state.write
        self._answer(*(write(method, resource, name, item) if self._is_allowed() else refused))

    def _is_allowed(self) -> bool:
        token = self.server.state.token
        return not token or self.headers["Authorization"] == f"Bearer {token}"

    def _asked(self) -> tuple[str, str, dict[str, list[str]]]:
        parts = urlsplit(self.path)
        query = parse_qs(parts.query)
        words = parts.path.strip("/").split("/")
        at = next(i for i, word in enumerate(words) if word in self.server.state.objects)
        resource, name = words[at], "/".join(words[at + 1 :])
        verb = VERBS[self.command]
        if verb == "get" and not name:
            verb = "watch" if "watch" in query else "list"
        self.server.state.asked.add((verb, resource))
        return resource, name, query

    def _answer(self, status: int, document: Document) -> None:
        if self.server.state.is_down:
            status, document = 503, _status(503, "no leader")
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _stream(self, resource: str, query: dict[str, list[str]]) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Connection", "close")
        self.end_headers()
        since, seconds = int(query["resourceVersion"][0]), float(query["timeoutSeconds"][0])
        try:
            for event in self.server.state.changes(resource, _labels(query), since, seconds):
                self.wfile.write(json.dumps(event, ensure_ascii=False).encode() + b"\n")
                self.wfile.flush()
        except OSError:
            pass
        self.close_connection = True

    def log_message(self, *_: object) -> None:
        """Nothing."""


class _Server(ThreadingHTTPServer):
    """One that knows all objects."""

    daemon_threads = True

    def __init__(self, state: ApiServer, address: str) -> None:
        super().__init__((address, 0), _Handler)
        self.state = state

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of clients that do not wait for their answer."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


def kubeconfig(server: ApiServer, directory: Path, **user: object) -> str:
    """Return a file that leads to it, with these credentials."""
    document = {
        "clusters": [{"name": "c", "cluster": {"server": server.url}}],
        "users": [{"name": "u", "user": user}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "x",
    }
    file = directory / "kubeconfig"
    file.write_text(json.dumps(document))
    return str(file)


def _labels(query: dict[str, list[str]]) -> dict[str, str]:
    text = query.get("labelSelector", [""])[0]
    return dict(each.split("=", 1) for each in text.split(",") if each)


def _has(item: Document, labels: dict[str, str]) -> bool:
    own = item["metadata"].get("labels") or {}
    return all(own.get(key) == value for key, value in labels.items())


def _status(code: int, message: str) -> Document:
    return {"kind": "Status", "apiVersion": "v1", "code": code, "message": message}
