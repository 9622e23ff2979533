"""A cluster: a control plane and nodes on one link, and what is asked of pods.

control 192.0.2.100 ─┬─ below
n1      192.0.2.1   ─┤
n2      192.0.2.2   ─┘
"""

import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from tests.kubernetes import images
from tests.kubernetes.control import POD_NETWORKS, Control, Document
from tests.kubernetes.node import Node
from tests.kubernetes.surroundings import Place, Surroundings, wait_for

ADDRESSES = ("192.0.2.100/24", "2001:db8::100/64")
PODS_S = 120  # until some pods run
LINK = """
ip link add below type bridge
ip link set below up
sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
for each; do ip address add "$each" dev below nodad; done
"""


class Cluster:
    """All of it; `nodes` are by their numbers."""

    def __init__(
        self, control: Control, nodes: dict[int, Node], archives: tuple[Path, ...]
    ) -> None:
        self.control = control
        self.nodes = nodes
        self.archives = archives

    def wait_until_ready(self, seconds: float = 90) -> float:
        """Return the seconds until all nodes are ready."""
        nodes = self.nodes.values()
        return wait_for(
            lambda: all(each.is_ready() for each in nodes),
            seconds,
            lambda: [(each.condition(), each.log("kubelet")[-500:]) for each in nodes],
        )

    # ------------------------------------------------------------ pods

    def pods(self, app: str = "") -> list[Document]:
        """Return all pods of the default namespace, or of one app."""
        chosen = ("-l", f"app={app}") if app else ()
        found: list[Document] = self.control.get("pods", *chosen)["items"]
        return found

    def start(self, *documents: Document, seconds: float = PODS_S) -> float:
        """Create pods and return the seconds until all run."""
        self.control.apply(*documents)
        names = {each["metadata"]["name"] for each in documents if each["kind"] == "Pod"}
        return self.wait_for_pods(len(names), names=names, seconds=seconds)

    def wait_for_pods(
        self, count: int, app: str = "", *, names: set[str] | None = None, seconds: float = PODS_S
    ) -> float:
        """Return the seconds until so many pods run, and no others exist."""

        def run() -> bool:
            found = [
                each
                for each in self.pods(app)
                if names is None or each["metadata"]["name"] in names
            ]
            return len(found) == count == sum(map(_is_ready, found))

        return wait_for(run, seconds, lambda: self._troubles())

    def delete(self, *words: str, app: str = "", seconds: float = PODS_S) -> float:
        """Delete objects and return the seconds until no pod is left."""
        self.control.kubectl("delete", *words, "--wait=false")
        return wait_for(lambda: not self.pods(app), seconds, lambda: self._troubles())

    def scale(self, app: str, replicas: int) -> None:
        """Change the number of a deployment's pods."""
        self.control.kubectl("scale", "deployment", app, f"--replicas={replicas}")

    def addresses(self, app: str = "") -> dict[str, list[str]]:
        """Return the addresses of each pod, IPv4 first."""
        return {
            each["metadata"]["name"]: [one["ip"] for one in each["status"].get("podIPs", ())]
            for each in self.pods(app)
        }

    def execute(self, pod: str, *words: str) -> "subprocess.CompletedProcess[str]":
        """Run a command in a pod."""
        return self.control.here.attempt("kubectl", "exec", pod, "--", *words)

    def silent(self, pairs: list[tuple[str, str]]) -> list[tuple[str, str]]:
        """Return the pairs of a pod and an address that gets no answer to its pings."""
        ping = ("ping", "-c", "1", "-W", "3")
        return [(pod, ip) for pod, ip in pairs if self.execute(pod, *ping, ip).returncode]

    def assert_all_reach_each_other(self) -> None:
        """Every pod pings every other one, at each of its addresses."""
        known = self.addresses()
        pairs = [
            (one, ip) for one in known for other in known if other != one for ip in known[other]
        ]
        assert not self.silent(pairs), known

    def seen(self, pod: str, address: str, port: int = 80) -> str:
        """Return the address by which a web server sees a pod; empty if it does not answer."""
        told = self.execute(pod, "timeout", "5", "wget", "-q", "-O", "-", url(address, port)).stdout
        return told.strip().strip("[]").removeprefix("::ffff:")

    def answers(self, place: Surroundings, address: str, port: int) -> bool:
        """Whether a web server answers a machine."""
        asked = ("curl", "-gsSf", "-m", "5", url(address, port))
        return place.attempt(*asked).returncode == 0

    def _troubles(self) -> object:
        events = self.control.get("events", "--field-selector", "type=Warning")["items"]
        states = [(each["metadata"]["name"], each["status"].get("phase")) for each in self.pods()]
        logs = [each.log("kubelet")[-1500:] for each in self.nodes.values()]
        return states, [each["message"][:300] for each in events][-5:], logs


