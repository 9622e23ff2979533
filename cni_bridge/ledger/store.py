"""Record which attachment holds which addresses.

Knows nothing of the kernel's interfaces. No transaction outlives the call that began it.
"""

import posix
import time

from cni_bridge import errors
from cni_bridge.address import Prefix
from cni_bridge.lean.record import replace
from cni_bridge.ledger import database, messages, ranges, state_directory
from cni_bridge.ledger.database import PATIENCE_S, Database
from cni_bridge.model import Attachment, Holding, Lease, Netns, RangeSet

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TypeAlias

    from cni_bridge.ledger.hostlocal import Reservations
    from cni_bridge.ledger.sticky import Memory
    from cni_bridge.model_optional import Names

    Stamps = dict[Attachment, object]  # when each record was created
    RangeSets: TypeAlias = tuple[RangeSet, ...] | Callable[[Database], tuple[RangeSet, ...]]

_HOLDINGS = """
select network, container, ifname, host_name, netns_path, netns_device, netns_inode,
  boot_id, created, pid, is_confirmed, bridge, mac, address, prefix_length, gateway
from holding left join lease using (network, container, ifname)
"""
_IN_ORDER = " order by network, container, ifname, range_set"
_INSERT = """
insert into holding values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0, ?, ?) on conflict do nothing
"""
_CONFIRM = """
update holding set is_confirmed = 1
where network = ? and container = ? and ifname = ? and pid = ? and created = ?
"""
_RELEASE = "delete from holding where network = ? and container = ? and ifname = ?"
_RELEASE_READ = f"{_RELEASE} and created is ?"
_START_COOL_DOWN = """
replace into resting (freed, network, address)
select ?, network, address from lease where network = ? and container = ? and ifname = ?
"""
_START_MEMORY = """
update remembered set used = ? where (network, name, namespace, ifname) in
  (select network, name, namespace, ifname from name
  where network = ? and container = ? and ifname = ? and is_alias = 0)
"""
_IS_COOLING_DOWN = "select 1 from resting where network = ? and address = ? and freed > ?"
_END_COOL_DOWNS = """
delete from resting where freed <= ? and row in (select row from resting order by row limit 100)
"""
COOL_DOWN_MS = 30_000  # other hosts have verified their neighbour entries by then


def open_ledger(state_dir: str, patience_s: float = PATIENCE_S) -> "Ledger":
    """Open a state directory's ledger, creating it if missing.

    Raises LedgerUnusable, TryAgainLater.
    """
    state_directory.ensure(state_dir)
    return Ledger(database.opened(state_dir, patience_s) or database.created(state_dir, patience_s))


def find_ledger(state_dir: str, patience_s: float = PATIENCE_S) -> "Ledger | None":
    """Open a state directory's ledger, or return None if no ADD has created it yet."""
    if not state_directory.is_usable(state_dir):
        return None
    found = database.opened(state_dir, patience_s)
    return Ledger(found) if found else None


