"""Published ports among the firewall's records: which collide, and which wait for one another.

A port may be one of a run, and two runs may have some numbers in common. Loaded only where ports are
published.
"""

import time

from cni_bridge import errors
from cni_bridge.firewall import nft_elements, port_runs
from cni_bridge.firewall.model import Element, PublishedPort
from cni_bridge.model import Attachment

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from cni_bridge.ledger.database import Database, Row

MANY = 100  # ports, for which it is worth to count the others
_INSERT = "insert into element values (?, ?, ?, ?, ?, ?, ?) on conflict do nothing"
_OWN = " where network = ? and container = ? and ifname = ?"
_WAIT = "insert into standby values (?, ?, ?, ?, ?, ?, ?) on conflict do nothing"
_WAITING = "select set_name, key, key_end, data from standby"
_ALL_WAITING = "select set_name, key, key_end, data, network, container, ifname from standby"
_DELETE_ONE_WAITING = """
delete from standby
where set_name = ? and key = ? and network = ? and container = ? and ifname = ?
"""
_DELETE_ONE = """
delete from element
where set_name = ? and key = ? and network = ? and container = ? and ifname = ?
"""
_CREATED = "select created from guarded where network = ? and container = ? and ifname = ?"
# Published ports of the same numbers and family, which is the fifth letter of a map's name. Those of
# one container at different host addresses differ; those of two containers do where neither is at all.
# The end of a key is a protocol and a number; the second part finds runs that begin below.
_SAME = """
  and substr(other.set_name, 5, 1) = substr(own.set_name, 5, 1)
  and (other.network, other.container, other.ifname) <> (own.network, own.container, own.ifname)
  and (substr(other.key, 1, length(other.key) - 8) = substr(own.key, 1, length(own.key) - 8)
    or other.container <> own.container and (length(other.key) = 8 or length(own.key) = 8))
"""
_OWN_PORTS = """
  from element where data is not null and network = ? and container = ? and ifname = ?
"""
# Two ranges of the primary key, so that the own ports are not read. A blob is above every text.
_RIVALS = """
  select * from element
  where data is not null and (network, container, ifname, set_name) < (?1, ?2, ?3, '')
  union all select * from element
  where data is not null and (network, container, ifname, set_name) > (?1, ?2, ?3, x'')
"""
# The signs keep SQLite from reading all of them for each rival; by numbers it finds the few that matter.
_IS_ASKED = "and (+other.network, +other.container, +other.ifname) = (?1, ?2, ?3)"
_ASKED = "select ? as network, ? as container, ? as ifname, ? as set_name, ? as key, ? as key_end"
_OTHERS = """
select own.set_name, own.key, other.set_name, other.key, other.key_end, other.data,
  other.network, other.container, other.ifname
from own cross join element as other where other.data is not null
"""
_FROM_OWN_NUMBERS_ON = """
  and substr(other.key, -8) between substr(own.key, -8) and substr(coalesce(own.key_end, own.key), -8)
"""
_FROM_LOWER_NUMBERS_ON = """
  and other.key_end is not null and substr(other.key_end, -8) >= substr(own.key, -8)
  and substr(other.key, -8) < substr(own.key, -8)
"""
_ALL_OTHERS = (
    *(_OTHERS, _FROM_OWN_NUMBERS_ON, _SAME, "union all"),
    *(_OTHERS, _FROM_LOWER_NUMBERS_ON, _SAME),
)
_CLASHES = " ".join(("with own as (select *", _OWN_PORTS, ")", *_ALL_OTHERS))
# The same, begun from the other attachments' ports: where they are fewer.
_CLASHES_OF_MANY = " ".join(
    (
        *("with own as (", _RIVALS, ")"),
        *(_OTHERS, _FROM_OWN_NUMBERS_ON, _SAME, _IS_ASKED, "union all"),
        *(_OTHERS, _FROM_LOWER_NUMBERS_ON, _SAME, _IS_ASKED),
    )
)
# Any published port between two numbers: few are, and to prepare this takes a quarter of the time.
_NEAR = """
select 1 from element where data is not null and substr(key, -8) between ?1 and ?2
union all select 1 from element where data is not null and key_end is not null
  and substr(key_end, -8) >= ?1 and substr(key, -8) < ?1
limit 1
"""
_COUNT_RIVALS = " ".join(("select count(*) from (select 1 from (", _RIVALS, ") limit ?4)"))
_HOLDERS = " ".join(("with own as (", _ASKED, ")", *_ALL_OTHERS))


def are_near(database: "Database", own: "tuple[Element, ...]") -> bool:
    """Return whether a port is published between the lowest and the highest number of these.

    If not, there are no clashes.
    """
    size = nft_elements.PORT_KEY_SIZE
    ports = [item for item in own if item.data is not None]  # there can be thousands
    firsts = [item.key[-size:] for item in ports]
    lasts = [item.key_end[-size:] for item in ports if item.key_end]
    return bool(database.select(_NEAR, min(firsts), max(firsts + lasts)))


def clashes(database: "Database", attachment: Attachment, count: int) -> "set[tuple[str, bytes]]":
    """Return sets and keys of an attachment's ports, of which there are `count`, that others have too."""
    key = _key(attachment)
    if count > MANY and database.select(_COUNT_RIVALS, *key, count)[0][0] < count:
        return {row[2:4] for row in database.select(_CLASHES_OF_MANY, *key)}
    return {row[:2] for row in database.select(_CLASHES, *key)}


