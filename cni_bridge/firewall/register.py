"""Record which attachment and which network has which firewall elements, in the ledger.

Knows what makes two published ports collide, and nothing of nftables or of the host's processes.
"""

import time

from cni_bridge.firewall import nft_elements
from cni_bridge.firewall.model import Element, PublishedPort, Ruleset
from cni_bridge.lean.record import tuple_records
from cni_bridge.model import Attachment

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from cni_bridge.ledger.database import Database, Row

MANY = 30  # ports of a map, from which on it takes less to record them by one statement
_INSERT = """
insert into element values (?, ?, nullif(?, x''), nullif(?, x''), ?, ?, ?) on conflict do nothing
"""
# Single ports of one map: ?3 has their keys of ?4 bytes, ?5 their data of ?6. In one statement SQLite
# needs a third of the time.
_INSERT_PORTS = """
insert into element
with recursive port (place) as (select 0 union all select place + 1 from port where place + 1 < ?1)
select ?2, substr(?3, place * ?4 + 1, ?4), null, substr(?5, place * ?6 + 1, ?6), ?7, ?8, ?9
from port where true on conflict do nothing
"""
_ELEMENTS = "select set_name, key, key_end, data from element"
# Without the first condition no index applies, and the rows of all containers are read.
_INTERVALS = " where data is null and set_name in (?, ?, ?, ?) group by set_name, key"
# What an unfinished ADD has recorded may not be in the kernel yet.
_CONFIRMED = """
 (container <> '' and not exists (select 1 from holding where holding.is_confirmed = 0
    and holding.network = element.network and holding.container = element.container
    and holding.ifname = element.ifname)
  or container = '' and exists (select 1 from guarded where guarded.network = element.network
    and not exists (select 1 from holding where holding.is_confirmed = 0
      and holding.network = guarded.network and holding.container = guarded.container
      and holding.ifname = guarded.ifname)))
"""
_COUNTS = "select set_name, count(distinct key) from element where set_name not in (?, ?, ?, ?) and"
_BY_SET = " group by set_name"
_CONFIRMED_INTERVALS = " where data is null and set_name in (?, ?, ?, ?) and"
_EACH_ONCE = " group by set_name, key"
_OWN = " where network = ? and container = ? and ifname = ?"
_HAS = "select 1 from guarded where network = ? and container = ? and ifname = ?"
_ANY_ATTACHMENT = "select 1 from guarded limit 1"
_ANYBODY = "select 1 from guarded where network = ? limit 1"
_ANY_HOLDER = "select 1 from element where set_name = ? and key = ? and data is null limit 1"
# Ports of a network on that bridge, of containers whose source addresses are translated.
_ON_LOOPBACK = """
select 1 from element as port
where port.data is not null and port.set_name in ('port4', 'port4_at', 'span4', 'span4_at')
  and port.network in (select network from element where set_name = 'bridges' and key = ? and data is null)
  and not exists (select 1 from element as off where off.network = port.network
    and off.container = port.container and off.ifname = port.ifname and off.set_name = 'snat_off4')
limit 1
"""
_DELETE_WAITING = "delete from standby where network = ? and container = ? and ifname = ?"
_DELETE_ALL = "delete from element where network = ? and container = ? and ifname = ?"
_DELETE_GUARDED = "delete from guarded where network = ? and container = ? and ifname = ?"
_TRUST = "update ruleset set generation = ? where family = ? and generation = 0"
_RULESETS = "select family, boot_id, digest, handle, rules, generation from ruleset"
_ADVANCE = "update ruleset set generation = ? where generation = ? or family in"
_DELETE_OWN = """
delete from element where network = ? and container = ? and ifname = ? and set_name = ? and key = ?
"""
_DELETE_FLAG = """
delete from element where set_name = ? and key = ? and network = ? and container = ''
"""


