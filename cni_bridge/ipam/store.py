"""The ledger: which attachment holds which addresses.

It knows nothing of the kernel's interfaces, and no transaction outlives the call that began it.
"""

from cni_bridge import address, errors
from cni_bridge.address import Prefix
from cni_bridge.ipam import database, ranges, statedir, wording
from cni_bridge.ipam.database import PATIENCE_S, Database
from cni_bridge.model import Attachment, Holding, Lease, Netns, RangeSet
from cni_bridge.record import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from cni_bridge.ipam.hostlocal import Reservations

_HOLDINGS = """
select network, container, ifname, host_name, netns_path, netns_device, netns_inode,
  boot_id, created, pid, is_confirmed, address, prefix_length, gateway
from holding left join lease using (network, container, ifname)
"""
_IN_ORDER = " order by network, container, ifname, range_set"
_CONFIRM = """
update holding set is_confirmed = 1
where network = ? and container = ? and ifname = ? and pid = ? and created = ?
"""
_IS_WIRED = "select 1 from wire where network = ? and container = ? and ifname = ?"
_RELEASE = "delete from holding where network = ? and container = ? and ifname = ?"


def open_ledger(state_dir: str, patience_s: float = PATIENCE_S) -> "Ledger":
    """The ledger of a state directory, made if missing; raises IOFailure, TryAgainLater."""
    statedir.ensure(state_dir)
    return Ledger(database.opened(state_dir, patience_s) or database.created(state_dir, patience_s))


def find_ledger(state_dir: str, patience_s: float = PATIENCE_S) -> "Ledger | None":
    """The ledger of a state directory, or None if no ADD has made it yet; creates nothing."""
    if not statedir.is_usable(state_dir):
        return None
    found = database.opened(state_dir, patience_s)
    return Ledger(found) if found else None


