"""The agent of one cluster network on one host: renews the membership, and keeps the ledger's blocks,
the routes to other hosts and the snapshot for commands up to date.

`member` decides about blocks. Running containers do not need the agent, nor does an ADD while the
lease lasts.
"""

import logging
import os
import random
import select
import time

from cni_bridge.address import prefix_text
from cni_bridge.cluster import member, notation, snapshot, underlay
from cni_bridge.cluster.books import Books, Counts
from cni_bridge.cluster.fabric import Fabric
from cni_bridge.cluster.model import Host, Membership, Settings, View
from cni_bridge.cluster.names import Names
from cni_bridge.cluster.snapshot import Snapshot
from cni_bridge.cluster.store import MembershipLost, OtherNetwork, Store, Unreachable
from cni_bridge.cluster.underlay import NoUnderlay
from cni_bridge.kernel import machine
from cni_bridge.kernel.netlink import KernelError
from cni_bridge.lean.record import record
from cni_bridge.ledger.blocks import now_ms

PATIENCE_S = 0.25  # between two looks at the ledger: the plugin does not notify the agent
LOOK_S = 30  # between two looks at this host's own addresses
UPKEEP_S = (2, 30)  # between two looks at the kernel, at least and at most
UPKEEP_SHARE = 50  # times the duration of the last look
RENEWAL_S = 60  # at the latest
SAVE_S = 1
RESAVE_S = 10
LONGEST_PAUSE_S = 5
MOST_FAILURES = 8  # beyond which a pause does not get longer

log = logging.getLogger("cni-bridge")


def _malformed(name: str) -> str:
    return (
        f"the malformed record {name[:100]!r} in the store, which no agent wrote: delete it there"
    )


@record
class Identity:
    """This host's id and name; without addresses, those from which the kernel reaches the store."""

    id: str
    name: str
    addresses: tuple[bytes, ...] = ()


def sleep(seconds: float) -> None:
    """Wait; unlike `time.sleep`, also under faketime, whose clock_nanosleep fails with EINVAL."""
    select.select((), (), (), seconds)


