"""What Prometheus reads of an agent that has not seen anything yet, over real HTTP."""

from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest

from cni_bridge.cluster import metrics
from cni_bridge.cluster.agent import Agent, Identity
from cni_bridge.cluster.etcd import Etcd
from cni_bridge.lean.record import replace
from tests.unit.cluster import views


def test_an_agent_tells_how_it_is(tmp_path: Path) -> None:
    settings = replace(views.settings(), state_dir=str(tmp_path), endpoints=("http://127.0.0.1:1",))
    agent = Agent(settings, Etcd(settings), Identity(id="me", name="me"))
    server = metrics.serve(agent, "127.0.0.1", 0)
    there = f"http://127.0.0.1:{server.server_port}"
    try:
        with urlopen(f"{there}/metrics", timeout=5) as answer:
            text = answer.read().decode()
        with pytest.raises(HTTPError, match="503") as refusal:
            urlopen(f"{there}/readyz", timeout=5)
        assert refusal.value.read() == b"connecting to the store\n"
    finally:
        server.shutdown()
        server.server_close()
    assert 'cni_bridge_cluster_store_errors_total{network="testnet"} 0.0' in text
    assert 'cni_bridge_cluster_own_blocks{network="testnet"} 0.0' in text