class Register:
    """The firewall's records in an open ledger; every method may raise LedgerUnusable, TryAgainLater.

    They decide what is in the kernel, so the kernel is changed only inside of a `transaction`.
    """

    def __init__(self, database: "Database") -> None:
        self._database = database

    def transaction(self) -> "Database":
        """Return the context of a write transaction: `with register.transaction():`."""
        return self._database.transaction()

    # ------------------------------------------------------------ queries

    def has(self, attachment: Attachment) -> bool:
        """Return whether the attachment is protected: the firewall does something for it."""
        return bool(self._database.select(_HAS, *_key(attachment)))

    def of_attachment(self, attachment: Attachment) -> tuple[Element, ...]:
        """Return the attachment's own elements."""
        return self._elements(_OWN, *_key(attachment))

    def of_network(self, network: str) -> tuple[Element, ...]:
        """Return the elements that all attachments of the network share."""
        return self._elements(_OWN, network, "", "")

    def everything(self) -> tuple[Element, ...]:
        """Return all elements, each once."""
        return self._elements(" group by set_name, key")

    def intervals(self, bridges: "Iterable[str]") -> tuple[Element, ...]:
        """Return the subnets of all networks on these bridges, and all cluster networks."""
        wanted = set(bridges)
        listed = self._elements(_INTERVALS, *nft_elements.INTERVALS)
        return tuple(
            item
            for item in listed
            if item.set_name in nft_elements.CLUSTERS or nft_elements.bridge_of(item) in wanted
        )

    def waiting(self, attachment: Attachment) -> tuple[Element, ...]:
        """Return the ports that another attachment of the same container has in the meantime."""
        from cni_bridge.firewall import port_records  # CHECK only

        return port_records.waiting(self._database, attachment)

    def answers_on_loopback(self, bridge: str) -> bool:
        """Return whether a port is published behind a bridge that shall answer on 127.0.0.1."""
        return bool(self._database.select(_ON_LOOPBACK, nft_elements.ifname(bridge)))

    def orphans(self, candidates: "Iterable[Element]") -> tuple[Element, ...]:
        """Return those without an owner; an element of a map never has a second owner."""
        return tuple(
            item
            for item in candidates
            if item.data is not None
            or not self._database.select(_ANY_HOLDER, item.set_name, item.key)
        )

    # ------------------------------------------------------------ changes, inside of `transaction`

    def insert(
        self, attachment: Attachment, shared: "Iterable[Element]", own: "tuple[Element, ...]"
    ) -> "tuple[Element, ...]":
        """Record the elements of an attachment and of its network; those it has already stay.

        Return its own. Ports that another attachment of the same container has are not among them:
        they lead there until that one goes. Raises PortPublished.
        """
        self._database.change(
            "insert into guarded values (?, ?, ?, ?) on conflict do nothing",
            *_key(attachment),
            time.time_ns() // 1_000_000,
        )
        may_clash = self._are_near(own)  # asked before its own are among them
        self._insert(shared, (attachment.network, "", ""))
        inserted = self._insert(own, _key(attachment))
        refused = set(own) - set(self.of_attachment(attachment)) if inserted < len(own) else set()
        if not may_clash:
            return own
        from cni_bridge.firewall import port_records  # few ports are near others

        clashes = port_records.clashes(self._database, attachment, len(own))
        if not refused and not clashes:
            return own
        for item in own:
            if item in refused or (item.set_name, item.key) in clashes:
                port_records.settle(self._database, attachment, item)
        return self.of_attachment(attachment)

    def insert_shared(self, items: "Iterable[Element]") -> None:
        """Record elements that no network owns; they go with the last attachment."""
        self._insert(items, ("", "", ""))

    def is_held(self, attachment: Attachment, port: Element) -> bool:
        """Return whether another attachment's published port collides with that one."""
        from cni_bridge.firewall import port_records  # only to choose a port

        return bool(port_records.holders(self._database, attachment, port))

    def delete(self, attachments: "Iterable[Attachment]") -> tuple[Element, ...]:
        """Delete attachments, and networks that have none left; return elements without an owner."""
        gone: set[Element] = set()
        networks = set()
        for attachment in attachments:
            networks.add(attachment.network)
            gone.update(self.of_attachment(attachment))
            self._database.change(_DELETE_ALL, *_key(attachment))
            self._database.change(_DELETE_GUARDED, *_key(attachment))
            self._database.change(_DELETE_WAITING, *_key(attachment))
        for network in networks:
            if not self._database.select(_ANYBODY, network):
                gone.update(self.of_network(network))
                self._database.change(_DELETE_ALL, network, "", "")
                if not self._database.select(_ANY_ATTACHMENT):
                    gone.update(self.of_network(""))
                    self._database.change(_DELETE_ALL, "", "", "")
        return self.orphans(gone)

    def hand_over(self, gone: "Iterable[Element]") -> tuple[Element, ...]:
        """Give ports that are gone to attachments that wait for them; return what these have now."""
        if not self._database.select("select 1 from standby limit 1"):
            return ()
        from cni_bridge.firewall import port_records  # few containers share ports

        return port_records.hand_over(self._database, gone)

    def unpublish(
        self, attachment: Attachment, wanted: "Iterable[PublishedPort]"
    ) -> "tuple[tuple[Element, ...], tuple[Element, ...]]":
        """Delete published ports of an attachment, also those that wait.

        Return the elements that are gone, and those that the rest of them became.
        """
        from cni_bridge.firewall import port_records  # a command only

        own = self.of_attachment(attachment)
        return port_records.unpublish(self._database, attachment, own, tuple(wanted))

    def drop(self, attachment: Attachment, items: "Iterable[Element]") -> tuple[Element, ...]:
        """Delete some elements of an attachment; return those that have no owner now.

        An attachment that nothing is left of, on a network without a firewall, is not protected any more.
        """
        gone = set(items).intersection(self.of_attachment(attachment))
        for item in gone:
            self._database.change(_DELETE_OWN, *_key(attachment), item.set_name, item.key)
        if not self.of_attachment(attachment) and not self.of_network(attachment.network):
            gone.update(self.delete((attachment,)))
        return self.orphans(gone)

    def drop_flags(self, network: str, wanted: "Iterable[Element]") -> tuple[Element, ...]:
        """Delete the flags of a network's older config; return those that have no owner now."""
        keep = set(wanted)
        bridges = {item.key for item in keep if item.set_name == "bridges"}
        dropped = [
            item
            for item in self.of_network(network)
            if item.set_name in nft_elements.FLAGS and item.key in bridges and item not in keep
        ]
        for item in dropped:
            self._database.change(_DELETE_FLAG, item.set_name, item.key, network)
        return self.orphans(dropped)

    # ------------------------------------------------------------ the tables

    def ruleset(self, family: int) -> Ruleset | None:
        """Return the table as it was loaded last, or None."""
        return self.rulesets().get(family)

    def rulesets(self) -> dict[int, Ruleset]:
        """Return each table that was ever loaded, by its family, as it was loaded last."""
        return {
            family: Ruleset(
                boot_id=boot_id, digest=digest, handle=handle, rules=rules, generation=generation
            )
            for family, boot_id, digest, handle, rules, generation in self._database.select(
                _RULESETS
            )
        }

    def counts(self) -> "dict[str, int]":
        """Return how many elements each set has at least, attachments that are being added aside."""
        rows = self._database.select(_COUNTS + _CONFIRMED + _BY_SET, *nft_elements.INTERVALS)
        counted: dict[str, int] = dict(rows)
        kept = nft_elements.effective(self._elements(_INTERVALS, *nft_elements.INTERVALS))
        confirmed = _CONFIRMED_INTERVALS + _CONFIRMED + _EACH_ONCE
        for item in self._elements(confirmed, *nft_elements.INTERVALS):
            if item in kept:
                counted[item.set_name] = counted.get(item.set_name, 0) + 1
        return counted

    def loaded(self, family: int, ruleset: Ruleset) -> None:
        """Record that a table was loaded."""
        self._database.change(
            "replace into ruleset values (?, ?, ?, ?, ?, ?)",
            family,
            ruleset.boot_id,
            ruleset.digest,
            ruleset.handle,
            ruleset.rules,
            ruleset.generation,
        )

    def doubt(self) -> "tuple[tuple[int, int], ...]":
        """Let the next run compare the tables with what is recorded; return what `trust` needs."""
        rows = self._database.select("select family, generation from ruleset where generation <> 0")
        self._database.change("update ruleset set generation = 0")
        return tuple((family, generation) for family, generation in rows)

    def trust(self, doubted: "Iterable[tuple[int, int]]") -> None:
        """Take a doubt back, unless another run has compared the table meanwhile."""
        for family, generation in doubted:
            self._database.change(_TRUST, generation, family)

    def advance(self, families: "Collection[int]", before: int, after: int) -> None:
        """Record the generation that cni-bridge's own changes have led to.

        For these families, which were just verified, and for tables that were up to date `before`.
        """
        verified = ", ".join("?" * len(families))
        self._database.change(f"{_ADVANCE} ({verified})", after, before, *families)

    def accepting(self) -> tuple[str, ...]:
        """Return the foreign chains that have a rule of cni-bridge."""
        chains = tuple(chain for (chain,) in self._database.select("select chain from accepting"))
        if any(type(each) is not str or each.count(" ") != 2 for each in chains):
            raise self._database.damaged(f"table accepting: no names of chains: {chains!r:.60}")
        return chains

    def insert_accepting(self, chains: "Iterable[str]") -> None:
        """Record that these chains get a rule of cni-bridge."""
        self._database.change_all(
            "insert into accepting values (?) on conflict do nothing",
            [(chain,) for chain in chains],
        )

    def delete_accepting(self) -> tuple[str, ...]:
        """Delete these records once no attachment is protected; return those that were deleted."""
        chains = self.accepting()
        if not chains or self._database.select(_ANY_ATTACHMENT):
            return ()
        self._database.change("delete from accepting")
        return chains

    # ------------------------------------------------------------ helpers

    def _insert(self, items: "Iterable[Element]", owner: tuple[str, str, str]) -> int:
        """Record elements that are not recorded yet; return how many those are."""
        inserted = 0
        few: list[Element] = []
        by_map: dict[str, list[Element]] = {}
        for item in items:
            if item.data is None or item.key_end:
                few.append(item)
            else:
                by_map.setdefault(item.set_name, []).append(item)
        for set_name, ports in by_map.items():
            if len(ports) < MANY:
                few += ports
                continue
            keys, data = [item.key for item in ports], [item.data or b"" for item in ports]
            joined = b"".join(keys), len(keys[0]), b"".join(data), len(data[0])
            inserted += self._database.change(_INSERT_PORTS, len(ports), set_name, *joined, *owner)
        return inserted + self._database.change_all(
            _INSERT, [(*_columns(item), *owner) for item in few]
        )

    def _are_near(self, own: "tuple[Element, ...]") -> bool:
        """Return whether ports are among these elements, and others near them are published."""
        if not any(map(nft_elements.is_port, own)):
            return False
        from cni_bridge.firewall import port_records  # most containers publish no ports

        return port_records.are_near(self._database, own)

    def _elements(self, where: str, *values: object) -> tuple[Element, ...]:
        rows = self._database.select(_ELEMENTS + where, *values)
        sizes = nft_elements.DATA_SIZES
        if not all(
            type(name) is str
            and type(key) is bytes
            and (key_end is None or (type(key_end) is bytes and len(key_end) == len(key)))
            and (data is None or (type(data) is bytes and len(data) == sizes.get(name)))
            for name, key, key_end, data in rows
        ):
            raise self._database.damaged("table element: a value makes no sense")
        return tuple(tuple_records(Element, rows))


def published(own: "Iterable[Element]") -> tuple[tuple[PublishedPort, ...], bool]:
    """Return the ports that elements publish, and whether source addresses are translated."""
    own = tuple(own)
    ports = tuple(nft_elements.published_port(item) for item in own if item.data is not None)
    return ports, not any(item.set_name.startswith("snat_off") for item in own)


def _columns(element: Element) -> "Row":
    """Return the values that `_INSERT` begins with.

    Neither bytes nor None: sqlite3 looks for an adapter for each of them, which costs more than to insert it.
    """
    return (
        element.set_name,
        bytearray(element.key),
        bytearray(element.key_end or b""),
        bytearray(element.data or b""),
    )


def _key(attachment: Attachment) -> tuple[str, str, str]:
    return attachment.network, attachment.container, attachment.ifname