class Ledger:
    """An open ledger; every method may raise IOFailure and TryAgainLater."""

    def __init__(self, opened: Database) -> None:
        self.database = opened  # public for the firewall's half of it
        self._reserved: Reservations | None = None

    def respect(self, reserved: "Reservations | None") -> None:
        """From now on, lease nothing that is reserved elsewhere."""
        self._reserved = reserved

    def close(self) -> None:
        """Close the file."""
        self.database.close()

    # ------------------------------------------------------------ what ADD does

    def claim(
        self,
        attachment: Attachment,
        *,
        host_name: str,
        netns: Netns,
        boot_id: str,
        now_ms: int,
        pid: int,
        range_sets: tuple[RangeSet, ...] = (),
        requested: tuple[bytes, ...] = (),
    ) -> Holding:
        """Record the attachment and lease it one address of each range set: all of it, or nothing.

        A requested address replaces the round robin in the set that it lies in. Raises
        InvalidConfig, AddressInUse, RangeExhausted, AttachmentExists, NameTaken.
        """
        wanted = ranges.assign(range_sets, requested)
        holding = Holding(
            attachment=attachment,
            host_name=host_name,
            netns=netns,
            boot_id=boot_id,
            created=now_ms,
            pid=pid,
            is_confirmed=False,
            leases=(),
        )
        self.database.begin()
        try:
            self._insert(holding)
            leases = tuple(
                self._lease(attachment, index, range_set, wanted[index])
                for index, range_set in enumerate(range_sets)
            )
            self.database.commit()
        finally:
            self.database.rollback()
        return replace(holding, leases=leases)

    def confirm(self, holding: Holding) -> None:
        """Mark the ADD of that claim as finished; TryAgainLater if a DEL has overtaken it.

        A claim that a later ADD has made for the same attachment is not mistaken for this one.
        """
        is_there = self.database.change(
            _CONFIRM,
            *_key(holding.attachment),
            holding.pid,
            holding.created,
        )
        if not is_there:
            raise errors.TryAgainLater(
                f"{wording.name(holding.attachment)} was deleted while it was being added"
            )

    def is_superseded(self, holding: Holding) -> bool:
        """Whether a later ADD has claimed the same attachment, after a DEL of this one."""
        current = self.find(holding.attachment)
        return current is not None and (current.pid, current.created) != (
            holding.pid,
            holding.created,
        )

    # ------------------------------------------------------------ what the other commands do

    def rehearse(self, network: str, range_sets: tuple[RangeSet, ...]) -> tuple[bytes, ...]:
        """The addresses that a claim would take now; RangeExhausted if it would. Changes nothing."""
        self.database.begin()
        try:
            return tuple(
                self._next_free(network, index, each) for index, each in enumerate(range_sets)
            )
        finally:
            self.database.rollback()

    def find(self, attachment: Attachment) -> Holding | None:
        """The record of an attachment."""
        whose = " where network = ? and container = ? and ifname = ?"
        found = self._select(whose, *_key(attachment))
        return found[0] if found else None

    def is_wired(self, attachment: Attachment) -> bool:
        """Whether the attachment is an end of a wire."""
        return bool(self.database.select(_IS_WIRED, *_key(attachment)))

    def release(self, *attachments: Attachment) -> None:
        """Forget attachments and free their addresses; success too when there is nothing to do."""
        self.database.change_all(_RELEASE, map(_key, attachments))

    def holdings(self, network: str | None = None) -> tuple[Holding, ...]:
        """All records, or those of one network, ordered by network, container and ifname."""
        if network is None:
            return self._select("")
        return self._select(" where network = ?", network)

    def free(self, network: str, range_set: RangeSet) -> int:
        """How many addresses of a range set are left."""
        taken = self._counter(network, range_set)
        return sum(high - low + 1 - taken(low, high) for low, high in ranges.sweep(range_set))

    # ------------------------------------------------------------ helpers

    def _insert(self, holding: Holding) -> None:
        attachment, netns = holding.attachment, holding.netns
        is_new = self.database.change(
            "insert into holding values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0) on conflict do nothing",
            *_key(attachment),
            holding.host_name,
            netns.path.encode("utf-8", "surrogateescape"),
            netns.device,
            netns.inode,
            holding.boot_id,
            holding.created,
            holding.pid,
        )
        if is_new:
            return
        if earlier := self.find(attachment):
            raise errors.AttachmentExists(
                f"{wording.name(attachment)} exists already, duplicate allocation is not allowed",
                f"{wording.facts(earlier)} Send DEL for it first.",
            )
        (owner,) = self._select(" where host_name = ?", holding.host_name)
        raise errors.NameTaken(
            f"the host end's name {holding.host_name} is that of {wording.name(owner.attachment)}",
            f"{wording.facts(owner)} Names follow from network, container id and ifname: change one.",
        )

    def _lease(
        self, attachment: Attachment, index: int, range_set: RangeSet, requested: bytes | None
    ) -> Lease:
        network = attachment.network
        if requested and self._reserved and requested in self._reserved:
            raise wording.unavailable(requested, range_set, self._reserved.text(requested))
        ip = requested or self._next_free(network, index, range_set)
        lease = ranges.lease(range_set, ip)
        is_new = self.database.change(
            "insert into lease values (?, ?, ?, ?, ?, ?, ?) on conflict do nothing",
            network,
            ip,
            lease.address.length,
            lease.gateway,
            index,
            attachment.container,
            attachment.ifname,
        )
        if not is_new:
            raise self._in_use(network, ip, range_set)
        self.database.change("replace into last_leased values (?, ?, ?)", network, index, ip)
        return lease

    def _next_free(self, network: str, index: int, range_set: RangeSet) -> bytes:
        rows = self.database.select(
            "select address from last_leased where network = ? and range_set = ?", network, index
        )
        taken = self._counter(network, range_set)
        spans = ranges.sweep(range_set, rows[0][0] if rows else None)
        found = ranges.first_free(spans, taken)
        if found is None:
            raise self._exhausted(network, index, range_set)
        return found.to_bytes(len(range_set[0].start), "big")

    def _counter(self, network: str, range_set: RangeSet) -> "ranges.Count":
        """A function that counts the leases from one address to another."""
        width = len(range_set[0].start)

        def taken(low: int, high: int) -> int:
            ((count,),) = self.database.select(
                # The length, because an address of IPv6 can sort between two of IPv4.
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
        (holder,) = self._select(
            " where (network, container, ifname) ="
            " (select network, container, ifname from lease where network = ? and address = ?)",
            network,
            ip,
        )
        who = f"{wording.name(holder.attachment)}. {wording.facts(holder)}"
        return wording.unavailable(ip, range_set, who)

    def _exhausted(self, network: str, index: int, range_set: RangeSet) -> errors.RangeExhausted:
        taken = self._counter(network, range_set)
        counts = "; ".join(
            f"{ranges.range_text(each)}: {count} leases"
            for each in range_set
            for count in [taken(address.number(each.start), address.number(each.end))]
        )
        return errors.RangeExhausted(
            f"failed to allocate for range {index}: "
            f"no IP addresses available in range set: {ranges.set_text(range_set)}",
            f"{counts}. Delete containers of network {network}, or give it a larger range.",
        )

    def _select(self, where: str, *values: object) -> tuple[Holding, ...]:
        rows = self.database.select(_HOLDINGS + where + _IN_ORDER, *values)
        by_attachment: dict[tuple[Any, ...], list[Lease]] = {}
        for *columns, ip, length, gateway in rows:
            leases = by_attachment.setdefault(tuple(columns), [])
            if ip is not None:
                leases.append(Lease(address=Prefix(ip=ip, length=length), gateway=gateway))
        return tuple(_holding(columns, leases) for columns, leases in by_attachment.items())


def _holding(columns: "tuple[Any, ...]", leases: list[Lease]) -> Holding:
    network, container, ifname, host_name, path, device, inode, boot_id, *rest = columns
    created, pid, is_confirmed = rest
    return Holding(
        attachment=Attachment(network=network, container=container, ifname=ifname),
        host_name=host_name,
        netns=Netns(path=path.decode("utf-8", "surrogateescape"), device=device, inode=inode),
        boot_id=boot_id,
        created=created,
        pid=pid,
        is_confirmed=bool(is_confirmed),
        leases=tuple(leases),
    )


def _key(attachment: Attachment) -> tuple[str, str, str]:
    return attachment.network, attachment.container, attachment.ifname
