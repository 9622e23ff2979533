"""The blocks of this host, in the store and in the ledger: a block is leased before it is published in
the ledger, and withdrawn from the ledger before it is given back.

`member` decides which; the agent does the rest.
"""

import logging
from collections.abc import Container, Iterable
from contextlib import closing
from random import Random
from typing import TYPE_CHECKING

from cni_bridge.address import Prefix, prefix_text
from cni_bridge.cluster import member, notation
from cni_bridge.cluster.member import Claim, Decision
from cni_bridge.cluster.model import Block, Membership, Settings, View
from cni_bridge.cluster.store import Store
from cni_bridge.kernel.netlink import KernelError
from cni_bridge.ledger import block_leases, store
from cni_bridge.ledger.block_leases import Leased
from cni_bridge.ledger.database import Database

if TYPE_CHECKING:
    from cni_bridge.cluster.fabric import Fabric

SPENT = 0  # the expiry of a lease that is over

log = logging.getLogger("cni-bridge")


class Counts:
    """What has been counted since the agent started."""

    def __init__(self) -> None:
        self.renewals = 0
        self.leases = 0
        self.releases = 0
        self.losses = 0  # of the membership
        self.errors = 0  # of the store
        self.malformed = 0  # records of the store
        self.faults = 0  # unexpected failures of a turn


class Books:
    """The blocks of one network; every method may raise what the store and the ledger raise."""

    def __init__(self, settings: Settings, backing: Store, counts: Counts) -> None:
        self.rows: tuple[Leased, ...] = ()  # of the ledger, when it was last read
        self.lost: tuple[Prefix, ...] = ()
        self.shortages: tuple[str, ...] = ()
        self.fabric: Fabric | None = None
        self._settled: tuple[View, object] | None = None  # for which nothing was left to do
        self._settings = settings
        self._store = backing
        self._counts = counts
        self._random = Random()  # noqa: S311 - not a secret, only unlike other hosts' choices

    def keep(self, membership: Membership, view: View, ripe: Container[str]) -> bool:
        """Lease, publish and give back blocks as needed; return whether the store was asked to change."""
        with closing(store.open_ledger(self._settings.state_dir)) as ledger:
            database, network = ledger.database, self._settings.network
            self.rows = rows = block_leases.listed(database, network)
            facts = (rows, membership, ripe)
            if (
                self._settled
                and self._settled[1] == facts
                and view.has_same_places(self._settled[0])
            ):
                return False  # do not examine a view of many hosts four times a second
            decision = member.decide(
                membership.host, view, rows, self._settings, ripe=ripe, random=self._random
            )
            self._remember(decision)
            # First: a store that is full renews memberships but leases nothing.
            self._publish(database, membership, decision.kept)
            leased = [each for claim in decision.claims for each in self._lease(membership, claim)]
            self._publish(database, membership, leased)
            self._end(database, (row for row in rows if row.subnet in decision.lost))
            for subnet in decision.stale:
                if block_leases.withdraw(database, network, subnet):
                    self._vacate(subnet)  # its gateway here would hide the route to its next host
            for block in decision.surplus:
                self._give_back(database, membership, block)
        has_asked = bool(decision.claims or decision.surplus)
        self._settled = None if has_asked else (view, facts)
        return has_asked

    def look(self) -> None:
        """Read the ledger while the store cannot be changed."""
        with closing(store.open_ledger(self._settings.state_dir)) as ledger:
            self.rows = block_leases.listed(ledger.database, self._settings.network)

    def suspend(self) -> None:
        """Assign no new addresses from now on; containers keep theirs."""
        with closing(store.open_ledger(self._settings.state_dir)) as ledger:
            self._end(ledger.database, block_leases.listed(ledger.database, self._settings.network))

    def close(self, membership: Membership) -> list[Leased]:
        """Give all blocks back; if containers have addresses, return their blocks and change nothing."""
        with closing(store.open_ledger(self._settings.state_dir)) as ledger:
            database, network = ledger.database, self._settings.network
            rows = block_leases.listed(database, network)
            self._end(database, rows)
            if used := [row for row in block_leases.listed(database, network) if row.used]:
                return used
            for row in rows:
                if block_leases.withdraw(database, network, row.subnet):
                    self._vacate(row.subnet)
        for block in self._store.view().blocks.values():
            if block.host == membership.host.id:
                self._store.release(membership, block)
        return []

    def _lease(self, membership: Membership, claim: Claim) -> list[Prefix]:
        leased = self._store.lease(membership, claim.subnet, claim.seen)
        if leased is None:
            return []
        self._counts.leases += 1
        log.info("%s: leased %s", self._settings.network, prefix_text(claim.subnet))
        return [claim.subnet]

    def _publish(
        self, database: Database, membership: Membership, subnets: Iterable[Prefix]
    ) -> None:
        """Publish what the plugin does not know yet."""
        assert self.fabric
        mtu, boot_id = self.fabric.mtu(), membership.host.boot_id
        known = {row.subnet: (row.boot_id, row.until, row.mtu) for row in self.rows}
        due = [each for each in subnets if known.get(each) != (boot_id, membership.until, mtu)]
        if due:
            block_leases.publish(
                database,
                self._settings.network,
                due,
                until_ms=membership.until,
                boot_id=boot_id,
                mtu=mtu,
            )

    def _end(self, database: Database, rows: Iterable[Leased]) -> None:
        """Make the plugin assign no more addresses of these blocks."""
        for row in rows:
            if row.until != SPENT:
                block_leases.publish(
                    database,
                    self._settings.network,
                    [row.subnet],
                    until_ms=SPENT,
                    boot_id=row.boot_id,
                    mtu=row.mtu,
                )

    def _give_back(self, database: Database, membership: Membership, block: Block) -> None:
        """Give a block back, from the ledger first, so that no container gets an address of it meanwhile."""
        network = self._settings.network
        if not block_leases.withdraw(database, network, block.subnet):
            return
        self._vacate(block.subnet)
        self._store.release(membership, block)
        self._counts.releases += 1
        log.info("%s: gave %s back", network, prefix_text(block.subnet))

    def _vacate(self, subnet: Prefix) -> None:
        assert self.fabric
        try:
            self.fabric.vacate(subnet)
        except KernelError as error:
            log.warning("%s: %s", self._settings.network, error)

    def _remember(self, decision: Decision) -> None:
        for subnet in decision.lost:
            if subnet not in self.lost:
                log.warning(
                    "%s: block %s belongs to another host now",
                    self._settings.network,
                    prefix_text(subnet),
                )
        self.lost = decision.lost
        self.shortages = tuple(
            f"{notation.pools_text((pool,))} has no free block left: `cni-bridge show cluster` lists their "
            "hosts; `cni-bridge agent --evict` frees those of a machine that is gone for good"
            for pool in decision.exhausted
        )
