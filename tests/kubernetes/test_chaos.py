"""No two hosts ever hold one block: the chaos of tests/cluster, with a real API server on three members of etcd."""

import os
import signal
from collections.abc import Callable
from pathlib import Path
from random import Random

from tests.cluster.test_agents_chaos import HOSTS, SCARCE, SEED, Chaos, endure
from tests.kubernetes.control import Control
from tests.kubernetes.surroundings import Surroundings
from tests.lab.agents import Nodes, nodes
from tests.lab.iproute import ip
from tests.lab.machines import BELOW

ADDRESS = "192.0.2.100"
SECONDS = float(os.environ.get("CHAOS_SECONDS", "120"))


class ChaosOfKubernetes(Chaos):
    """What can happen beside that."""

    def __init__(self, hosts: Nodes, random: Random, control: Control) -> None:
        super().__init__(hosts, random)
        self._control = control

    def kinds(self) -> tuple[Callable[[int], None], ...]:
        """Return all that, and what happens to the API server."""
        return (*super().kinds(), self.serve)

    def serve(self, _number: int) -> None:
        """Kill the API server, or end it, and start it again."""
        number = self._random.choice((signal.SIGKILL, signal.SIGTERM))
        self._control.here.stop("kube-apiserver", number)
        self._wait()
        self._control.here.start_again("kube-apiserver")
        self._control.wait_until_ready()


def test_no_two_hosts_hold_one_block_whatever_happens(tmp_path: Path) -> None:
    file = tmp_path / "keys/agent.conf"
    with nodes(HOSTS, store="kubernetes", kubeconfig=str(file), **SCARCE) as hosts:
        ip("link", "set", "lo", "up")
        ip("address", "add", f"{ADDRESS}/24", "dev", BELOW)
        here = Surroundings(tmp_path)
        try:
            control = Control(here, ADDRESS)
            control.start_api_server(tuple(hosts.store.endpoints))
            assert control.allow_agents() == str(file)
            happened = endure(hosts, ChaosOfKubernetes(hosts, Random(SEED), control), SECONDS)
        finally:
            here.close()
    assert len(happened) > SECONDS / 20
