"""`python -m tests.kubernetes.e2e [ARRANGEMENT]...`: Kubernetes' own specs for networks, with this project's plugin and the reference's.

What they find is kept for docs/evidence/kubernetes.md. Each arrangement has a cluster of its own.
"""

import argparse
import json
import re
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from tests.kubernetes import dns, e2e_images, images
from tests.kubernetes.cluster import Cluster, cluster
from tests.kubernetes.control import POD_NETWORKS
from tests.kubernetes.node import Node
from tests.kubernetes.programs import DIRECTORY, PEERS
from tests.lab import ROOT
from tests.runtimes.enclosure import is_inside, run_inside

RESULTS = Path(__file__).with_name("e2e.json")
LOGS = ROOT / ".cache/e2e"
# Not what needs a cloud or hours, or disturbs other specs. A feature that is off by default is a Feature.
OF_NETWORKS = "[sig-network]"
LABELS = ("Slow", "Serial", "Disruptive", "Flaky")
FEATURE = "Feature:IPv6DualStack"
FILTER = " && ".join(
    ("sig-network", *(f"!{each}" for each in LABELS), "Feature: isSubsetOf {IPv6DualStack}")
)
SKIP = "LoadBalancer|SCTP|GCE"
ZONE = "topology.kubernetes.io/zone"
KUBECONFIG = "/etc/cni-bridge/kubeconfig"
LIMIT_S = 3600
AT_A_TIME = 6  # specs mostly wait
# Of the tests of runtimes those about networks.
OF_RUNTIMES = "should support networking|portforward in|HostNetwork|POD network"


@dataclass(frozen=True)
class Arrangement:
    """So many nodes, and what makes their network."""

    nodes: int
    set_up: Callable[[Node], None]


def as_page(node: Node) -> None:
    """Set up the network of docs/runtimes/kubernetes.md."""
    node.configure_as_page()


def as_example(node: Node) -> None:
    """Set up the network of docs/cluster-kubernetes.md, whose agents learn the podCIDRs."""
    node.do("cluster-kubernetes.md")
    node.configure_as_example("pods-node-ranges", kubeconfig=KUBECONFIG)
    node.start_agent()


def as_reference(node: Node) -> None:
    """Set up the reference's chain, with routes to the other nodes, to which pods keep their addresses."""
    others = [
        each for each in node.control.get("nodes")["items"] if each["metadata"]["name"] != node.name
    ]
    for other in others:
        addresses = [
            each["address"] for each in other["status"]["addresses"] if each["type"] == "InternalIP"
        ]
        for subnet, address in zip(other["spec"]["podCIDRs"], addresses, strict=True):
            node.run("ip", "route", "replace", subnet, "via", address)
    for name in ("bridge", "host-local", "portmap"):
        node.run("cp", PEERS / name, "/opt/cni/bin/")
    bridge = {
        "type": "bridge",
        "bridge": "pods0",
        "isDefaultGateway": True,
        "hairpinMode": True,
        "ipMasq": not others,
        "ipam": {
            "type": "host-local",
            "ranges": [[{"subnet": each}] for each in node.pod_subnets()],
        },
    }
    portmap = {"type": "portmap", "capabilities": {"portMappings": True}}
    conflist = {"cniVersion": "1.0.0", "name": "pods", "plugins": [bridge, portmap]}
    node.write("/etc/cni/net.d/10-pods.conflist", json.dumps(conflist))


ARRANGEMENTS = {
    "cni-bridge, one node": Arrangement(1, as_page),
    "reference, one node": Arrangement(1, as_reference),
    "cni-bridge, three nodes": Arrangement(3, as_example),
    "reference, three nodes": Arrangement(3, as_reference),
}


def main() -> int:
    """Run the arrangements that are asked for, inside an enclosure."""
    parser = argparse.ArgumentParser(prog="python -m tests.kubernetes.e2e", description=__doc__)
    parser.add_argument("arrangements", nargs="*", default=list(ARRANGEMENTS))
    parser.add_argument(
        "--focus", default="", help="only specs whose names match; others keep their outcomes"
    )
    parser.add_argument("--procs", default=str(AT_A_TIME), help="specs at a time")
    asked = parser.parse_args()
    if not is_inside():
        return run_inside("-m", "tests.kubernetes.e2e", *sys.argv[1:])
    for name in asked.arrangements:
        _run(name, asked.focus, asked.procs)
    return 0


def _run(name: str, focus: str, procs: str) -> None:
    arrangement = ARRANGEMENTS[name]
    with cluster(arrangement.nodes, _images) as made:
        start(made, arrangement)
        keep(name, run_specs(made, name, focus, procs), is_part=bool(focus))
        if arrangement.nodes == 1:
            keep(f"{name}: critest", run_critest(made.nodes[1]))


def start(made: Cluster, arrangement: Arrangement) -> None:
    """Start the nodes, each in a zone of its own, their network, cluster DNS, and routes to pods on the control plane, which is no node."""
    for node in made.nodes.values():
        node.start_kubelet("--cluster-dns", dns.ADDRESS, "--cluster-domain", dns.DOMAIN)
    for node in made.nodes.values():
        node.pod_subnets()
        made.control.kubectl("label", "node", node.name, f"{ZONE}=zone-{node.number}")
        node.start_proxy(POD_NETWORKS)
    for node in made.nodes.values():
        arrangement.set_up(node)
        _route(made, node)
    made.wait_until_ready()
    made.control.apply(*dns.documents())
    made.control.kubectl(
        "-n", "kube-system", "rollout", "status", "deployment/coredns", timeout=180
    )


