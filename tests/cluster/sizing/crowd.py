"""Hosts without kernel and ledger: the real driver and the real decisions, with rows kept in memory.

A process plays some hundred of them; what it is told to do, and what is measured, is `__main__`'s.
"""

import time
from concurrent.futures import ThreadPoolExecutor
from random import Random
from typing import TYPE_CHECKING, Any

from cni_bridge.address import Prefix
from cni_bridge.cluster import member
from cni_bridge.cluster.etcd import Etcd
from cni_bridge.cluster.model import Host, Membership, Settings, View
from cni_bridge.cluster.store import Unreachable
from cni_bridge.lean.record import replace
from cni_bridge.ledger import ranges
from cni_bridge.ledger.block_leases import Leased
from cni_bridge.ledger.blocks import now_ms

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

WORKERS = 16  # hosts of a process that ask at the same time
PAUSE_S = 0.05


class Player:
    """One host."""

    def __init__(self, number: int, settings: Settings, seed: int) -> None:
        self.number = number
        self.rows: dict[Prefix, Leased] = {}
        self.view: View | None = None
        self.latencies: dict[str, list[float]] = {"join": [], "view": [], "lease": [], "renew": []}
        self.events = 0
        self.retries = 0
        self._settings = settings
        self._random = Random(seed)
        self._store = Etcd(settings)
        self._membership: Membership | None = None
        self._boots = 0
        self._renewed = 0.0

    def restart(self, *, is_reboot: bool) -> None:
        """Its agent begins anew; after a reboot with nothing of before."""
        self._store.close()
        self._store = Etcd(self._settings)
        self._membership, self.view = None, None
        if is_reboot:
            self._boots += 1
            self.rows.clear()

    def change(self) -> None:
        """Add or remove a few containers."""
        for subnet, row in self.rows.items():
            used = self._random.choice((0, row.used, row.size))
            self.rows[subnet] = replace(row, used=used)

    def turn(self, renewal_s: float) -> None:
        """Do what an agent does in one turn, except waiting."""
        try:
            self._attend(renewal_s)
        except Unreachable:
            self.retries += 1

    def close(self) -> None:
        """End the agent."""
        self._store.close()

    def _attend(self, renewal_s: float) -> None:
        if self._membership is None:
            self._membership = self._timed("join", lambda: self._store.join(self._me(), 3600))
            self._renewed = time.monotonic() - 60 * self._random.random()
        if self.view is None:
            self.view = self._timed("view", self._store.view)
        if time.monotonic() - self._renewed >= renewal_s:
            held = self._membership
            self._membership = self._timed("renew", lambda: self._store.renew(held))
            self._renewed = time.monotonic()
        if self._mind(self._membership, self.view):
            self.view = self._timed("view", self._store.view)
        before = self.view.revision
        self.view = self._store.watch(self.view, 0)
        self.events += self.view.revision - before

    def _mind(self, membership: Membership, view: View) -> bool:
        decision = member.decide(
            membership.host,
            view,
            list(self.rows.values()),
            self._settings,
            ripe=(),
            random=self._random,
        )
        for claim in decision.claims:
            leased = self._timed(
                "lease", lambda c=claim: self._store.lease(membership, c.subnet, c.seen)
            )
            if leased:
                self.rows[claim.subnet] = self._row(claim.subnet)
        for block in decision.surplus:
            del self.rows[block.subnet]
            self._store.release(membership, block)
        for subnet in decision.stale:
            del self.rows[subnet]
        return bool(decision.claims or decision.surplus)

    def _row(self, subnet: Prefix) -> Leased:
        return Leased(
            subnet=subnet,
            boot_id=self._me().boot_id,
            until=now_ms(),
            mtu=1500,
            used=0,
            size=ranges.size((ranges.make_range(subnet, None, None, None),)),
        )

    def _me(self) -> Host:
        return Host(
            id=f"host-{self.number}",
            name=f"host-{self.number}",
            boot_id=f"boot-{self._boots}",
            addresses=(bytes((10, 0, self.number >> 8, self.number & 255)),),
            mtu=1500,
        )

    def _timed(self, what: str, ask: Any) -> Any:
        began = time.monotonic()
        answer = ask()
        self.latencies[what].append(time.monotonic() - began)
        return answer


class Troupe:
    """Some hosts, and what can be said to all of them."""

    def __init__(self, numbers: range, settings: Settings) -> None:
        self._players = [Player(number, settings, seed=number) for number in numbers]
        self._active: list[Player] = []
        self._renewal_s = 60.0

    def start(self, _nothing: None) -> None:
        """From now on they have turns."""
        self._active = self._players

    def renewal(self, seconds: float) -> None:
        """So long after a renewal the next one is due."""
        self._renewal_s = seconds

    def change(self, share: float) -> None:
        """Containers come and go on so many of them."""
        for each in self._active[:: round(1 / share)]:
            each.change()

    def restart(self, shares: tuple[float, float]) -> None:
        """Of so many the agents, of so many others the whole hosts."""
        agents, reboots = (round(share * len(self._active)) for share in shares)
        for each in self._active[:agents]:
            each.restart(is_reboot=False)
        for each in self._active[len(self._active) - reboots :]:
            each.restart(is_reboot=True)

    def report(self, wanted: Any) -> dict[str, Any]:
        """Return what was measured since the last report, and how many hosts see what is wanted."""
        return _report(self._players, wanted)

    def turn(self, pool: ThreadPoolExecutor) -> None:
        """One of each host's."""
        list(pool.map(lambda each: each.turn(self._renewal_s), self._active))

    def close(self) -> None:
        """All agents end."""
        for each in self._players:
            each.close()


def play(numbers: range, settings: Settings, pipe: "Connection") -> None:
    """Carries out what the pipe says, until it says `end`; between, all hosts have turns."""
    troupe = Troupe(numbers, settings)
    with ThreadPoolExecutor(WORKERS) as pool:
        while True:
            while pipe.poll(0):
                word, value = pipe.recv()
                if word == "end":
                    troupe.close()
                    return
                answer = getattr(troupe, word)(value)
                if answer is not None:
                    pipe.send(answer)
            troupe.turn(pool)
            time.sleep(PAUSE_S)


def _report(players: list[Player], wanted: Any) -> dict[str, Any]:
    """Return what was measured since the last report, and how many hosts see what is wanted."""
    latencies: dict[str, list[float]] = {}
    for player in players:
        for what, some in player.latencies.items():
            latencies.setdefault(what, []).extend(some)
            some.clear()
    agreeing = [p for p in players if p.view and (p.view.blocks, p.view.members) == wanted]
    return {
        "latencies": latencies,
        "events": sum(player.events for player in players),
        "retries": sum(player.retries for player in players),
        "agreeing": len(agreeing),
        "rows": {subnet: f"host-{p.number}" for p in players for subnet in p.rows},
    }
