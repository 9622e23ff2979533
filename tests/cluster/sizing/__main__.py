"""`python -m tests.cluster.sizing HOSTS`: their lease traffic against a real etcd, on this machine alone.

Phases and figures; the hosts are `crowd`'s, the etcd is `store`'s. Writes docs/evidence/cluster-sizing.json.
"""

import argparse
import json
import multiprocessing
import os
import resource
import statistics
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cni_bridge.address import parse_prefix
from cni_bridge.cluster.etcd import Etcd
from cni_bridge.cluster.model import Backend, Credentials, Pool, Settings
from tests.cluster.sizing import crowd, store
from tests.lab.namespaces import become_root, leave_network

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from multiprocessing.connection import Connection

BEGIN, END = "<!-- measured -->\n", "<!-- /measured -->\n"
OUTPUT = Path(__file__).resolve().parents[3] / "docs/evidence/cluster-sizing.json"
PAGE = OUTPUT.with_suffix(".md")
PROCESSES = 4
RENEWAL_S = 60.0  # as agents do
HURRIED_S = 6.0
STEADY_S = 30
LIMIT_S = 300  # of a phase
RESTARTED, REBOOTED = 0.1, 0.01

Json = dict[str, Any]


class Crowd:
    """All processes, told the same."""

    def __init__(self, hosts: int, settings: Settings) -> None:
        self.hosts = hosts
        self._seer = Etcd(settings)
        self._pipes: list[Connection] = []
        self._processes = []
        share = -(-hosts // PROCESSES)
        for first in range(0, hosts, share):
            here, there = multiprocessing.Pipe()
            numbers = range(first, min(first + share, hosts))
            process = multiprocessing.Process(target=crowd.play, args=(numbers, settings, there))
            process.start()
            self._processes.append(process)
            self._pipes.append(here)

    def tell(self, word: str, value: object = None) -> None:
        """To all processes."""
        for pipe in self._pipes:
            pipe.send((word, value))

    def reports(self) -> tuple[list[Json], Any]:
        """Return what each has measured, and the truth that they were compared with."""
        truth = self._seer.view()
        self.tell("report", (truth.blocks, truth.members))
        return [pipe.recv() for pipe in self._pipes], truth

    def settle(self) -> tuple[float, list[Json]]:
        """Seconds until all hosts see the same, and what was measured until then."""
        began, found = time.monotonic(), []
        while True:
            reports, truth = self.reports()
            found += reports
            agreeing = sum(each["agreeing"] for each in reports)
            print(
                f"{time.monotonic() - began:6.1f} s  {agreeing} of {self.hosts} agree", flush=True
            )
            if agreeing == self.hosts == len(truth.members):
                return time.monotonic() - began, found
            assert time.monotonic() - began < LIMIT_S, "they do not agree in time"
            time.sleep(0.2)

    def close(self) -> None:
        """All end."""
        self.tell("end")
        for process in self._processes:
            process.join(60)
        self._seer.close()


def main() -> None:
    """Measures, prints and writes."""
    parser = argparse.ArgumentParser(prog="python -m tests.cluster.sizing", description=__doc__)
    parser.add_argument("hosts", type=int, nargs="?", default=1000)
    hosts = parser.parse_args().hosts
    become_root()
    leave_network()
    subprocess.run(("ip", "link", "set", "lo", "up"), check=True)
    _most, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with store.etcd() as endpoints:
        rows = _measure(hosts, endpoints)
    document = {"hosts": hosts, "cpus": os.cpu_count(), "phases": rows}
    known = json.loads(OUTPUT.read_text()) if OUTPUT.exists() else []
    known = [each for each in known if each["hosts"] != hosts]
    known = sorted([*known, document], key=lambda each: each["hosts"])
    OUTPUT.write_text(json.dumps(known, indent=1) + "\n")
    head, rest = PAGE.read_text().split(BEGIN)
    tail = rest.split(END)[1]
    PAGE.write_text(head + BEGIN + "\n".join(_lines(known)) + END + tail)
    print("\n".join(_lines(known)))


def _measure(hosts: int, endpoints: tuple[str, ...]) -> list[Json]:
    people = Crowd(hosts, _settings(endpoints))
    rows = []
    try:
        acts: tuple[tuple[str, Callable[[], None]], ...] = (
            ("all start at once", lambda: people.tell("start")),
            (
                f"{RESTARTED:.0%} of agents restart, {REBOOTED:.0%} of hosts reboot",
                lambda: _restart(people),
            ),
        )
        for name, act in acts:
            before = store.counted(endpoints)
            act()
            took, reports = people.settle()
            rows.append(_row(name, took, reports, before, store.counted(endpoints)))
            if len(rows) == 1:
                rows += _steady(people, endpoints)
        _check(people)
    finally:
        people.close()
    return rows


def _steady(people: Crowd, endpoints: tuple[str, ...]) -> list[Json]:
    """Only renewals; renewals ten times as often; containers that come and go everywhere."""
    rows = []
    for name, renewal, churn in (
        ("at rest", RENEWAL_S, 0.0),
        ("renewals ten times as often", HURRIED_S, 0.0),
        ("containers come and go on a tenth of the hosts each second", RENEWAL_S, 0.1),
    ):
        people.tell("renewal", renewal)
        people.reports()
        before, began = store.counted(endpoints), time.monotonic()
        for _second in range(STEADY_S):
            if churn:
                people.tell("change", churn)
            time.sleep(1)
        reports, _ = people.reports()
        took = time.monotonic() - began
        rows.append(_row(name, took, reports, before, store.counted(endpoints)))
        people.tell("renewal", RENEWAL_S)
        people.settle()
    return rows


def _restart(people: Crowd) -> None:
    people.tell("restart", (RESTARTED, REBOOTED))


def _check(people: Crowd) -> None:
    """Nobody hands out what another has."""
    reports, truth = people.reports()
    held = [(subnet, host) for each in reports for subnet, host in each["rows"].items()]
    assert len({subnet for subnet, _ in held}) == len(held), "a block is held twice"
    wrong = [subnet for subnet, host in held if truth.blocks[subnet].host != host]
    assert not wrong, wrong


def _row(name: str, took: float, reports: list[Json], before: Json, after: Json) -> Json:
    latencies: dict[str, list[float]] = {}
    for each in reports:
        for what, some in each["latencies"].items():
            latencies.setdefault(what, []).extend(some)

    def rate(metric: str) -> float:
        return round(float((after.get(metric, 0) - before.get(metric, 0)) / took), 1)

    return {
        "phase": name,
        "seconds": round(took, 1),
        "requests_per_s": rate("grpc_server_started_total"),
        "writes_per_s": rate("etcd_server_proposals_committed_total") / store.MEMBERS,
        "events_told_per_s": rate("etcd_debugging_mvcc_events_total"),
        "etcd_cpus": rate("process_cpu_seconds_total"),
        "etcd_mb": round(after["process_resident_memory_bytes"] / 1e6),
        "retries": max(each["retries"] for each in reports),
        "ms": {what: _quantiles(some) for what, some in latencies.items() if some},
    }


def _quantiles(seconds: list[float]) -> Json:
    cuts = statistics.quantiles([*seconds, *seconds], n=100)
    return {
        "count": len(seconds),
        **{f"p{each}": round(cuts[each - 1] * 1000, 1) for each in (50, 95, 99)},
    }


def _settings(endpoints: tuple[str, ...]) -> Settings:
    return Settings(
        network="pods",
        bridge="cni0",
        state_dir="",
        store="etcd",
        endpoints=endpoints,
        prefix="/cni-bridge",
        credentials=Credentials(),
        pools=(Pool(subnet=parse_prefix("10.64.0.0/12"), length=26),),
        backend=Backend(kind="host-gw", vni=1, port=4789),
        ttl=86400,
        grace=86400,
        low_water=16,
        kubeconfig="",
        node="",
    )


def _lines(known: list[Json]) -> "Iterator[str]":
    """Return the table of all sizes that were measured."""
    columns = ("hosts", "what happens", "s", "requests/s", "writes/s", "CPUs of etcd", "MB of etcd")
    yield "| " + " | ".join((*columns, "ms, p50 / p99 (how many)")) + " |"
    yield "|---" * (len(columns) + 1) + "|"
    facts = ("seconds", "requests_per_s", "writes_per_s", "etcd_cpus", "etcd_mb")
    for document in known:
        for row in document["phases"]:
            times = ", ".join(
                f"{what} {each['p50']:.0f} / {each['p99']:.0f} ({each['count']})"
                for what, each in row["ms"].items()
            )
            cells = (
                document["hosts"],
                row["phase"],
                *(f"{row[fact]:.3g}" for fact in facts),
                times,
            )
            yield "| " + " | ".join(map(str, cells)) + " |"
    yield ""


if __name__ == "__main__":
    main()
