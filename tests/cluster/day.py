"""`python -m tests.cluster.day [HOURS]`: agents for a day of theirs, whose clocks are fast, with failures at random.

Five hosts want each other's blocks, which are leased through the Kubernetes API. Connections, records and credentials
fail, and agents are killed and stopped. No agent may end by itself and no two hosts may hold one block; how long it takes
until all is well again, by the agents' own clocks, is written to day.json.
"""

import json
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from pathlib import Path

from tests.cluster.apiserver import ApiServer, Document, kubeconfig, serving
from tests.cluster.test_agents_chaos import BLOCKS, HOSTS, SCARCE, Watch
from tests.lab import PLUGIN, ROOT
from tests.lab.agents import Node, Nodes, nodes
from tests.lab.iproute import ip
from tests.lab.machines import BELOW
from tests.lab.namespaces import become_root

RESULTS = Path(__file__).with_name("day.json")
HURRY = int(os.environ.get("HURRY", "60"))
SEED = int(os.environ.get("CHAOS_SEED", str(time.time_ns())))
SERVER = "192.0.2.200"
TTL_S = 600
WELL_S = 4 * 3600  # after which it is not well by itself; all by the agents' clocks
WRAPPER = """#!/bin/sh
export LD_PRELOAD={library} HURRY={hurry} HURRY_SINCE={since}
exec {plugin} "$@"
"""
DEEP = "[" * 100_000


def main() -> int:
    """Build the fast clock, then live for so many hours with it."""
    hours = float(sys.argv[1]) if len(sys.argv) > 1 else 24
    if "HURRY_SINCE" not in os.environ:
        return _in_a_hurry()
    become_root()
    with tempfile.TemporaryDirectory() as directory:
        found = live(hours * 3600, Path(directory))
    RESULTS.write_text(json.dumps(found, indent=2) + "\n")
    print(json.dumps(found, indent=2))
    return 0


def _in_a_hurry() -> int:
    directory = ROOT / ".cache/hurry"
    directory.mkdir(parents=True, exist_ok=True)
    library = directory / "hurry.so"
    source = Path(__file__).with_name("hurry.c")
    subprocess.run(("cc", "-O2", "-shared", "-fPIC", "-o", library, source), check=True)
    since = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    wrapper = directory / PLUGIN.name
    wrapper.write_text(WRAPPER.format(library=library, hurry=HURRY, since=since, plugin=PLUGIN))
    wrapper.chmod(0o755)
    given = {"PLUGIN": str(wrapper), "HURRY_SINCE": str(since)}
    words = (sys.executable, "-m", "tests.cluster.day", *sys.argv[1:])
    return subprocess.run(words, env=os.environ | given).returncode


def now_ms() -> int:
    """Return the agents' milliseconds since boot."""
    real, since = time.clock_gettime_ns(time.CLOCK_BOOTTIME), int(os.environ["HURRY_SINCE"])
    return (real + (real - since) * (HURRY - 1)) // 1_000_000


