"""The agent's Prometheus metrics over HTTP, and whether this host is ready.

Read from the agent at each request; nothing is counted here.
"""

import socket
import threading
from collections.abc import Iterable, Iterator
from socketserver import ThreadingMixIn
from typing import TYPE_CHECKING, Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import CollectorRegistry, make_wsgi_app
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from cni_bridge.cluster.agent import Agent
from cni_bridge.ledger.blocks import now_ms

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

PREFIX = "cni_bridge_cluster_"
READY = "/readyz"
MOST_REQUESTS = 8  # at a time
REQUEST_S = 5  # until a silent connection is closed


def serve(agent: Agent, address: str, port: int) -> WSGIServer:
    """Answer at http://ADDRESS:PORT/metrics and /readyz, in threads of their own; returns their server.
    Raises OSError."""
    registry = CollectorRegistry()
    registry.register(Cluster(agent))
    metrics: WSGIApplication = make_wsgi_app(registry)

    def answer(asked: "WSGIEnvironment", start: "StartResponse") -> Iterable[bytes]:
        if asked["PATH_INFO"] != READY:
            return metrics(asked, start)
        status = "200 OK" if agent.is_ready() else "503 Service Unavailable"
        start(status, [("Content-Type", "text/plain; charset=utf-8")])
        return [f"{agent.status()}\n".encode()]

    kind = _Server6 if ":" in address else _Server
    server = make_server(address, port, answer, kind, _Silent)
    threading.Thread(target=server.serve_forever, name="metrics", daemon=True).start()
    return server


class _Server(ThreadingMixIn, WSGIServer):
    """A server with a few threads, so that idle connections cannot use up the agent's descriptors."""

    daemon_threads = True
    request_queue_size = 4 * MOST_REQUESTS

    def __init__(self, *arguments: Any) -> None:
        self._slots = threading.BoundedSemaphore(MOST_REQUESTS)
        super().__init__(*arguments)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Serve a request in a thread, or close its connection if too many are open."""
        if self._slots.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Serve a request, and make room for another one."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._slots.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Log nothing: clients may close or say nothing."""


class _Server6(_Server):
    address_family = socket.AF_INET6


class _Silent(WSGIRequestHandler):
    timeout = REQUEST_S

    def log_message(self, *_words: object) -> None:
        """Log nothing."""


class Cluster(Collector):
    """One agent's figures."""

    def __init__(self, agent: Agent) -> None:
        self._agent = agent

    def collect(self) -> Iterator[Metric]:
        """All of them, each with the network as its label."""
        network = [self._agent.settings.network]
        for name, text, value in (*self._of_ledger(), *self._of_cluster()):
            gauge = GaugeMetricFamily(PREFIX + name, text, labels=["network"])
            gauge.add_metric(network, value)
            yield gauge
        for name, text, count in self._counts():
            counter = CounterMetricFamily(PREFIX + name, text, labels=["network"])
            counter.add_metric(network, count)
            yield counter

    def _of_ledger(self) -> Iterator[tuple[str, str, float]]:
        rows = self._agent.books.rows
        yield "own_blocks", "Blocks that this host leases.", len(rows)
        yield "addresses", "Addresses of these blocks.", sum(row.size for row in rows)
        yield "addresses_used", "Addresses in use by containers.", sum(row.used for row in rows)

    def _of_cluster(self) -> Iterator[tuple[str, str, float]]:
        shot = self._agent.snapshot()
        if shot is None:
            return
        left = max(0, shot.until - now_ms()) / 1000
        yield "lease_seconds", "Seconds until the lease ends if it is not renewed.", left
        yield "store_up", "Whether the store can be reached.", float(not shot.error)
        yield "hosts", "Hosts that the store knows.", len(shot.view.hosts)
        yield "members", "Hosts that renew their membership.", len(shot.view.members)
        yield "blocks", "Blocks of all hosts.", len(shot.view.blocks)
        yield "lost_blocks", "Blocks in use here that another host leases.", len(shot.lost)
        yield "problems", "Problems that `cni-bridge doctor` reports.", len(shot.problems)
        if shot.skew is not None:
            yield "store_skew_seconds", "Seconds that the store's clock is ahead.", shot.skew

    def _counts(self) -> Iterator[tuple[str, str, int]]:
        counts = self._agent.counts
        yield "renewals", "Renewals of the membership.", counts.renewals
        yield "leases", "Blocks leased.", counts.leases
        yield "releases", "Blocks given back.", counts.releases
        yield "membership_losses", "Times that the membership of this host was lost.", counts.losses
        yield "store_errors", "Times that the store could not be reached.", counts.errors
        yield "malformed_records", "Malformed records found in the store.", counts.malformed
        yield "faults", "Turns of the agent that failed unexpectedly.", counts.faults
