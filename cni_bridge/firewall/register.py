"""Record which attachment and which network has which firewall elements, in the ledger.

Knows what makes two published ports collide, and nothing of nftables or of the host's processes.
"""

import time

from cni_bridge import errors
from cni_bridge.firewall import nft_elements
from cni_bridge.firewall.model import Element, PublishedPort, Ruleset
from cni_bridge.model import Attachment

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from cni_bridge.ledger.database import Database, Row

_INSERT = "insert into element values (?, ?, ?, ?, ?, ?, ?) on conflict do nothing"
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
where port.data is not null and port.set_name in ('port4', 'port4_at')
  and port.network in (select network from element where set_name = 'bridges' and key = ? and data is null)
  and not exists (select 1 from element as off where off.network = port.network
    and off.container = port.container and off.ifname = port.ifname and off.set_name = 'snat_off4')
limit 1
"""
_WAIT = "insert into standby values (?, ?, ?, ?, ?, ?) on conflict do nothing"
_WAITING = """
select set_name, key, data from standby where network = ? and container = ? and ifname = ?
"""
_NEXT = """
select data, network, container, ifname from standby where set_name = ? and key = ? limit 1
"""
_DELETE_WAITING = "delete from standby where network = ? and container = ? and ifname = ?"
_DELETE_ONE_WAITING = """
delete from standby
where set_name = ? and key = ? and network = ? and container = ? and ifname = ?
"""
_CREATED = "select created from guarded where network = ? and container = ? and ifname = ?"
_DELETE_ALL = "delete from element where network = ? and container = ? and ifname = ?"
_DELETE_GUARDED = "delete from guarded where network = ? and container = ? and ifname = ?"
_ADVANCE = "update ruleset set generation = ? where generation = ?"
_ADVANCE_ONE = "update ruleset set generation = ? where family = ?"
_DELETE_FLAG = """
delete from element where set_name = ? and key = ? and network = ? and container = ''
"""
# Another published port of that number, unless both are bound to different host addresses; the
# first five letters of a map's name are its family.
_HOLDER = """
select network, container, ifname from element
where data is not null and substr(key, -8) = ? and substr(set_name, 1, 5) = ?
  and (key = ? or length(key) = 8 or ? = 8)
  and container <> ?
"""
_COLLISIONS = """
select count(*) from element as own join element as other
on other.data is not null and substr(other.key, -8) = substr(own.key, -8)
  and substr(other.set_name, 1, 5) = substr(own.set_name, 1, 5)
  and (length(other.key) = 8 or length(own.key) = 8)
  and other.container <> own.container
