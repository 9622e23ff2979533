"""One node with the network of docs/runtimes/kubernetes.md: the kubelet's pods, ports, Services, and what goes wrong."""

import functools
import signal
import time
from collections.abc import Iterator

import pytest

from tests.kubernetes.cluster import (
    Cluster,
    cluster,
    deployment,
    pod,
    published,
    service,
    start_nodes,
)
from tests.kubernetes.node import CONFLIST, Node
from tests.kubernetes.surroundings import wait_for

MANY = 108  # of the 110 pods that a kubelet allows
STORM = 12


@pytest.fixture(scope="module")
def made() -> Iterator[Cluster]:
    """Yield one node, ready for pods."""
    with cluster(1) as found:
        start_nodes(found, proxy=True)
        found.nodes[1].configure_as_page()
        found.wait_until_ready()
        yield found


@pytest.fixture
def node(made: Cluster) -> Iterator[Node]:
    """Yield the node; afterwards no pod may be there, nor anything of one."""
    yield made.nodes[1]
    made.delete("deployments,services,pods", "--all", "--grace-period=1")
    made.nodes[1].assert_nothing_left()


def test_the_commands_of_the_pages_work(made: Cluster, node: Node) -> None:
    assert node.pod_subnets()[0] in node.do("runtimes/kubernetes.md")
    assert "8080" in node.do("runtimes/cri.md")


def test_pods_have_both_families_and_reach_each_other(made: Cluster, node: Node) -> None:
    made.start(pod("a", 1), pod("b", 1), pod("c", 1))
    assert all(len(each) == 2 for each in made.addresses().values())
    made.assert_all_reach_each_other()
    outside = [("a", "192.0.2.100"), ("a", "2001:db8::100")]  # which has no route to pods
    assert not made.silent(outside)
    assert made.execute("a", "hostname").stdout.strip() == "a"
    assert len(node.left_behind()) >= 3


def test_host_ports_answer_and_close_with_their_pod(made: Cluster, node: Node) -> None:
    made.start(pod("a", 1, published(8080)), pod("b", 1))
    outside = made.control.here
    for address in node.addresses:
        assert made.answers(outside, address, 8080)
        assert made.answers(node, address, 8080)
        assert made.seen("b", address, 8080)
        assert made.seen("a", address, 8080)
    assert made.answers(node, "127.0.0.1", 8080)
    made.delete("pod", "a", "b")
    assert not made.answers(outside, node.addresses[0], 8080)
    made.start(pod("a", 1, published(8080)))
    assert made.answers(outside, node.addresses[0], 8080)


def test_services_keep_a_pods_address_and_lead_back_to_itself(made: Cluster, node: Node) -> None:
    made.start(pod("client", 1, app="client"), pod("server", 1))
    made.control.apply(service("web", {"app": "web"}, 30080))
    spec = made.control.get("service", "web")["spec"]
    known = made.addresses()
    wait_for(lambda: made.seen("client", spec["clusterIP"]), 30)
    for family, virtual in enumerate(spec["clusterIPs"]):
        wait_for(functools.partial(made.seen, "client", virtual), 30)
        assert made.seen("client", virtual) == known["client"][family]
        assert made.seen("server", virtual), "no hairpin"
        assert made.answers(made.control.here, node.addresses[family], 30080)
        assert made.answers(node, virtual, 80)


def test_a_full_node_of_pods_comes_and_goes(made: Cluster, node: Node) -> None:
    made.control.apply(deployment("many", MANY))
    made.wait_for_pods(MANY, "many", seconds=240)
    addresses = [ip for some in made.addresses("many").values() for ip in some]
    assert len(set(addresses)) == 2 * MANY


def test_pods_that_are_deleted_in_the_middle_of_their_add_leave_nothing(
    made: Cluster, node: Node
) -> None:
    made.control.apply(deployment("storm", 0))
    for delay in (0.5, 1.0, 2.0):
        made.scale("storm", STORM)
        time.sleep(delay)
        made.scale("storm", 0)
    wait_for(lambda: not made.pods("storm"), 120)
    node.assert_nothing_left()


def test_pods_outlive_the_kubelet_and_containerd(made: Cluster, node: Node) -> None:
    made.control.apply(deployment("keep", 3))
    made.wait_for_pods(3, "keep")
    before = made.addresses("keep")
    for daemon, number in (
        ("kubelet", signal.SIGTERM),
        ("kubelet", signal.SIGKILL),
        ("containerd", signal.SIGTERM),
    ):
        node.stop(daemon, number)
        node.start_again(daemon)
        # A kubelet that starts without containerd ends, and nothing starts it again here.
        wait_for(node.has_a_kubelet, 60)
    made.start(pod("new", 1))
    assert made.addresses("keep") == before
    restarts = [
        each["restartCount"]
        for one in made.pods("keep")
        for each in one["status"]["containerStatuses"]
    ]
    assert restarts == [0] * 3


def test_containerd_is_killed_in_the_middle_of_adds(made: Cluster, node: Node) -> None:
    made.control.apply(deployment("crash", 0))
    for delay in (0.2, 0.8):
        made.scale("crash", STORM)
        wait_for(lambda: any(each.startswith("link") for each in node.left_behind()), 30)
        time.sleep(delay)
        node.stop("containerd", signal.SIGKILL)
        node.start_again("containerd")
        made.wait_for_pods(STORM, "crash", seconds=180)
        addresses = [some[0] for some in made.addresses("crash").values()]
        assert len(set(addresses)) == STORM
        made.scale("crash", 0)
        wait_for(lambda: not made.pods("crash"), 120)
        node.assert_nothing_left(120)


def test_the_node_says_what_is_wrong_with_the_network(made: Cluster, node: Node) -> None:
    good = node.run("cat", CONFLIST)
    for text, told in (
        ("{", "cni plugin not initialized"),
        (good.replace('"ipMasq": true', '"ipMasq": "yes"'), "ipMasq: expected true or false"),
        (
            good.replace(
                '"type": "cni-bridge",\n      "bridge"', '"type": "none",\n      "bridge"'
            ),
            "none",
        ),
    ):
        node.write(CONFLIST, text)
        wait_for(functools.partial(_says, node, told), 60, node.condition)
    node.write(CONFLIST, good)
    made.wait_until_ready()


def _says(node: Node, text: str) -> bool:
    return text in node.condition()[1]