def url(address: str, port: int = 80) -> str:
    """Return the page that tells a client its address."""
    host = f"[{address}]" if ":" in address else address
    return f"http://{host}:{port}/cgi-bin/seen"


def pod(name: str, node: int, *ports: Document, **labels: str) -> Document:
    """Return a web server on a node, with these ports."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {"app": "web", **labels}},
        "spec": {"nodeName": f"n{node}", **_spec(*ports)},
    }


def published(host_port: int, port: int = 80, protocol: str = "TCP") -> Document:
    """Return a port of a pod."""
    return {"containerPort": port, "hostPort": host_port, "protocol": protocol}


def deployment(name: str, replicas: int) -> Document:
    """Return web servers wherever the scheduler puts them."""
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": name}},
            "template": {"metadata": {"labels": {"app": name}}, "spec": _spec()},
        },
    }


def service(name: str, selector: dict[str, str], node_port: int = 0) -> Document:
    """Return a Service of both families."""
    port: dict[str, Any] = {"port": 80, "targetPort": 80}
    kind = {"type": "NodePort"} if node_port else {}
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name},
        "spec": {
            "selector": selector,
            "ipFamilyPolicy": "RequireDualStack",
            "ports": [port | ({"nodePort": node_port} if node_port else {})],
            **kind,
        },
    }


def _spec(*ports: Document) -> Document:
    container = {"name": "web", "image": images.WEB, "imagePullPolicy": "Never"}
    return {
        "containers": [container | ({"ports": list(ports)} if ports else {})],
        "terminationGracePeriodSeconds": 1,
        "enableServiceLinks": False,
        "automountServiceAccountToken": False,
        "dnsPolicy": "Default",
    }


def _is_ready(found: Document) -> bool:
    status = found["status"]
    return status.get("phase") == "Running" and all(
        each.get("ready") for each in status.get("containerStatuses", ())
    )


@contextmanager
def cluster(
    count: int, write: Callable[[Path], tuple[Path, ...]] = images.write_all
) -> Iterator[Cluster]:
    """Yield a control plane and machines, on which nothing of Kubernetes runs yet but containerd."""
    with ExitStack() as ended:
        directory = Path(ended.enter_context(tempfile.TemporaryDirectory(prefix="kubernetes-")))
        subprocess.run(("mount", "-t", "tmpfs", "tmpfs", directory), check=True)
        ended.callback(subprocess.run, ("umount", "-l", directory))
        archives = write(directory / "images")
        below = Place("control", directory / "control")
        ended.callback(below.close)
        below.run("sh", "-euc", LINK, "sh", *ADDRESSES)
        control = Control(below, ADDRESSES[0].partition("/")[0])
        control.start_api_server(control.start_etcd())
        control.start_controllers()
        nodes = {}
        for number in range(1, count + 1):
            nodes[number] = node = Node(number, control, below, directory / f"n{number}")
            ended.callback(node.close)
            node.install()
            node.start_containerd(archives)
        yield Cluster(control, nodes, archives)


def start_nodes(made: Cluster, *, proxy: bool) -> None:
    """Start kubelets, and kube-proxy if wanted."""
    for node in made.nodes.values():
        node.start_kubelet()
        if proxy:
            node.start_proxy(POD_NETWORKS)
