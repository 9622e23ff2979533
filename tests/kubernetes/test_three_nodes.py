"""Three nodes whose subnets Kubernetes assigns ("ranges": "node"), with the agent as a service and kube-proxy."""

import functools
import signal
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
from tests.kubernetes.node import Node
from tests.kubernetes.surroundings import wait_for

NODES = (1, 2, 3)
STORM = 24
KUBECONFIG = "/etc/cni-bridge/kubeconfig"


@pytest.fixture(scope="module")
def made() -> Iterator[Cluster]:
    """Yield three nodes, set up as docs/cluster-kubernetes.md tells."""
    with cluster(len(NODES)) as found:
        start_nodes(found, proxy=True)
        for node in found.nodes.values():
            node.do("cluster-kubernetes.md")
            node.configure_as_example("pods-node-ranges", kubeconfig=KUBECONFIG)
            node.start_agent()
        found.wait_until_ready()
        yield found


@pytest.fixture
def nodes(made: Cluster) -> Iterator[Cluster]:
    """Yield the cluster; afterwards no pod may be there, nor anything of one."""
    yield made
    made.delete("deployments,services,pods", "--all", "--grace-period=1")
    for node in made.nodes.values():
        node.assert_nothing_left()


def test_pods_reach_each_other_by_their_own_addresses(nodes: Cluster) -> None:
    nodes.start(*(pod(f"{letter}{number}", number) for letter in "ab" for number in NODES))
    nodes.assert_all_reach_each_other()
    known = nodes.addresses()
    for client, server in (("a1", "b2"), ("a2", "b3"), ("a3", "b3")):
        for family in (0, 1):
            assert nodes.seen(client, known[server][family]) == known[client][family]
    for number, node in nodes.nodes.items():
        assert "outside of cluster.network" not in node.log("agent")
        inside = [f"{ip}/" for ip in known[f"a{number}"]]
        subnets = node.pod_subnets()
        assert inside[0].rpartition(".")[0] == subnets[0].rpartition(".")[0]


def test_host_ports_answer_from_everywhere(nodes: Cluster) -> None:
    udp = published(5353, 53, "UDP")
    nodes.start(pod("p1", 1, published(8080), udp), pod("p2", 2, published(8080)), pod("q", 3))
    for number in (1, 2):
        for address in nodes.nodes[number].addresses:
            assert nodes.answers(nodes.control.here, address, 8080)
            assert nodes.answers(nodes.nodes[3], address, 8080)
            assert nodes.seen("q", address, 8080)


def test_services_lead_to_every_node_and_keep_pods_addresses(nodes: Cluster) -> None:
    nodes.start(
        *(pod(f"server{number}", number, service="web") for number in NODES),
        *(pod(f"client{number}", number) for number in NODES),
    )
    nodes.control.apply(service("web", {"service": "web"}, 30080))
    known = nodes.addresses()
    virtual = nodes.control.get("service", "web")["spec"]["clusterIPs"]
    for family, address in enumerate(virtual):
        for number in NODES:
            client = f"client{number}"
            wait_for(functools.partial(nodes.seen, client, address), 30)
            # One in three is on the client's own node.
            assert {nodes.seen(client, address) for _ in range(12)} == {known[client][family]}
            assert all(nodes.seen(f"server{number}", address) for _ in range(9)), "no hairpin"
        for node in nodes.nodes.values():
            assert nodes.answers(nodes.control.here, node.addresses[family], 30080)
            assert nodes.answers(node, address, 80)


def test_a_node_that_is_deleted_loses_its_routes_and_comes_back_with_another_subnet(
    nodes: Cluster,
) -> None:
    gone, other = nodes.nodes[3], nodes.nodes[1]
    subnet = gone.pod_subnets()[0]
    wait_for(lambda: subnet in other.run("ip", "route"), 30)
    gone.stop("kubelet")
    nodes.control.kubectl("delete", "node", "n3")
    wait_for(lambda: subnet not in other.run("ip", "route"), 20)
    taken = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n9"}}
    nodes.control.apply(taken)
    wait_for(lambda: nodes.control.get("node", "n9")["spec"].get("podCIDRs"), 30)
    gone.start_again("kubelet")
    assert gone.pod_subnets()[0] != subnet
    nodes.wait_until_ready()
    nodes.control.kubectl("delete", "node", "n9")
    nodes.start(pod("r1", 1), pod("r3", 3))
    nodes.assert_all_reach_each_other()
    assert subnet.replace(".0/24", ".1/") not in gone.run("ip", "address")


def test_the_agents_outlive_the_api_server(nodes: Cluster) -> None:
    nodes.start(pod("s1", 1), pod("s2", 2))
    for number in (signal.SIGTERM, signal.SIGKILL):
        nodes.control.here.stop("kube-apiserver", number)
        nodes.control.here.start_again("kube-apiserver")
        nodes.control.wait_until_ready()
        for node in nodes.nodes.values():
            wait_for(functools.partial(_is_heard, node), 60)
    nodes.wait_until_ready()
    nodes.start(pod("s3", 3))
    nodes.assert_all_reach_each_other()
    assert all("Traceback" not in node.log("agent") for node in nodes.nodes.values())


def test_many_pods_come_and_go(nodes: Cluster) -> None:
    nodes.control.apply(deployment("storm", STORM))
    nodes.wait_for_pods(STORM, "storm", seconds=200)
    addresses = [ip for some in nodes.addresses("storm").values() for ip in some]
    assert len(set(addresses)) == 2 * STORM


def test_pod_cidrs_outside_of_the_network_are_reported(nodes: Cluster) -> None:
    node = nodes.nodes[1]
    node.configure_as_example("pods-node-ranges", kubeconfig=KUBECONFIG, network6="")
    node.stop("agent")
    node.start_again("agent")
    wait_for(lambda: "podCIDRs are outside of cluster.network" in node.log("agent"), 30)
    assert "podCIDRs are outside" in node.attempt("cni-bridge", "doctor").stdout.replace("\n", " ")
    node.configure_as_example("pods-node-ranges", kubeconfig=KUBECONFIG)
    node.stop("agent")
    node.start_again("agent")
    nodes.wait_until_ready()


def _is_heard(node: Node) -> bool:
    """Return whether the node's agent hears the API server."""
    metrics = node.attempt("curl", "-sf", "-m", "5", "http://127.0.0.1:9468/metrics").stdout
    return 'store_up{network="pods"} 1.0' in metrics
