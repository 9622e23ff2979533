"""`python -m tests.cluster.figures`: how long a cluster network takes to be well again after each failure,
and what an ADD costs with it; writes docs/evidence/cluster-figures.md.

Five hosts in namespaces with an agent each, and three members of etcd, on one machine.
"""

import os
import platform
import resource
import signal
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import track

from cni_bridge.address import prefix_text
from tests.lab import PLUGIN, Plugin
from tests.lab.across import Traffic
from tests.lab.agents import NETWORK, Node, Nodes, nodes
from tests.lab.iproute import ip_json
from tests.lab.namespaces import become_root
from tests.lab.plugin import Json

PAGE = Path(__file__).resolve().parents[2] / "docs/evidence/cluster-figures.md"
ROUNDS = 3
ADDS = 150
TTL = 6
DEADLINE_S = 60
# A block has 29 addresses, all of which have to be free: the first container makes one more needed.
EAGER: dict[str, Any] = {"network": "10.64.0.0/16", "blockSize": 27, "lowWater": 29, "ttl": TTL}

Scenario = Callable[[Nodes], float]


def main() -> None:
    """Measures, and writes the page."""
    become_root()
    rows = [(what, *_recovery(run)) for what, run in track(list(SCENARIOS.items()))]
    costs = list(track(list(_costs()), description="ADD"))
    PAGE.write_text(_page(rows, costs))
    Console().print(PAGE.read_text())


# ---------------------------------------------------------------- recovery


def _recovery(scenario: Scenario) -> tuple[list[float], int]:
    """Seconds of each round, and requests of running traffic that were lost in all of them."""
    seconds, lost = [], 0
    for _ in range(ROUNDS):
        with nodes(5, **EAGER) as hosts:
            hosts.start()
            ours, theirs = hosts[1].container(), hosts[2].container()
            hosts.settle()
            with Traffic(hosts[1], ours, hosts[2].addresses[theirs][0]) as traffic:
                took = scenario(hosts)
            seconds.append(took)
            lost += traffic.lost
            for node in hosts.nodes.values():
                node.tidy()
    return seconds, lost


def _one_more_block(hosts: Nodes) -> float:
    """From the container that makes it needed to the last host's route to it."""
    before = hosts.blocks()
    began = time.monotonic()
    hosts[3].container()
    _until(lambda: bool(new := _new(hosts, before)) and _have_routes(hosts, new, but=3))
    return time.monotonic() - began


def _leader_killed(hosts: Nodes) -> float:
    leader = hosts.store.leader()
    began = time.monotonic()
    leader.kill()
    _one_more_block(hosts)
    return time.monotonic() - began


def _majority_lost(hosts: Nodes) -> float:
    for member in hosts.store.members[:2]:
        member.kill()
    _until(lambda: hosts[3].status().status != 0)
    began = time.monotonic()
    hosts.store.start()
    _until(lambda: hosts[3].status().status == 0)
    return time.monotonic() - began


def _host_cut_off(hosts: Nodes) -> float:
    hosts.part(3)
    _until(lambda: hosts[3].status().status != 0)
    began = time.monotonic()
    hosts.join(3)
    _until(lambda: hosts[3].status().status == 0)
    return time.monotonic() - began


def _agent_killed(hosts: Nodes) -> float:
    before = hosts[1].seen()
    hosts[1].stop(signal.SIGKILL)
    began = time.monotonic()
    hosts[1].start()
    _until(lambda: (now := hosts[1].seen()) is not None and now.pid != (before and before.pid))
    hosts.settle()
    return time.monotonic() - began


def _host_rebooted(hosts: Nodes) -> float:
    hosts[3].reboot()
    began = time.monotonic()
    hosts[3].start()
    _until(lambda: hosts[3].status().status == 0)
    return time.monotonic() - began


SCENARIOS: dict[str, Scenario] = {
    "nothing fails: one more block, until all hosts have its route": _one_more_block,
    "etcd's leader is killed, then the same": _leader_killed,
    "two of three members are killed until leases end; started again, until ADD works": _majority_lost,
    "a host is cut off until its lease ends; joined again, until ADD works there": _host_cut_off,
    "an agent is killed; started again, until it is a member that sees all blocks": _agent_killed,
    "a host is rebooted; its agent started, until ADD works there": _host_rebooted,
}


