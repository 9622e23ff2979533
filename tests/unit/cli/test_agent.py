import fcntl
import threading
from pathlib import Path

import pytest

from cni_bridge.cli import agent
from cni_bridge.cluster import snapshot
from cni_bridge.errors import TryAgainLater

NETWORK = "pods"


def test_a_second_agent_of_a_network_is_refused(tmp_path: Path) -> None:
    with (
        agent.alone(str(tmp_path), NETWORK),
        pytest.raises(TryAgainLater, match="another agent of pods"),
        agent.alone(str(tmp_path), NETWORK),
    ):
        pass


def test_an_agent_begins_while_somebody_asks_whether_one_runs(tmp_path: Path) -> None:
    asked = snapshot.lock_path(str(tmp_path), NETWORK)
    with asked.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_SH)
        ending = threading.Timer(0.1, fcntl.flock, (file, fcntl.LOCK_UN))
        ending.start()
        with agent.alone(str(tmp_path), NETWORK):
            assert snapshot.is_served(str(tmp_path), NETWORK)
        ending.join()
