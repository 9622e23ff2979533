"""How long an agent waits between turns that fail: the store is spared, the membership is not lost."""

from pathlib import Path

import pytest

from cni_bridge.cluster.agent import LONGEST_PAUSE_S, Agent, Identity
from cni_bridge.cluster.etcd import Etcd
from cni_bridge.lean.record import replace
from tests.unit.cluster import views


@pytest.mark.parametrize("ttl", [2, 4, 86400])
def test_a_pause_leaves_time_to_renew(tmp_path: Path, ttl: int) -> None:
    nowhere = ("http://127.0.0.1:1",)
    settings = replace(views.settings(), state_dir=str(tmp_path), endpoints=nowhere, ttl=ttl)
    agent = Agent(settings, Etcd(settings), Identity(id="me", name="me"))
    for _ in range(12):
        agent.turn()
        assert 0 < agent.pause() <= min(LONGEST_PAUSE_S, ttl / 4)