class Ledger:
    """An open ledger; every method may raise LedgerUnusable and TryAgainLater."""

    def __init__(self, opened: Database) -> None:
        self.database = opened  # public: the firewall's and the wires' tables are in it too
        self._find_reserved: Callable[[], Reservations | None] | None = None
        self._reserved: Reservations | None = None

    def respect(self, find_reserved: "Callable[[], Reservations | None]") -> None:
        """Lease none of the addresses that `find_reserved` returns, inside of each claim."""
        self._find_reserved = find_reserved

    def close(self) -> None:
        """Close the file."""
        self.database.close()

    def transaction(self) -> Database:
        """Return the context of a write transaction: `with ledger.transaction():`."""
        return self.database.transaction()

    # ------------------------------------------------------------ what ADD does

    def claim(
        self,
        holding: Holding,
        *,
        range_sets: "RangeSets" = (),
        requested: tuple[bytes, ...] = (),
        names: "Names | None" = None,
        memory: "Memory | None" = None,
        recall: "Callable[[], object] | None" = None,
        any_mac: bool = False,
    ) -> Holding:
        """Record an attachment with its names and lease it one address of each range set, or change nothing.

        A requested address replaces the round robin in the set that contains it, and so does one of
        `memory`. `recall` is called before a network's first lease, to record what another ledger has.
        With `any_mac`, the MAC is not requested: if it is held, another one is taken.
        Raises InvalidConfig, AddressInUse, RangeExhausted, AttachmentExists, NameTaken.
        """
        attachment = holding.attachment
        try:
            self.database.begin()
            self._look_at_reserved()
            wanted = ranges.assign(known := self._known(range_sets), requested)
            last = self._last_leased(attachment.network, recall if known else None)
            if memory:
                memory.expire(attachment.network)
                holding = memory.with_mac(holding) if any_mac else holding
                wanted = memory.fill(holding, known, wanted, self._reserved)
            holding = self._insert(holding, names, any_mac=any_mac)
            leases = tuple(
                self._lease(attachment, index, range_set, wanted[index], last.get(index), memory)
                for index, range_set in enumerate(known)
            )
            holding = replace(holding, leases=leases)
            if memory:
                memory.note(holding)
            self._commit(holding)
        finally:
            self.database.rollback()
        return holding

    def confirm(self, holding: Holding) -> None:
        """Mark that claim's ADD as finished. Raises TryAgainLater if a DEL has overtaken it.

        A later ADD's claim for the same attachment is not mistaken for this one.
        """
        with self.database.transaction():
            is_ours = self.database.change(_CONFIRM, *_claim_key(holding))
        if not is_ours:
            raise messages.overtaken(holding.attachment)

    def is_superseded(self, holding: Holding) -> bool:
        """Return whether a later ADD has claimed the attachment, after a DEL of this one."""
        current = self.find(holding.attachment)
        return current is not None and _claim_key(current) != _claim_key(holding)

    # ------------------------------------------------------------ what the other commands do

    def rehearse(self, network: str, range_sets: "RangeSets") -> tuple[Lease, ...]:
        """Return the leases that a claim would make now; change nothing. Raises RangeExhausted."""
        try:
            self.database.begin()
            # Beginning and reading would succeed even where writing can't.
            self.database.change("update ledger set row = row")
            self._look_at_reserved()
            sets, last = enumerate(self._known(range_sets)), self._last_leased(network)
            return tuple(
                ranges.lease(each, self._next_free(network, index, each, last.get(index)))
                for index, each in sets
            )
        finally:
            self.database.rollback()

    def find(self, attachment: Attachment) -> Holding | None:
        """Return the record of an attachment."""
        whose = " where network = ? and container = ? and ifname = ?"
        return next(iter(self._select(whose, *_key(attachment))), None)

    def release(
        self, *attachments: Attachment, read: "Stamps | None" = None, is_sticky: bool = True
    ) -> bool:
        """Delete the records of attachments and free their addresses; those without one are fine.

        With `read`, delete only records that were created then, for a later ADD's stays; return
        whether those were still there. With `is_sticky`, their names may be remembered from now on.
        """
        keys: list[tuple[object, ...]] = [_key(each) for each in attachments]
        sql = _RELEASE if read is None else _RELEASE_READ
        if read is not None:
            keys = [(*_key(each), read[each]) for each in attachments if each in read]
        with self.database.transaction():
            now = time.time_ns() // 1_000_000
            stamped = [(now, *key[:3]) for key in keys]
            self.database.change_all(_START_COOL_DOWN, stamped)
            if is_sticky and self.database.select("select 1 from remembered limit 1"):
                self.database.change_all(_START_MEMORY, stamped)
            count = self.database.change_all(sql, keys) if keys else 0
            self.database.change(_END_COOL_DOWNS, now - COOL_DOWN_MS)
        return read is None or count == len(keys)

    def holdings(self, network: str | None = None) -> tuple[Holding, ...]:
        """Return all records, or one network's, ordered by network, container and ifname."""
        return self._select(" where network = ?", network) if network else self._select("")

    def has_leases(self, network: str) -> bool:
        """Return whether an address of the network is leased here."""
        return bool(self.database.select("select 1 from lease where network = ? limit 1", network))

    def refuse_leased(self, attachment: Attachment, addresses: tuple[bytes, ...]) -> None:
        """Raise AddressInUse if another attachment of the network has one of these addresses.

        In a transaction, so that a claim sees what was reserved elsewhere, or else is seen here.
        """
        with self.database.transaction():
            for ip in addresses:
                for holder in self._holders(attachment.network, ip):
                    if holder.attachment != attachment:
                        raise messages.leased_here(self.database, ip, holder)

    # ------------------------------------------------------------ helpers

    def _look_at_reserved(self) -> None:
        if self._find_reserved:
            self._reserved = self._find_reserved()

    def _known(self, range_sets: "RangeSets") -> tuple[RangeSet, ...]:
        return range_sets(self.database) if callable(range_sets) else range_sets

    def _insert(self, holding: Holding, names: "Names | None", *, any_mac: bool) -> Holding:
        attachment, netns = holding.attachment, holding.netns
        is_new = self.database.change(
            _INSERT,
            *_key(attachment),
            holding.host_name,
            netns.path.encode("utf-8", "surrogateescape"),
            netns.device,
            netns.inode,
            holding.boot_id,
            holding.created,
            holding.pid,
            holding.bridge,
            holding.mac,
        )
        if is_new:
            if names:
                from cni_bridge.ledger import container_names  # not for a plain ADD

                container_names.insert(self.database, attachment, names)
            return holding
        if earlier := self.find(attachment):
            raise messages.exists(earlier)
        for owner in self._select(" where host_name = ?", holding.host_name):
            raise messages.name_taken(owner)
        if any_mac:  # it is only derived or remembered
            another = replace(holding, mac=b"\x02" + posix.urandom(5))
            return self._insert(another, names, any_mac=False)
        (owner,) = self._select(" where bridge = ? and mac = ?", holding.bridge, holding.mac)
        raise messages.mac_held(self.database, holding, owner)

    def _commit(self, holding: Holding) -> None:
        """Commit. A commit can fail after it took effect; a failed claim must leave no record."""
        try:
            self.database.commit()
        except errors.LedgerUnusable:
            self.database.rollback()
            self.database.change(f"{_RELEASE} and pid = ? and created = ?", *_claim_key(holding))
            raise

    def _last_leased(
        self, network: str, recall: "Callable[[], object] | None" = None
    ) -> dict[int, bytes]:
        """Return each range set's most recently leased address; `recall` if there is none."""
        sql = "select range_set, address from last_leased where network = ?"
        last: dict[int, bytes] = dict(self.database.select(sql, network))
        if last or recall is None:
            return last
        recall()
        return self._last_leased(network)

    def _lease(
        self,
        attachment: Attachment,
        index: int,
        range_set: RangeSet,
        requested: bytes | None,
        last: bytes | None,
        memory: "Memory | None",
    ) -> Lease:
        network = attachment.network
        if requested and self._reserved and requested in self._reserved:
            raise messages.unavailable(requested, range_set, self._reserved.text(requested))
        ip = requested or self._next_free(network, index, range_set, last, memory)
        lease = ranges.lease(range_set, ip)
        is_new = self.database.change(
            "insert into lease values (?, ?, ?, ?, ?, ?, ?) on conflict do nothing",
            *(network, ip, lease.address.length, lease.gateway, index),
            *(attachment.container, attachment.ifname),
        )
        if not is_new:
            raise self._in_use(network, ip, range_set)
        self.database.change("replace into last_leased values (?, ?, ?)", network, index, ip)
        return lease

    def _next_free(
        self,
        network: str,
        index: int,
        range_set: RangeSet,
        last: bytes | None,
        memory: "Memory | None" = None,
    ) -> bytes:
        taken = self._counter(network, range_set)
        found = ranges.first_free(ranges.sweep(range_set, last), taken)
        if found is None:
            raise messages.exhausted(network, index, range_set, taken)
        ip = found.to_bytes(len(range_set[0].start), "big")
        since = time.time_ns() // 1_000_000 - COOL_DOWN_MS
        is_cooling = self.database.select(_IS_COOLING_DOWN, network, ip, since)
        if not is_cooling and not (memory and memory.is_avoided(network, ip)):
            return ip
        from cni_bridge.ledger import cooldown  # only if an address is freed and due soon after

        cooling = cooldown.cooling_down(self.database, network, since)
        remembered = memory.avoided(network, self._reserved) if memory else []
        avoided = [each for each in remembered if each not in cooling] + cooling
        return cooldown.prefer_others(tuple(ranges.sweep(range_set, last)), taken, avoided, ip)

    def _counter(self, network: str, range_set: RangeSet) -> "ranges.Count":
        """Return a function that counts the leases between two addresses."""
        width = len(range_set[0].start)

        def taken(low: int, high: int) -> int:
            ((count,),) = self.database.select(
                # The length, because an IPv6 address can sort between two IPv4 addresses.
                "select count(*) from lease"
                " where network = ? and address between ? and ? and length(address) = ?",
                network,
                low.to_bytes(width, "big"),
                high.to_bytes(width, "big"),
                width,
            )
            return int(count)

        if self._reserved is None:
            return taken
        leased = self.database.select("select address from lease where network = ?", network)
        return self._reserved.counted_with(taken, {ip for (ip,) in leased}, width)

    def _in_use(self, network: str, ip: bytes, range_set: RangeSet) -> errors.AddressInUse:
        (holder,) = self._holders(network, ip)
        return messages.held(self.database, ip, range_set, holder)

    def _holders(self, network: str, ip: bytes) -> tuple[Holding, ...]:
        return self._select(
            " where (network, container, ifname) ="
            " (select network, container, ifname from lease where network = ? and address = ?)",
            network,
            ip,
        )

    def _select(self, where: str, *values: object) -> tuple[Holding, ...]:
        try:
            return self._read(where, *values)
        except (AttributeError, TypeError, ValueError) as error:  # a column of another type
            raise self.database.damaged(error) from error

    def _read(self, where: str, *values: object) -> tuple[Holding, ...]:
        rows = self.database.select(_HOLDINGS + where + _IN_ORDER, *values)
        by_attachment: dict[tuple[Any, ...], list[Lease]] = {}
        for *columns, ip, length, gateway in rows:
            leases = by_attachment.setdefault(tuple(columns), [])
            if ip is not None:
                leases.append(Lease(address=Prefix(ip=ip, length=length), gateway=gateway))
        return tuple(_holding(columns, leases) for columns, leases in by_attachment.items())


def _holding(columns: "tuple[Any, ...]", leases: list[Lease]) -> Holding:
    """Return the record of a row. Raises TypeError, AttributeError, ValueError if it is damaged."""
    network, container, ifname, host_name, path, device, inode, boot_id, *rest = columns
    created, pid, is_confirmed, bridge, mac = rest
    if not all(type(each) is int for each in (device, inode, created, pid)):
        raise TypeError(f"holding of {container}: a number is none")
    return Holding(
        attachment=Attachment(network=network, container=container, ifname=ifname),
        host_name=host_name,
        netns=Netns(path=path.decode("utf-8", "surrogateescape"), device=device, inode=inode),
        boot_id=boot_id,
        created=created,
        pid=pid,
        is_confirmed=bool(is_confirmed),
        leases=tuple(leases),
        bridge=bridge,
        mac=mac,
    )


def _key(attachment: Attachment) -> tuple[str, str, str]:
    return attachment.network, attachment.container, attachment.ifname


def _claim_key(holding: Holding) -> tuple[str, str, str, int, int]:
    return (*_key(holding.attachment), holding.pid, holding.created)