def live(seconds: float, directory: Path) -> Document:
    """Let things fail for so long, and return what became of it."""
    given = {**SCARCE, "ttl": TTL_S, "grace": TTL_S // 3, "store": "kubernetes"}
    chance = random.Random(SEED)
    with nodes(HOSTS, kubeconfig=str(directory / "kubeconfig"), **given) as hosts:
        ip("address", "add", f"{SERVER}/24", "dev", BELOW)
        with serving(SERVER) as server:
            server.hurry = HURRY
            day = Day(hosts, server, directory, chance)
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
        self, hosts: Nodes, server: ApiServer, directory: Path, chance: random.Random
    ) -> None:
        self._hosts = hosts
        self._server = server
        self._token = directory / "token"
        self._kubeconfig = directory / "kubeconfig"
        self._random = chance
        self._spoilt = ("", "")
        self.adds: Counter[str] = Counter()
        self.recovered: dict[str, list[float]] = defaultdict(list)
        server.token = "first"
        self._token.write_text(server.token)
        kubeconfig(server, directory, tokenFile=str(self._token))

    def happen(self) -> None:
        """Let one thing fail, and some containers come and go."""
        kinds = (
            *(self.cut_host, self.server_down, self.forgotten_changes, self.ended_watches),
            *(self.junk_record, self.spoilt_host, self.spoilt_block, self.deleted_host),
            *(self.renewed_token, self.missing_token, self.bad_kubeconfig),
            *(self.killed_agent, self.stopped_agent),
        )
        kind = self._random.choice(kinds)
        node = self._hosts[self._random.randint(1, HOSTS)]
        self._work()
        kind(node)
        began = now_ms()
        self.wait_until_well(began)
        self.recovered[kind.__name__.replace("_", " ")].append((now_ms() - began) / 1000)

    def wait_until_well(self, since: int = 0) -> None:
        """Wait until all hosts have said since then that all is well; fail if an agent has ended."""
        end = now_ms() + 1000 * WELL_S
        while not self._is_well(since):
            for each in self._hosts.nodes.values():
                assert each.is_running(), (SEED, each.name, each.log()[-3000:])
            assert now_ms() < end, (
                SEED,
                [each.log()[-1500:] for each in self._hosts.nodes.values()],
            )
            time.sleep(0.02)

    def _is_well(self, since: int) -> bool:
        shots = [each.seen() for each in self._hosts.nodes.values()]
        return all(
            shot
            and not shot.error
            and shot.written >= since
            and shot.until > now_ms()
            and len(shot.view.members) == HOSTS
            and len(shot.view.blocks) == BLOCKS
            for shot in shots
        )

    def _work(self) -> None:
        for node in self._hosts.nodes.values():
            if self._random.random() < 0.3:
                self.adds["done" if node.add().status == 0 else "refused"] += 1
            elif self._random.random() < 0.2:
                node.tidy()

    def _pass(self) -> None:
        """Wait for a moment, or for longer than a lease."""
        time.sleep(self._random.choice((10, 90, TTL_S // 2, 2 * TTL_S)) / HURRY)

    # ------------------------------------------------------------ connection

    def cut_host(self, node: Node) -> None:
        self._hosts.part(node.number)
        self._pass()
        self._hosts.join(node.number)

    def server_down(self, _node: Node) -> None:
        self._server.is_down = True
        self._pass()
        self._server.is_down = False

    def ended_watches(self, _node: Node) -> None:
        """All streams end at once, and the next are accepted."""
        self._server.is_down = True
        self._server.is_down = False

    def forgotten_changes(self, _node: Node) -> None:
        self._server.is_down = True
        self._server.forget_changes()
        self._server.is_down = False

    # ------------------------------------------------------------ record

    def junk_record(self, _node: Node) -> None:
        """Put a record that no agent wrote, and delete it again later."""
        name = f"junk-{self._random.randint(1, 5)}"
        known = next(iter(self._server.objects["leases"].values()))
        item = json.loads(json.dumps(known))
        item["metadata"]["name"] = known["metadata"]["name"][: len("cni-bridge-") + 12] + f"-{name}"
        self._spoil(item)
        self._server.put("leases", item, "ADDED")
        self._pass()
        self._server.put("leases", item, "DELETED")
        self._server.objects["leases"].pop(item["metadata"]["name"], None)

    def spoilt_host(self, _node: Node) -> None:
        self._overwrite("-host-", self._spoil)

    def spoilt_block(self, _node: Node) -> None:
        """Spoil a block's record, and put the old one back later."""
        before = self._overwrite("-block-", self._spoil)
        self._pass()
        if before and self._is_spoilt(before["metadata"]["name"]):
            self._server.put("leases", before)

    def deleted_host(self, _node: Node) -> None:
        item = self._one_of("-host-")
        if item:
            self._server.put("leases", item, "DELETED")
            self._server.objects["leases"].pop(item["metadata"]["name"], None)

    def _one_of(self, kind: str) -> Document | None:
        known = [each for name, each in self._server.objects["leases"].items() if kind in name]
        return json.loads(json.dumps(self._random.choice(known))) if known else None

    def _overwrite(self, kind: str, change: Callable[[Document], None]) -> Document | None:
        before = self._one_of(kind)
        if before:
            item = json.loads(json.dumps(before))
            change(item)
            self._server.put("leases", item)
            self._spoilt = item["metadata"]["name"], item["metadata"]["resourceVersion"]
        return before

    def _is_spoilt(self, name: str) -> bool:
        """Whether the record is still as it was spoilt: no agent has written it since."""
        known = self._server.objects["leases"].get(name)
        return known is not None and (name, known["metadata"]["resourceVersion"]) == self._spoilt

    def _spoil(self, item: Document) -> None:
        """Make the record one that no agent writes."""
        notes = item["metadata"].setdefault("annotations", {})
        record = notes.get("cni-bridge/record", "{}")
        ways: tuple[str | None, ...] = (
            *(None, "", "no JSON", DEEP, "{}", "[]", '{"mtu": Infinity}', '{"host": 7}'),
            *(record.replace("192.0.2.", "nowhere."), record.replace("1500", "7")),
        )
        way = self._random.choice([each for each in ways if each != record])
        if way is None:
            notes.pop("cni-bridge/record", None)
        else:
            notes["cni-bridge/record"] = way

    # ------------------------------------------------------------ credential

    def renewed_token(self, _node: Node) -> None:
        """Change the server's token before that in the file."""
        self._server.token = str(self._random.random())
        self._pass()
        self._token.write_text(self._server.token)

    def missing_token(self, _node: Node) -> None:
        self._token.unlink()
        self._pass()
        self._token.write_text(self._server.token)

    def bad_kubeconfig(self, _node: Node) -> None:
        good = self._kubeconfig.read_text()
        self._kubeconfig.write_text(self._random.choice(("", "{", "users: []", "{}", good[:90])))
        self._pass()
        self._kubeconfig.write_text(good)

    # ------------------------------------------------------------ agent

    def killed_agent(self, node: Node) -> None:
        node.stop(signal.SIGKILL)
        self._pass()
        node.start()

    def stopped_agent(self, node: Node) -> None:
        node.tell(signal.SIGSTOP)
        self._pass()
        node.tell(signal.SIGCONT)


if __name__ == "__main__":
    sys.exit(main())
