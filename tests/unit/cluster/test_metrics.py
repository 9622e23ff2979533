"""What Prometheus reads of an agent that has not seen anything yet, over real HTTP."""

import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest

from cni_bridge.cluster import metrics
from cni_bridge.cluster.agent import Agent, Identity
from cni_bridge.cluster.etcd import Etcd
from cni_bridge.lean.record import replace
from tests.lab.waiting import wait_until
from tests.unit.cluster import views


@pytest.fixture
def port(tmp_path: Path) -> Iterator[int]:
    """Yield the port of an agent's metrics."""
    settings = replace(views.settings(), state_dir=str(tmp_path), endpoints=("http://127.0.0.1:1",))
    agent = Agent(settings, Etcd(settings), Identity(id="me", name="me"))
    server = metrics.serve(agent, "127.0.0.1", 0)
    yield server.server_port
    server.shutdown()
    server.server_close()


def test_an_agent_tells_how_it_is(port: int) -> None:
    with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
        text = answer.read().decode()
    with pytest.raises(HTTPError, match="503") as refusal:
        urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5)
    assert refusal.value.read() == b"connecting to the store\n"
    assert 'cni_bridge_cluster_store_errors_total{network="testnet"} 0.0' in text
    assert 'cni_bridge_cluster_own_blocks{network="testnet"} 0.0' in text
    assert 'cni_bridge_cluster_malformed_records_total{network="testnet"} 0.0' in text


def test_idle_connections_use_up_neither_threads_nor_descriptors(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metrics._Silent, "timeout", 0.5)
    before = threading.active_count()
    with ExitStack() as idle:
        for _ in range(40):
            idle.enter_context(socket.create_connection(("127.0.0.1", port), timeout=5))
        wait_until(lambda: threading.active_count() == before)
        with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
            assert answer.status == 200