def _new(hosts: Nodes, before: dict[str, str]) -> list[str]:
    return [each for each in hosts.blocks() if each not in before and ":" not in each]


def _have_routes(hosts: Nodes, blocks: list[str], *, but: int) -> bool:
    others = [node for number, node in hosts.nodes.items() if number != but]
    return all(set(blocks) <= set(_destinations(node)) for node in others)


def _destinations(node: Node) -> Iterator[str]:
    with node.machine.entered():
        yield from (route["dst"] for route in ip_json("-4", "route"))


def _until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


# ---------------------------------------------------------------- what an ADD costs


def _costs() -> Iterator[tuple[str, float, float]]:
    """Ratio of the medians, in wall time and in CPU time, with the store and without it."""
    with nodes(1, network="10.64.0.0/16", blockSize=24, ipv6=False) as hosts:
        hosts.start()
        yield ("while etcd answers", *_ratio(hosts))
        for member in hosts.store.members:
            member.kill()
        yield ("while etcd does not", *_ratio(hosts))
        hosts[1].tidy()


def _ratio(hosts: Nodes) -> tuple[float, float]:
    """Run ADDs in turn: of the cluster network, and of one that differs only in its addresses."""
    shot = hosts[1].seen()
    assert shot
    subnet = prefix_text(next(iter(shot.view.blocks)))
    plain = {
        "name": "plain",
        "bridge": "cni1",
        "ipam": {"subnet": subnet.replace("10.64", "10.80")},
    }
    wall: dict[str, list[float]] = {NETWORK: [], "plain": []}
    cpu: dict[str, list[float]] = {NETWORK: [], "plain": []}
    with hosts[1].machine.entered() as host:
        for turn in range(ADDS):
            for name, changes in ((NETWORK, {}), ("plain", plain)):
                container = host.container(f"{name}-{turn}-{time.monotonic_ns()}")
                network = host.network(Plugin.at(PLUGIN), _config(hosts[1], changes))
                before, began = _children_s(), time.monotonic()
                run = network.add(container)
                wall[name].append(time.monotonic() - began)
                cpu[name].append(_children_s() - before)
                assert run.status == 0, run
                network.delete_all()
                container.delete()
                host.containers.remove(container)
                host.networks.remove(network)
    medians = [
        statistics.median(kind[NETWORK]) / statistics.median(kind["plain"]) for kind in (wall, cpu)
    ]
    return medians[0], medians[1]


def _config(node: Node, changes: Mapping[str, Any]) -> Json:
    config = {"cniVersion": "1.1.0", "name": NETWORK, **node.config}
    if not changes:
        return config
    ipam = {"type": "cni-bridge", **changes["ipam"]}
    return {**{k: v for k, v in config.items() if k != "cluster"}, **changes, "ipam": ipam}


def _children_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


# ---------------------------------------------------------------- the page


def _page(rows: list[tuple[str, list[float], int]], costs: list[tuple[str, float, float]]) -> str:
    lines = [
        "# A cluster network in figures",
        "",
        "Made by `make bench-cluster`: five hosts in namespaces, each with its own agent, ledger and bridge, and an",
        "etcd of three members, all on one machine. [cluster.md](../cluster.md) explains the terms.",
        "",
        f"{os.cpu_count()} CPUs, Linux {platform.release()}, Python {platform.python_version()}. The membership lasts "
        f"{TTL} s here, where it is a day by default;",
        f"{ROUNDS} rounds of each. Meanwhile a container sends 50 echo requests a second to one of another host.",
        "",
        "| what happens | s, median | least | most | of the running traffic, lost |",
        "|---|---|---|---|---|",
    ]
    lines += [
        f"| {what} | {statistics.median(s):.2f} | {min(s):.2f} | {max(s):.2f} | {lost} |"
        for what, s, lost in rows
    ]
    lines += [
        "",
        f"An ADD of the cluster network beside one of a network that has its subnet in its config, {ADDS} of each in turn:",
        "",
        "| | wall time | CPU time |",
        "|---|---|---|",
        *(f"| {what} | {wall:.2f}x | {cpu:.2f}x |" for what, wall, cpu in costs),
        "",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