def run_specs(made: Cluster, name: str, focus: str, procs: str) -> Path:
    """Run Kubernetes' specs and return ginkgo's report."""
    output = LOGS / name.replace(", ", "-").replace(" ", "-")
    output.mkdir(parents=True, exist_ok=True)
    words = (
        *("env", "--chdir", output, "ginkgo", "--no-color", "--timeout=24h", "--procs", procs),
        *("--label-filter", FILTER, "--skip", SKIP, *(("--focus", focus) if focus else ())),
        *("--output-dir", output, "--json-report", "report.json", DIRECTORY / "e2e.test", "--"),
        *("--provider", "skeleton", "--kubeconfig", made.control.keys.file("admin.conf")),
        *("--repo-root", e2e_images.SOURCE, "--kubectl-path", DIRECTORY / "kubectl"),
        *("--allowed-not-ready-nodes", "0", "--num-nodes", str(len(made.nodes))),
        *("--report-dir", output, "--disable-log-dump"),
    )
    with (output / "log").open("w") as log:
        made.control.here.attempt(*words, timeout=LIMIT_S, output=log)
    return output / "report.json"


def run_critest(node: Node) -> Path:
    """Run the tests of runtimes, without a kubelet, which would delete their pods."""
    node.stop("kubelet")
    report = node.directory / "critest.json"
    busybox, server = (e2e_images.names()[each] for each in ("BusyBox", "Nginx"))
    list_of_images = {"defaultTestContainerImage": busybox, "webServerTestImage": server}
    node.write("/run/images.json", json.dumps(list_of_images))
    words = ("--ginkgo.focus", OF_RUNTIMES, "--ginkgo.json-report", report, "--ginkgo.no-color")
    socket = node.environment["CONTAINER_RUNTIME_ENDPOINT"]
    LOGS.mkdir(parents=True, exist_ok=True)
    with (LOGS / "critest.log").open("w") as log:
        node.attempt(
            *(
                "env",
                "--chdir",
                node.directory,
                "critest",
                "--runtime-endpoint",
                socket,
                "--test-images-file",
                "/run/images.json",
            ),
            *words,
            timeout=LIMIT_S,
            output=log,
        )
    return report


def keep(name: str, report: Path, *, is_part: bool = False) -> None:
    """Write down what became of each spec that was chosen, and how many others there are, by what they need."""
    specs: dict[str, tuple[str, str]] = {}
    others: Counter[str] = Counter()
    seconds = 0.0
    for suite in json.loads(report.read_text()):
        seconds += suite["RunTime"] / 1e9
        for each in suite["SpecReports"] or ():
            spec = " ".join([*(each["ContainerHierarchyTexts"] or ()), each["LeafNodeText"]])
            if each["LeafNodeType"] != "It" and each["State"] != "passed":
                specs[spec or each["LeafNodeType"]] = (each["State"], _why(each))
            elif each["LeafNodeType"] == "It" and (
                each["RunTime"] or each["State"] not in ("skipped", "pending")
            ):
                specs[spec] = (each["State"], _why(each))
            elif OF_NETWORKS in spec:
                others[_need(spec, each)] += 1
    known = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    date = {"date": time.strftime("%Y-%m-%d", time.gmtime()), "minutes": round(seconds / 60, 1)}
    if is_part:
        specs = {each: tuple(told) for each, told in known[name]["specs"].items()} | specs
        date["minutes"] += known[name]["minutes"]
        others = known[name]["others"]
    known[name] = date | {"specs": dict(sorted(specs.items())), "others": others}
    RESULTS.write_text(json.dumps(known, indent=2) + "\n")
    print(f"{name}: {Counter(state for state, _ in specs.values())}", flush=True)
    print(*(f"  {spec}: {told}" for spec, told in specs.items() if told[1]), sep="\n", flush=True)


def _why(report: dict[str, Any]) -> str:
    """Return the first line of what a spec says that has not passed."""
    message: str = report.get("Failure", {}).get("Message", "")
    return message.partition("\n")[0][:200]


def _need(spec: str, report: dict[str, Any]) -> str:
    """Return for what a spec was not chosen: what its name needs, or else a label."""
    if found := re.search(SKIP, spec):
        return found[0]
    above = (each or () for each in report["ContainerHierarchyLabels"] or ())
    labels = [*(report["LeafNodeLabels"] or ()), *chain(*above)]
    unwanted = [each for each in labels if each.startswith("Feature:") and each != FEATURE]
    unwanted += [each for each in labels if each in LABELS]
    return unwanted[0] if unwanted else "did not begin"


def _images(directory: Path) -> tuple[Path, ...]:
    return images.write_all(directory) + e2e_images.write_all(directory / "specs")


def _route(made: Cluster, node: Node) -> None:
    """Make the pods of a node reachable from the control plane."""
    for subnet, address in zip(node.pod_subnets(), node.addresses, strict=True):
        made.control.here.run("ip", "route", "replace", subnet, "via", address)


if __name__ == "__main__":
    sys.exit(main())
