"""Network policies, which kube-network-policies applies beside the network of docs/runtimes/kubernetes.md.

It needs `nft_queue`. Where the kernel lacks that, iptables leads packets to its queue instead: all that its own rule would.
"""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.kubernetes import images
from tests.kubernetes.cluster import Cluster, cluster, pod, published, start_nodes
from tests.kubernetes.control import Document
from tests.kubernetes.node import Node
from tests.kubernetes.programs import DIRECTORY
from tests.kubernetes.surroundings import wait_for
from tests.runtimes.image import write_image

PROGRAM, IMAGE = "kube-network-policies", "localhost/kube-network-policies:1"
SOON_S = 60
PORT = 8080
QUEUE = "add rule inet try postrouting queue num 98"
TO_QUEUE = """
for each in iptables ip6tables; do
    add="$each -t mangle -A POSTROUTING"
    $add -p ipv6-icmp -j ACCEPT
    $add -m owner --uid-owner 0 -j ACCEPT
    $add -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT
    $add -j NFQUEUE --queue-num 98
done
"""


@pytest.fixture(scope="module")
def made() -> Iterator[Cluster]:
    """Yield one node with the controller as it comes, whose image alone is another one."""
    with cluster(1, _images) as found:
        start_nodes(found, proxy=True)
        node = found.nodes[1]
        node.configure_as_page()
        found.wait_until_ready()
        if not has_queue(node):
            node.run("sh", "-euc", TO_QUEUE)
        manifest = (DIRECTORY / f"{PROGRAM}.yaml").read_text()
        for each in filter(None, yaml.safe_load_all(manifest)):
            if each["kind"] == "DaemonSet":
                each["spec"]["template"]["spec"]["containers"][0]["image"] = IMAGE
            found.control.apply(each)
        rollout = ("rollout", "status", f"daemonset/{PROGRAM}", "-n", "kube-system")
        found.control.kubectl(*rollout, "--timeout=60s", timeout=70)
        yield found


def has_queue(node: Node) -> bool:
    """Whether the kernel lets nftables lead packets to a queue."""
    text = f"add table inet try\nadd chain inet try postrouting\n{QUEUE}\n"
    return node.attempt("nft", "--check", "-f", "-", text=text).returncode == 0


def policy(**spec: object) -> Document:
    """Return one for the guarded pods."""
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": "guard"},
        "spec": {"podSelector": {"matchLabels": {"app": "guarded"}}, **spec},
    }


def test_a_policy_decides_which_pods_and_clients_reach_a_pod(made: Cluster) -> None:
    friends = {"podSelector": {"matchLabels": {"app": "friend"}}}
    made.start(
        pod("guarded", 1, published(PORT), app="guarded"),
        pod("friend", 1, app="friend"),
        pod("other", 1),
    )
    node = made.nodes[1]
    guarded, friend = (made.addresses(each)[each] for each in ("guarded", "friend"))

    def reached(by: str, addresses: list[str]) -> list[bool]:
        return [bool(made.seen(by, each)) for each in addresses]

    def outside() -> list[bool]:
        return [made.answers(made.control.here, each, PORT) for each in node.addresses]

    everywhere, nowhere = [True, True], [False, False]
    assert [reached(each, guarded) for each in ("friend", "other")] == [everywhere] * 2
    assert outside() == everywhere
    made.control.apply(policy(policyTypes=["Ingress"], ingress=[{"from": [friends]}]))
    wait_for(lambda: reached("other", guarded) == nowhere, SOON_S)
    assert reached("friend", guarded) == everywhere
    assert outside() == nowhere
    made.control.apply(policy(policyTypes=["Egress"], egress=[]))
    wait_for(lambda: reached("guarded", friend) == nowhere, SOON_S)
    assert reached("other", guarded) == outside() == everywhere
    made.control.kubectl("delete", "networkpolicy", "guard")
    wait_for(lambda: reached("guarded", friend) == everywhere, SOON_S)
    made.delete("pods", "--all", "--grace-period=1")
    node.assert_nothing_left()


def _images(directory: Path) -> tuple[Path, ...]:
    made = images.write_all(directory)
    root = directory / PROGRAM
    (root / "bin").mkdir(parents=True)
    shutil.copy(DIRECTORY / PROGRAM, root / "bin/netpol")
    path = directory / f"{PROGRAM}.tar"
    write_image(root, path, IMAGE, ("/bin/netpol",))
    return (*made, path)