class Agent:
    """The agent's state; call `turn` repeatedly on the main thread."""

    def __init__(
        self, settings: Settings, backing: Store, identity: Identity, *, take_over: bool = False
    ) -> None:
        self.settings = settings
        self.counts = Counts()
        self.books = Books(settings, backing, self.counts)
        self._store = backing
        self._names = Names(settings.network, settings.domain, backing)
        self._identity = identity
        self._takes_over = take_over
        self._me: Host | None = None
        self._fabric: Fabric | None = None
        self._membership: Membership | None = None
        self._view: View | None = None
        self._is_blind = True  # changes since the view have not been received
        self._has_asked = False  # the store to change something, in the last turn
        self._absent: dict[str, float] = {}
        self._woven: View | None = None  # for which the kernel was looked at last
        self._due = 0.0  # when the next look is
        self._looked = 0.0  # when this host's own addresses were read
        self._faults: tuple[str, ...] = ()  # what the kernel refused
        self._malformed = frozenset[str]()  # names of records that have been reported
        self._error = ""
        self._failures = 0
        self._heard = 0
        self._saved: tuple[object, float] = (None, 0.0)

    # ------------------------------------------------------------ interface

    def turn(self) -> None:
        """Do what is due, then wait a fraction of a second for changes.

        Raises LedgerUnusable, TryAgainLater, OSError: what is wrong with this host.
        """
        try:
            self._attend()
        except Unreachable as problem:
            self.counts.errors += 1
            self._fail(f"the store cannot be reached: {problem}")
        except (MembershipLost, OtherNetwork) as problem:
            self.counts.losses += 1
            self._membership = None
            self.books.suspend()
            self._fail(str(problem))
        except NoUnderlay as problem:
            self._fail(str(problem))
        else:
            if self._error:
                log.info("the store answers again")
            self._error, self._failures, self._heard = "", 0, now_ms()
        self._save()

    def note_fault(self, error: Exception) -> None:
        """Log an unexpected failure of a turn with its traceback, once; the next turn tries again."""
        self.counts.faults += 1
        problem = f"unexpected: {type(error).__name__}: {error}"
        if problem != self._error:
            log.error("%s: %s", self.settings.network, problem, exc_info=error)
        self._error = problem
        self._failures = min(self._failures + 1, MOST_FAILURES)
        self._is_blind = True

    def pause(self) -> float:
        """Return the seconds to wait before the next turn; the membership is renewed in time all the same."""
        longest = min(PATIENCE_S * 2**self._failures, LONGEST_PAUSE_S, self.settings.ttl / 4)
        spread = random.uniform(0.5, 1)  # noqa: S311 - so that hosts do not retry all at once
        return longest * spread if self._failures else 0

    def is_ready(self) -> bool:
        """Return whether an ADD gets an address here."""
        now, boot_id = now_ms(), machine.boot_id()
        return any(row.boot_id == boot_id and row.until > now for row in self.books.rows)

    def status(self) -> str:
        """Return the state in one line."""
        if self._error or not self._view:
            return self._error or "connecting to the store"
        rows = self.books.rows
        used, size = sum(row.used for row in rows), sum(row.size for row in rows)
        members, hosts = len(self._view.members), len(self._view.hosts)
        return f"{members} of {hosts} hosts; addresses used here: {used} of {size}"

    def leave(self) -> tuple[str, ...]:
        """Give all blocks back and end the membership; return sentences about what prevents it.

        Raises Unreachable, MembershipLost, OtherNetwork, NoUnderlay.
        """
        membership = self._join()
        if used := self.books.close(membership):
            return tuple(
                f"addresses of {prefix_text(row.subnet)} that containers have: {row.used}"
                for row in used
            )
        self._store.leave(membership)
        left = Fabric(self.settings, membership.host).remove()
        snapshot.remove(self.settings.state_dir, self.settings.network)
        return left

    def snapshot(self) -> Snapshot | None:
        """Return what is known; None before anything was seen."""
        if self._me is None or self._view is None:
            return None
        member_until = self._membership.until if self._membership else 0
        backend = self.settings.backend
        via = f" (VNI {backend.vni}, UDP port {backend.port})" if backend.kind == "vxlan" else ""
        now, boot_now = time.monotonic(), now_ms()
        pools = notation.pools_text(self.settings.pools)
        return Snapshot(
            network=self.settings.network,
            backend=backend.kind + via,
            pools=tuple(pools.split(", ")) if pools else (),
            store=self.settings.store,
            endpoints=self.settings.endpoints,
            me=self._me,
            view=self._view,
            absent={
                host: boot_now - round((now - since) * 1000) for host, since in self._absent.items()
            },
            lost=tuple(map(prefix_text, self.books.lost)),
            problems=(
                *self.books.shortages,
                *self._faults,
                *self._names.problems,
                *map(_malformed, sorted(self._view.malformed)),
            ),
            error=self._error,
            skew=self._store.skew(),
            written=boot_now,
            heard=self._heard,
            until=member_until,
            mtu=self._fabric.mtu() if self._fabric else 0,
            pid=os.getpid(),
        )

    # ------------------------------------------------------------ membership

    def _attend(self) -> None:
        membership = self._membership
        if membership is None:
            membership = self._join()
        elif now_ms() >= membership.until - self._term_ms():
            membership = self._membership = self._store.renew(membership)
            self.counts.renewals += 1
        if self._is_blind or self._view is None:
            self._view = self._store.view()
            self._is_blind = False
        if (me := membership.host).id not in self._view.members:
            raise MembershipLost(f"the host {me.name} ({me.id}) is no longer a member")
        if self.settings.pools and self._view.hosts.get(me.id) != me:
            raise MembershipLost(f"the record of the host {me.name} ({me.id}) is not what it wrote")
        self._report_malformed(self._view)
        self._absent = member.absences(self._view, self._absent, time.monotonic())
        ripe = member.ripe(self._absent, self.settings.grace, time.monotonic())
        has_asked_before = self._has_asked
        self._is_blind = self._has_asked = self.books.keep(membership, self._view, ripe)
        self._keep_fabric()
        self._names.keep(membership, self._view)
        if not self._is_blind:
            self._view = self._store.watch(self._view, PATIENCE_S)
        elif has_asked_before:
            sleep(PATIENCE_S)  # back off after two requests in a row

    def _report_malformed(self, view: View) -> None:
        """Log each malformed record of the store once; the others go on as if it were not there."""
        for name in sorted(view.malformed.keys() - self._malformed):
            self.counts.malformed += 1
            log.warning("%s: ignored %s", self.settings.network, _malformed(name))
        self._malformed = frozenset(view.malformed)

    def _term_ms(self) -> int:
        """Return how much of its time a membership still has when it is renewed."""
        ttl = self.settings.ttl
        return (ttl - min(ttl // 3, RENEWAL_S)) * 1000

    def _join(self) -> Membership:
        me = self._myself()
        self._membership = joined = self._store.join(
            me, self.settings.ttl, take_over=self._takes_over
        )
        log.info("%s: a member as %s (%s)", self.settings.network, joined.host.name, joined.host.id)
        self._takes_over = False
        self._is_blind = True  # the view is older than what this host has just written
        if joined.host != self._me:
            self._me = joined.host
            self._fabric = self.books.fabric = Fabric(self.settings, joined.host)
            self._woven = None
        return joined

    def _myself(self) -> Host:
        below = underlay.find(self.settings.endpoints, self._identity.addresses)
        return Host(
            id=self._identity.id,
            name=self._identity.name,
            boot_id=machine.boot_id(),
            addresses=below.addresses,
            mtu=below.mtu,
        )

    def _fail(self, problem: str) -> None:
        """Note a failed turn; the view and other hosts' absences start over with the next success."""
        if problem != self._error:
            log.warning("%s: %s", self.settings.network, problem)
        self._error = problem
        self._failures = min(self._failures + 1, MOST_FAILURES)
        self._absent = {}
        self._is_blind = True
        self.books.look()
        self._keep_fabric()

    # ------------------------------------------------------------ kernel and snapshot

    def _keep_fabric(self) -> None:
        """Update the routes to other hosts after changes, and periodically: other programs change routes,
        and the kernel silently drops them with their link.

        Not before the first view: after a restart, the existing routes are still right.
        """
        now = time.monotonic()
        if now - self._looked >= LOOK_S and self._membership:
            self._check_own_addresses()
            self._looked = now
        if not self._fabric or not self._view:
            return
        if now >= self._due or not self._view.has_same_places(self._woven):
            before = self._faults
            held = tuple(row.subnet for row in self.books.rows if row.used)
            try:
                self._faults = self._fabric.ensure(self._view, held)
            except KernelError as error:
                self._faults = (str(error),)
            for fault in self._faults:
                if fault not in before:
                    log.warning("%s: %s", self.settings.network, fault)
            soonest, latest = UPKEEP_S
            end = time.monotonic()
            rest = min(max(soonest, (end - now) * UPKEEP_SHARE), latest)
            self._woven, self._due = self._view, end + rest

    def _check_own_addresses(self) -> None:
        """Join again if this host's addresses have changed, so that other hosts learn them."""
        try:
            me = self._myself()
        except NoUnderlay:
            return  # not even the store is reachable now
        if self._me and (me.addresses, me.mtu) != (self._me.addresses, self._me.mtu):
            self._membership = None  # joins again in the next turn

    def _save(self) -> None:
        """Save the snapshot; rarely if nothing but the time has changed."""
        shot = self.snapshot()
        if shot is None:
            return
        told = (shot.view.revision, shot.until, shot.error, shot.problems, shot.lost, *shot.absent)
        before, since = self._saved
        age = time.monotonic() - since
        if age >= RESAVE_S or (age >= SAVE_S and told != before):
            snapshot.save(self.settings.state_dir, shot)
            self._saved = (told, time.monotonic())
