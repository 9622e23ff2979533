"""No two hosts ever hold one block: failures at random, on hosts that want each other's blocks.

All ledgers are read all the while: what they say is what an ADD would hand out.
"""

import os
import signal
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from ipaddress import ip_address, ip_network
from random import Random
from typing import Any

from cni_bridge.address import prefix_text
from cni_bridge.cluster.model import View
from cni_bridge.ledger.blocks import now_ms
from tests.lab.agents import Node, Nodes, nodes
from tests.lab.state import LEDGER

SECONDS = float(os.environ.get("CHAOS_SECONDS", "30"))
SEED = int(os.environ.get("CHAOS_SEED", str(time.time_ns())))
HOSTS, BLOCKS, TTL = 5, 8, 3
SETTLED_S = 30
# Eight blocks, of which five hosts want two each, or three: there is never a free one.
SCARCE: dict[str, Any] = {
    "network": "10.64.0.0/24",
    "blockSize": 27,
    "lowWater": 58,
    "ttl": TTL,
    "grace": 1,
    "ipv6": False,
    "more": {"nameserver": {"domain": "pods"}},
}
HELD = "select hex(address) from block where until > ?"


class Watch:
    """Looks at what each host may hand out, again and again, while the block lasts."""

    def __init__(self, hosts: Nodes, now: Callable[[], int] = now_ms) -> None:
        self._now = now
        self.doubles: list[str] = []
        self.held = 0  # blocks that were seen with a host, and seen again
        self.moves = 0  # of blocks from one host to another
        self._holders: dict[str, int] = {}
        self._nodes = hosts.nodes
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> "Watch":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._thread.join()

    def _run(self) -> None:
        before = {number: self._held(number) for number in self._nodes}
        while not self._is_over.wait(0.005):
            now = {number: self._held(number) for number in self._nodes}
            # Who had it before and has it after the other was asked has had it then.
            steady = {number: before[number] & now[number] for number in now}
            counts = Counter(block for held in steady.values() for block in held)
            self.doubles += (f"{each}: {steady}" for each, count in counts.items() if count > 1)
            for number, held in steady.items():
                self.held += len(held)
                for block in held:
                    self.moves += self._holders.get(block, number) != number
                    self._holders[block] = number
            before = now

    def _held(self, number: int) -> set[str]:
        path = f"file:{LEDGER}?mode=ro"
        try:
            with (
                self._nodes[number].machine.entered(),
                closing(sqlite3.connect(path, uri=True, timeout=5)) as ledger,
            ):
                return {block for (block,) in ledger.execute(HELD, (self._now(),))}
        except sqlite3.OperationalError:
            return set()  # a reboot has wiped it, or it is being made


class Chaos:
    """What can happen to hosts and to their store; each is over when it returns."""

    def __init__(self, hosts: Nodes, random: Random) -> None:
        self._hosts = hosts
        self._random = random
        self._made = 0

    def happen(self) -> str:
        """One of them, at random; its name."""
        number = self._random.randint(1, HOSTS)
        kind = self._random.choice(self.kinds())
        kind(number)
        return f"{kind.__name__} {number}"

    def kinds(self) -> tuple[Callable[[int], None], ...]:
        """Return all that can happen."""
        return self.work, self.kill, self.freeze, self.cut, self.reboot, self.lead, self.stall

    def work(self, number: int) -> None:
        """Add a container, or remove all of a host's."""
        if self._random.random() < 0.5:
            self._made += 1
            self._hosts[number].add(called=f"c{self._made}")
        else:
            self._hosts[number].tidy()

    def kill(self, number: int) -> None:
        """Kill an agent and start it again, at once or too late."""
        self._hosts[number].stop(signal.SIGKILL)
        self._wait()
        self._hosts[number].start()

    def freeze(self, number: int) -> None:
        """Stop an agent and continue it later, with its old knowledge."""
        self._hosts[number].tell(signal.SIGSTOP)
        self._wait()
        self._hosts[number].tell(signal.SIGCONT)

    def cut(self, number: int) -> None:
        """Cut off a host."""
        self._hosts.part(number)
        self._wait()
        self._hosts.join(number)

    def reboot(self, number: int) -> None:
        """Reboot a host, which loses what it knew."""
        self._hosts[number].reboot()
        self._wait()
        self._hosts[number].start()

    def lead(self, _number: int) -> None:
        """Etcd's leader is killed."""
        self._hosts.store.leader().kill()
        self._wait()
        self._hosts.store.start()

    def stall(self, _number: int) -> None:
        """Etcd's leader sleeps, and believes when it wakes up that it leads."""
        leader = self._hosts.store.leader()
        leader.tell(signal.SIGSTOP)
        self._wait()
        leader.tell(signal.SIGCONT)
        time.sleep(1)

    def _wait(self) -> None:
        time.sleep(self._random.choice((0, 1, 2 * TTL)))


def endure(hosts: Nodes, chaos: Chaos, seconds: float) -> list[str]:
    """Let things happen for so long, and return which. Fails if two hosts held one block."""
    happened = []
    for node in hosts.nodes.values():
        node.start()
    _wait(hosts, lambda view: len(view.blocks) == BLOCKS)
    with Watch(hosts) as watch:
        end = time.monotonic() + seconds
        while time.monotonic() < end and not watch.doubles:
            happened.append(chaos.happen())
        _wait(hosts, lambda view: len(view.members) == HOSTS)
    assert not watch.doubles, (SEED, happened, watch.doubles[:3])
    assert watch.held > 100 * seconds
    print(f"seed {SEED}: {happened}; {watch.moves} blocks moved")
    _wait_for_names(hosts)
    for node in hosts.nodes.values():
        node.tidy()
    return happened


def _wait_for_names(hosts: Nodes) -> None:
    """Wait until each nameserver knows the containers of all hosts, and no others.

    A container whose block has become another host's may be known on its own host only.
    """
    for node in hosts.nodes.values():
        node.add(called=f"last{node.number}")
    end = time.monotonic() + SETTLED_S
    while True:
        known = [names for node in hosts.nodes.values() if (names := node.names()) is not None]
        shots = [shot for node in hosts.nodes.values() if (shot := node.seen())]
        blocks = {
            prefix_text(block.subnet): block.host
            for shot in shots[:1]
            for block in shot.view.blocks.values()
        }
        sure = {name for node in hosts.nodes.values() for name in _called(node, blocks)}
        living = {name for node in hosts.nodes.values() for name in _called(node)}
        if all(sure <= each <= living for each in known):
            return
        assert time.monotonic() < end, (sure, living, known)
        time.sleep(0.1)


def _called(node: Node, blocks: dict[str, str] | None = None) -> Iterator[str]:
    """Yield the names of a host's containers; with `blocks`, of those in its blocks."""
    for container, addresses in node.addresses.items():
        name = node.called[container]
        if blocks is None or any(
            host == node.name and ip_address(addresses[0]) in ip_network(block)
            for block, host in blocks.items()
        ):
            yield from (name, f"{name}.pods")


def _wait(hosts: Nodes, condition: Callable[[View], bool]) -> None:
    """Wait until all hosts see it so."""
    end = time.monotonic() + SETTLED_S
    while not all((shot := each.seen()) and condition(shot.view) for each in hosts.nodes.values()):
        assert time.monotonic() < end, [each.log()[-2000:] for each in hosts.nodes.values()]
        time.sleep(0.1)


def test_no_two_hosts_hold_one_block_whatever_happens() -> None:
    with nodes(HOSTS, **SCARCE) as hosts:
        endure(hosts, Chaos(hosts, Random(SEED)), SECONDS)
