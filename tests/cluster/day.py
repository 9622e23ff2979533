"""`python -m tests.cluster.day STORE [HOURS]`: agents for a day of theirs, whose clocks are fast, with failures at random.

Five hosts want each other's blocks, which are leased through the Kubernetes API or in etcd. Connections, records and
credentials fail, and agents are killed and stopped. No agent may end by itself and no two hosts may hold one block; how
long it takes until all is well again, by the agents' own clocks, is written to day.json.
"""

import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from pathlib import Path
from random import Random

from tests.cluster.apiserver import Document
from tests.cluster.day_stores import ADDRESS, Failure, Keys, Leases
from tests.cluster.test_agents_chaos import BLOCKS, HOSTS, SCARCE, Watch
from tests.lab import PLUGIN
from tests.lab.agents import Node, Nodes, nodes
from tests.lab.iproute import ip
from tests.lab.machines import BELOW
from tests.lab.namespaces import become_root

RESULTS = Path(__file__).with_name("day.json")
HURRY = int(os.environ.get("HURRY", "60"))
SEED = int(os.environ.get("CHAOS_SEED", str(time.time_ns())))
ONLY = os.environ.get("ONLY", "")  # of the failures, those with this in their name
TTL_S = 600
WELL_S = 4 * 3600  # after which it is not well by itself; all by the agents' clocks
SLOW_S = 300  # recoveries that take longer are printed step by step
WRAPPER = """#!/bin/sh
export LD_PRELOAD={library} HURRY={hurry} HURRY_SINCE={since}
exec {plugin} "$@"
"""
STORES: dict[str, type[Leases | Keys]] = {"kubernetes": Leases, "etcd": Keys}


def main() -> int:
    """Build the fast clock, then live for so many hours with it."""
    name = sys.argv[1]
    hours = float(sys.argv[2]) if len(sys.argv) > 2 else 24
    if "HURRY_SINCE" not in os.environ:
        return _in_a_hurry()
    become_root()
    with tempfile.TemporaryDirectory() as directory:
        found = live(name, hours * 3600, Path(directory))
    print(json.dumps(found, indent=2))
    if not ONLY:
        known = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
        RESULTS.write_text(json.dumps(known | {name: found}, indent=2) + "\n")
    return 0


def _in_a_hurry() -> int:
    with tempfile.TemporaryDirectory() as name:
        library, wrapper = Path(name, "hurry.so"), Path(name, PLUGIN.name)
        source = Path(__file__).with_name("hurry.c")
        subprocess.run(("cc", "-O2", "-shared", "-fPIC", "-o", library, source), check=True)
        since = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
        wrapper.write_text(WRAPPER.format(library=library, hurry=HURRY, since=since, plugin=PLUGIN))
        wrapper.chmod(0o755)
        given = {"PLUGIN": str(wrapper), "HURRY_SINCE": str(since)}
        words = (sys.executable, "-m", "tests.cluster.day", *sys.argv[1:])
        return subprocess.run(words, env=os.environ | given).returncode


def now_ms() -> int:
    """Return the agents' milliseconds since boot."""
    real, since = time.clock_gettime_ns(time.CLOCK_BOOTTIME), int(os.environ["HURRY_SINCE"])
    return (real + (real - since) * (HURRY - 1)) // 1_000_000


