"""Hosts whose store is a Kubernetes API server: agents as they are installed, packets that arrive."""

from pathlib import Path

from tests.cluster.apiserver import kubeconfig, serving
from tests.lab.agents import nodes
from tests.lab.iproute import ip
from tests.lab.machines import BELOW
from tests.lab.waiting import wait_until

SERVER = "192.0.2.200"


def test_containers_of_hosts_with_leases_in_kubernetes_reach_each_other(tmp_path: Path) -> None:
    given = {"store": "kubernetes", "kubeconfig": str(tmp_path / "kubeconfig"), "ttl": 5}
    with nodes(2, ipv6=False, **given) as hosts:
        ip("address", "add", f"{SERVER}/24", "dev", BELOW)
        with serving(SERVER) as server:
            kubeconfig(server, tmp_path)
            hosts.start()
            ours, theirs = hosts[1].container(), hosts[2].container()
            assert hosts.can_ping(1, ours, theirs) == [True]
            server.is_down = True
            wait_until(lambda: hosts[1].status().status != 0)
            assert hosts.can_ping(1, ours, theirs) == [True]
            server.is_down = False
            hosts.settle()
            assert hosts.can_ping(2, theirs, hosts[1].container()) == [True]
            for node in hosts.nodes.values():
                node.tidy()
