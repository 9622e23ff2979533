"""`python -m tests.kubernetes.pods [ROUNDS]`: how long the kubelet takes for pods, with this project's plugin and the reference's.

Two nodes of one cluster take turns: on each, pods with a host port each are made at once, and deleted at once.
"""

import json
import statistics
import sys
import time
from pathlib import Path
from typing import Any

from tests.kubernetes.cluster import Cluster, cluster, pod, published, start_nodes
from tests.kubernetes.e2e import as_page, as_reference
from tests.runtimes.enclosure import is_inside, run_inside

RESULTS = Path(__file__).with_name("pods.json")
PODS = 20
FIRST_PORT = 20000
WAYS = {1: ("cni-bridge", as_page), 2: ("reference", as_reference)}


def main() -> int:
    """Measure, inside an enclosure, and write it down."""
    if not is_inside():
        return run_inside("-m", "tests.kubernetes.pods", *sys.argv[1:])
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    found: dict[str, Any] = {"date": time.strftime("%Y-%m-%d", time.gmtime()), "pods": PODS}
    times: dict[str, dict[str, list[float]]] = {
        name: {"up": [], "gone": []} for name, _ in WAYS.values()
    }
    loads = []
    with cluster(len(WAYS)) as made:
        start_nodes(made, proxy=False)
        for node in made.nodes.values():
            node.pod_subnets()
        for number, (_, set_up) in WAYS.items():
            set_up(made.nodes[number])
        made.wait_until_ready()
        for turn in range(rounds + 1):
            for number in (1, 2) if turn % 2 else (2, 1):
                up, gone = _measure(made, number, turn)
                if turn:  # the first is for the caches
                    name = WAYS[number][0]
                    times[name]["up"].append(up)
                    times[name]["gone"].append(gone)
                    print(f"{name}: {PODS} pods in {up:.1f} s, gone in {gone:.1f} s", flush=True)
            loads.append(float(Path("/proc/loadavg").read_text().split()[0]))
    found |= {"load": round(statistics.median(loads)), "times": times}
    RESULTS.write_text(json.dumps(found, indent=2) + "\n")
    return 0


def _measure(made: Cluster, number: int, turn: int) -> tuple[float, float]:
    """Return the seconds until all pods run, and until all are gone."""
    named = (f"t{number}-{turn}-{each}" for each in range(PODS))
    documents = [
        pod(name, number, published(FIRST_PORT + at), app="timed") for at, name in enumerate(named)
    ]
    began = time.monotonic()
    made.start(*documents, seconds=300)
    up = time.monotonic() - began
    began = time.monotonic()
    made.delete("pods", "-l", "app=timed", "--grace-period=1", seconds=300)
    return up, time.monotonic() - began


if __name__ == "__main__":
    sys.exit(main())