def live(name: str, seconds: float, directory: Path) -> Document:
    """Let things fail for so long, and return what became of it."""
    given = SCARCE | {"ttl": TTL_S, "grace": TTL_S // 3}
    random = Random(SEED)

    def wait() -> None:
        """Wait for a moment, or for longer than a lease."""
        time.sleep(random.choice((10, 90, TTL_S // 2, 2 * TTL_S)) / HURRY)

    store = STORES[name](directory, random, wait)
    with nodes(HOSTS, **(given | store.config)) as hosts:
        ip("address", "add", f"{ADDRESS}/24", "dev", BELOW)
        with store.serving(hosts, HURRY):
            day = Day(hosts, store.failures(), random, wait)
            for node in hosts.nodes.values():
                node.start()
            day.wait_until_well()
            with Watch(hosts, now_ms) as watch:
                end = now_ms() + 1000 * seconds
                while now_ms() < end and not watch.doubles:
                    day.happen()
            assert not watch.doubles, (SEED, watch.doubles[:3])
            assert watch.held > seconds / 100, "nothing was seen"
            logs = [each.log() for each in hosts.nodes.values()]
            for node in hosts.nodes.values():
                node.tidy()
    return told(day, watch.moves, seconds, sum(each.count("Traceback") for each in logs))


def told(day: "Day", moves: int, seconds: float, tracebacks: int) -> Document:
    """Return what is written down."""
    return {
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "hours": seconds / 3600,
        "hurry": HURRY,
        "seed": SEED,
        "hosts": HOSTS,
        "ttl": TTL_S,
        "doubles": 0,
        "ended": 0,
        "moves": moves,
        "adds": dict(day.adds),
        "tracebacks": tracebacks,
        "failures": {
            kind: {
                "count": len(times),
                "median": round(statistics.median(times)),
                "slowest": round(max(times)),
            }
            for kind, times in sorted(day.recovered.items())
        },
    }


class Day:
    """What can fail; each is over, and all is well again, when `happen` returns."""

    def __init__(
        self, hosts: Nodes, failures: tuple[Failure, ...], random: Random, wait: Callable[[], None]
    ) -> None:
        self._hosts = hosts
        self._random = random
        self._wait = wait
        self._failures = [
            each
            for each in (*failures, self.cut_host, self.killed_agent, self.stopped_agent)
            if ONLY in each.__name__
        ]
        self.adds: Counter[str] = Counter()
        self.recovered: dict[str, list[float]] = defaultdict(list)

    def happen(self) -> None:
        """Let one thing fail, and some containers come and go."""
        fail = self._random.choice(self._failures)
        node = self._hosts[self._random.randint(1, HOSTS)]
        self._work()
        fail(node)
        began = now_ms()
        name = fail.__name__.replace("_", " ")
        steps = self.wait_until_well(began)
        self.recovered[name].append(took := (now_ms() - began) / 1000)
        if took > SLOW_S:
            print(f"{name} {node.name}: well after {took:.0f} s", *steps, sep="\n  ", flush=True)

    def wait_until_well(self, since: int = 0) -> list[str]:
        """Return what was wrong, and when, until all hosts have said since then that all is well.

        Fails if an agent has ended.
        """
        began = now_ms()
        end = began + 1000 * WELL_S
        steps: list[str] = []
        wrong: list[str] = []
        while found := self._wrong(since):
            if found != wrong:
                wrong = found
                steps.append(f"{(now_ms() - began) / 1000:.0f} s: {'; '.join(wrong)}")
            for each in self._hosts.nodes.values():
                assert each.is_running(), (SEED, each.name, each.log()[-3000:])
            assert now_ms() < end, (
                SEED,
                [each.log()[-1500:] for each in self._hosts.nodes.values()],
            )
            time.sleep(0.02)
        return steps

    def _wrong(self, since: int) -> list[str]:
        """Return what is not well yet, by the hosts' own words."""
        found = []
        shots = {node.name: node.seen() for node in self._hosts.nodes.values()}
        described = {name: shot.me for name, shot in shots.items() if shot}
        for name, shot in shots.items():
            if not shot or shot.written < since:
                found.append(f"{name} has written nothing")
            elif shot.error:
                found.append(f"{name}: {shot.error[:90]}")
            elif shot.until <= now_ms():
                found.append(f"{name} is no member")
            elif (count := (len(shot.view.members), len(shot.view.blocks))) != (HOSTS, BLOCKS):
                found.append(f"{name} sees {count[0]} members, {count[1]} blocks")
            elif shot.view.hosts != described:
                found.append(f"{name} sees hosts that are not as they say")
        return found

    def _work(self) -> None:
        for node in self._hosts.nodes.values():
            if self._random.random() < 0.3:
                self.adds["done" if node.add().status == 0 else "refused"] += 1
            elif self._random.random() < 0.2:
                node.tidy()

    def cut_host(self, node: Node) -> None:
        self._hosts.part(node.number)
        self._wait()
        self._hosts.join(node.number)

    def killed_agent(self, node: Node) -> None:
        node.stop(signal.SIGKILL)
        self._wait()
        node.start()

    def stopped_agent(self, node: Node) -> None:
        node.tell(signal.SIGSTOP)
        self._wait()
        node.tell(signal.SIGCONT)


if __name__ == "__main__":
    sys.exit(main())
