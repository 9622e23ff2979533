"""The agents as a DaemonSet with the shipped manifests: blocks in Leases, tunnels between two nodes."""

import time
from collections.abc import Iterator

import pytest
import yaml

from tests.kubernetes.cluster import Cluster, cluster, pod, start_nodes
from tests.kubernetes.control import RBAC
from tests.kubernetes.images import AGENT
from tests.kubernetes.surroundings import wait_for
from tests.lab import ROOT

MANIFEST = ROOT / "conf/kubernetes/agent.yaml"
OURS = ("-n", "cni-bridge")


@pytest.fixture(scope="module")
def made() -> Iterator[Cluster]:
    """Yield two nodes with the DaemonSet, whose image alone is another one."""
    with cluster(2) as found:
        start_nodes(found, proxy=True)
        for node in found.nodes.values():
            node.configure_as_example("pods")
            # A pod's /proc is not this place's: its agent sees the machine's boot id.
            node.run("umount", "/proc/sys/kernel/random/boot_id")
        deploy(found)
        found.wait_until_ready(120)
        found.start(pod("p1", 1), pod("p2", 2))
        yield found


def deploy(made: Cluster) -> None:
    """Apply the manifests."""
    manifest = yaml.safe_load(MANIFEST.read_text())
    (container,) = manifest["spec"]["template"]["spec"]["containers"]
    container["image"] = AGENT
    made.control.kubectl("apply", "-f", RBAC)
    made.control.apply(manifest)
    wait_for(lambda: _ready(made) == 2, 90, lambda: made.control.kubectl("get", "pods", *OURS))


def test_pods_of_both_nodes_reach_each_other_through_the_tunnel(made: Cluster) -> None:
    made.assert_all_reach_each_other()
    assert "vxlan-" in made.nodes[1].run("ip", "route")


def test_a_rollout_disturbs_no_pod(made: Cluster) -> None:
    made.control.kubectl("rollout", "restart", "daemonset/agent", *OURS)
    status = ("rollout", "status", "daemonset/agent", *OURS, "--timeout=90s")
    assert "successfully" in made.control.kubectl(*status, timeout=100)
    made.assert_all_reach_each_other()


def test_each_block_is_its_hosts_again_after_all_leases_were_deleted(made: Cluster) -> None:
    before = blocks(made)
    made.control.kubectl("delete", "leases", "--all", *OURS)
    wait_for(lambda: before.items() <= blocks(made).items(), 60, lambda: (before, blocks(made)))
    made.assert_all_reach_each_other()


def test_pods_come_while_the_agents_may_not_ask(made: Cluster) -> None:
    made.control.kubectl("delete", "rolebinding", "agent", *OURS)
    time.sleep(5)
    made.start(pod("late", 1))
    made.control.kubectl("apply", "-f", RBAC)
    wait_for(lambda: _ready(made) == 2, 60)
    made.assert_all_reach_each_other()


def test_a_namespace_that_was_deleted_can_be_applied_again(made: Cluster) -> None:
    made.control.kubectl("delete", "namespace", "cni-bridge", timeout=120)
    made.assert_all_reach_each_other()
    deploy(made)
    made.start(pod("again", 2))
    made.assert_all_reach_each_other()
    made.delete("pods", "--all", "--grace-period=1")
    for node in made.nodes.values():
        node.assert_nothing_left()


def blocks(made: Cluster) -> dict[str, str]:
    """Return the holder of each block's Lease."""
    return {
        each["metadata"]["name"]: each["spec"]["holderIdentity"]
        for each in made.control.get("leases", *OURS)["items"]
        if "-block-" in each["metadata"]["name"] and each["spec"].get("holderIdentity")
    }


def _ready(made: Cluster) -> int:
    found = made.control.get("daemonset", "agent", *OURS)["status"]
    return int(found.get("numberReady", 0))