where own.data is not null and own.network = ? and own.container = ? and own.ifname = ?
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
        return tuple(
            Element(set_name=set_name, key=key, data=data)
            for set_name, key, data in self._database.select(_WAITING, *_key(attachment))
        )

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
    ) -> "set[Element]":
        """Record the elements of an attachment and of its network; those it has already stay.

        Return the ports that another attachment of the same container has: they lead there until
        that one goes. Raises PortPublished.
        """
        self._database.change(
            "insert into guarded values (?, ?, ?, ?) on conflict do nothing",
            *_key(attachment),
            time.time_ns() // 1_000_000,
        )
        owner = (attachment.network, "", "")
        self._database.change_all(_INSERT, [(*_columns(item), *owner) for item in shared])
        rows = [(*_columns(item), *_key(attachment)) for item in own]
        inserted = self._database.change_all(_INSERT, rows)
        ((collisions,),) = self._database.select(_COLLISIONS, *_key(attachment))
        missing = set(own) - set(self.of_attachment(attachment)) if inserted < len(own) else set()
        if collisions or any(self._holder(attachment, item) for item in missing):
            raise self._port_published(attachment, own)
        waiting = [(item.set_name, item.key, item.data, *_key(attachment)) for item in missing]
        self._database.change_all(_WAIT, waiting)
        return missing

    def insert_shared(self, items: "Iterable[Element]") -> None:
        """Record elements that no network owns; they go with the last attachment."""
        self._database.change_all(_INSERT, [(*_columns(item), "", "", "") for item in items])

    def is_held(self, attachment: Attachment, port: Element) -> bool:
        """Return whether another attachment's published port collides with that one."""
        return self._holder(attachment, port) is not None

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
        found = []
        for item in gone:
            for data, *key in self._database.select(_NEXT, item.set_name, item.key):
                successor = Element(set_name=item.set_name, key=item.key, data=data)
                self._database.change(_INSERT, *_columns(successor), *key)
                self._database.change(_DELETE_ONE_WAITING, item.set_name, item.key, *key)
                found.append(successor)
        return tuple(found)

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
        rows = self._database.select(
            "select boot_id, digest, handle, rules, generation from ruleset where family = ?",
            family,
        )
        if not rows:
            return None
        boot_id, digest, handle, rules, generation = rows[0]
        return Ruleset(
            boot_id=boot_id, digest=digest, handle=handle, rules=rules, generation=generation
        )

    def families(self) -> tuple[int, ...]:
        """Return the families whose table was ever loaded."""
        return tuple(family for (family,) in self._database.select("select family from ruleset"))

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

    def advance(self, families: "Iterable[int]", before: int, after: int) -> None:
        """Record the generation that cni-bridge's own changes have led to.

        For these families, which were just verified, and for tables that were up to date `before`.
        """
        self._database.change(_ADVANCE, after, before)
        for family in families:
            self._database.change(_ADVANCE_ONE, after, family)

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

    def _elements(self, where: str, *values: object) -> tuple[Element, ...]:
        rows = self._database.select(_ELEMENTS + where, *values)
        if not all(
            type(name) is str
            and type(key) is bytes
            and (key_end is None or (type(key_end) is bytes and len(key_end) == len(key)))
            and (data is None or (type(data) is bytes and len(data) in nft_elements.DATA_SIZES))
            for name, key, key_end, data in rows
        ):
            raise self._database.damaged("table element: a value makes no sense")
        return tuple(
            Element(set_name=set_name, key=key, key_end=key_end, data=data)
            for set_name, key, key_end, data in rows
        )

    def _holder(self, attachment: Attachment, port: Element) -> Attachment | None:
        suffix = port.key[-nft_elements.PORT_KEY_SIZE :]
        rows = self._database.select(
            _HOLDER, suffix, port.set_name[:5], port.key, len(port.key), attachment.container
        )
        return _attachment(rows[0]) if rows else None

    def _port_published(
        self, attachment: Attachment, wanted: "Iterable[Element]"
    ) -> errors.PortPublished:
        """Return the error that names the holder of the first port that collides."""
        held = (
            (port, holder)
            for port in wanted
            if port.set_name in nft_elements.PORT_MAPS
            for holder in [self._holder(attachment, port)]
            if holder
        )
        port, holder = next(held)
        ((created,),) = self._database.select(_CREATED, *_key(holder))
        from cni_bridge.ledger import container_names  # only for this error

        who = container_names.title(self._database, holder)
        since = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(created / 1000))
        return errors.PortPublished(
            f"{nft_elements.describe(port)} is held by container {who} on network {holder.network}",
            f"Interface {holder.ifname}, since {since}. Publish another host port, or delete that "
            "container.",
            holder,
        )


def published(own: "Iterable[Element]") -> tuple[tuple[PublishedPort, ...], bool]:
    """Return the ports that elements publish, and whether source addresses are translated."""
    own = tuple(own)
    ports = tuple(nft_elements.published_port(item) for item in own if item.data is not None)
    return ports, not any(item.set_name.startswith("snat_off") for item in own)


def _columns(element: Element) -> "Row":
    return element.set_name, element.key, element.key_end, element.data


def _attachment(row: "tuple[Any, ...]") -> Attachment:
    network, container, ifname = row
    return Attachment(network=network, container=container, ifname=ifname)


def _key(attachment: Attachment) -> tuple[str, str, str]:
    return attachment.network, attachment.container, attachment.ifname