def holders(
    database: "Database", attachment: Attachment, port: Element
) -> "list[tuple[Element, Attachment]]":
    """Return published ports of other attachments that collide with that one."""
    asked = (*_key(attachment), port.set_name, port.key, port.key_end)
    rows = database.select(_HOLDERS, *asked)
    return [(_element(row[2:6]), _attachment(row[6:])) for row in rows]


def waiting(database: "Database", attachment: Attachment) -> tuple[Element, ...]:
    """Return the ports that another attachment of the same container has in the meantime."""
    return tuple(map(_element, database.select(_WAITING + _OWN, *_key(attachment))))


def settle(database: "Database", attachment: Attachment, item: Element) -> "tuple[Element, ...]":
    """Record what no other attachment has of a published port; the rest waits.

    Return what is recorded. Raises PortPublished.
    """
    port, leads_to = nft_elements.published_port(item), nft_elements.address_behind(item)
    held = []
    for other, holder in holders(database, attachment, item):
        held.append(nft_elements.published_port(other))
        if holder.container != attachment.container:
            (part, *_) = port_runs.common(port, held[-1:])
            (first, *_) = nft_elements.of_port(part.host_ip, leads_to, part)
            raise _published_by(database, first, holder)
    database.change(_DELETE_ONE, item.set_name, item.key, *_key(attachment))
    free = _parts(leads_to, port_runs.without(port, held))
    record(database, attachment, free)
    _wait(database, attachment, _parts(leads_to, port_runs.common(port, held)))
    return free


def hand_over(database: "Database", gone: "Iterable[Element]") -> tuple[Element, ...]:
    """Give ports that are gone to attachments that wait for them; return what these have now."""
    rows = database.select(_ALL_WAITING)
    waiters: dict[Element, list[Attachment]] = {}
    for row in rows:
        waiters.setdefault(_element(row), []).append(_attachment(row[4:]))
    found: list[Element] = []
    for item in nft_elements.overlapping(waiters, gone):
        for attachment in waiters[item]:
            database.change(_DELETE_ONE_WAITING, item.set_name, item.key, *_key(attachment))
            found += settle(database, attachment, item)
    return tuple(found)


def unpublish(
    database: "Database",
    attachment: Attachment,
    own: tuple[Element, ...],
    wanted: tuple[PublishedPort, ...],
) -> "tuple[tuple[Element, ...], tuple[Element, ...]]":
    """Delete published ports of an attachment, those that wait too.

    Return the elements that are gone, and those that the rest of them became. A wanted port with an
    empty `host_ip` means wherever it is published.
    """
    gone: list[Element] = []
    left: list[Element] = []
    for item in filter(nft_elements.is_port, own):
        if (rest := _rest(item, wanted)) is not None:
            database.change(_DELETE_ONE, item.set_name, item.key, *_key(attachment))
            record(database, attachment, rest)
            gone.append(item)
            left += rest
    for item in waiting(database, attachment):
        if (rest := _rest(item, wanted)) is not None:
            database.change(_DELETE_ONE_WAITING, item.set_name, item.key, *_key(attachment))
            _wait(database, attachment, rest)
    return tuple(gone), tuple(left)


def _rest(item: Element, wanted: tuple[PublishedPort, ...]) -> "tuple[Element, ...] | None":
    """Return what is left of a published port without those wanted; None if it has none of them."""
    port = nft_elements.published_port(item)
    meant = [each for each in wanted if port_runs.is_meant(port, each)]
    if not meant:
        return None
    return _parts(nft_elements.address_behind(item), port_runs.without(port, meant))


def record(database: "Database", attachment: Attachment, items: "Iterable[Element]") -> None:
    """Record elements of an attachment."""
    rows = [(it.set_name, it.key, it.key_end, it.data, *_key(attachment)) for it in items]
    database.change_all(_INSERT, rows)


def _wait(database: "Database", attachment: Attachment, items: "Iterable[Element]") -> None:
    rows = [(it.set_name, it.key, it.data, *_key(attachment), it.key_end) for it in items]
    database.change_all(_WAIT, rows)


def _published_by(database: "Database", port: Element, holder: Attachment) -> errors.PortPublished:
    """Return the error that names the holder of a port."""
    ((created,),) = database.select(_CREATED, *_key(holder))
    from cni_bridge.ledger import container_names  # only for this error

    who = container_names.title(database, holder)
    since = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(created / 1000))
    return errors.PortPublished(
        f"{nft_elements.describe(port)} is held by container {who} on network {holder.network}",
        f"Interface {holder.ifname}, since {since}. Publish another host port, or delete that container.",
        holder,
    )


def _parts(leads_to: bytes, ports: "Iterable[PublishedPort]") -> "tuple[Element, ...]":
    return tuple(
        item for each in ports for item in nft_elements.of_port(each.host_ip, leads_to, each)
    )


def _element(row: "Row") -> Element:
    set_name, key, key_end, data = row[:4]
    return Element(set_name=set_name, key=key, key_end=key_end, data=data)


def _attachment(row: "tuple[Any, ...]") -> Attachment:
    network, container, ifname = row
    return Attachment(network=network, container=container, ifname=ifname)


def _key(attachment: Attachment) -> tuple[str, str, str]:
    return attachment.network, attachment.container, attachment.ifname
