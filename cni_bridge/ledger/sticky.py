"""What a container's name had last on a network with `ipam.sticky`: addresses, MAC, random host ports.

Loaded only for such networks. Records nothing but wishes: the ledger's constraints decide what is free.
"""

import time

from cni_bridge import address
from cni_bridge.lean.record import replace
from cni_bridge.ledger import ranges
from cni_bridge.model import Attachment

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from cni_bridge.firewall.model import PublishedPort
    from cni_bridge.ledger.database import Database
    from cni_bridge.ledger.hostlocal import Reservations
    from cni_bridge.model import Holding, NetworkConfig, RangeSet
    from cni_bridge.model_optional import Names

    Addresses = tuple[bytes | None, ...]

LIMIT = 8192  # rows of a network; an ADD may read them all
IN_USE = 1 << 60  # in place of a time that has not come yet
ADDRESS, MAC, PORT = "address", "mac", "port"  # kinds; a range set or a port follows
_OWN = "network = ? and name = ? and namespace = ? and ifname = ?"
_RECALL = f"select what, value from remembered where {_OWN}"  # noqa: S608 - a constant
_FORGET = f"delete from remembered where {_OWN} and what like ?"  # noqa: S608 - a constant
_NOTE = "replace into remembered values (?, ?, ?, ?, ?, ?, ?)"
_EXPIRE = "delete from remembered where network = ? and used < ?"
_FORGET_ALL = "delete from remembered where network = ?"
_COUNT = "select count(*) from remembered where network = ?"
# A DEL with a config that is not sticky any more does not record when it was.
_NOTICE = """
update remembered set used = ? where network = ? and used = ? and not exists (
  select 1 from name where network = remembered.network and name = remembered.name
  and namespace = remembered.namespace and ifname = remembered.ifname)
"""
_TRIM = """
delete from remembered where (network, name, namespace, ifname, what) in (
  select network, name, namespace, ifname, what from remembered
  where network = ? order by used limit ?)
"""
_IS_AVOIDED = "select 1 from remembered where network = ? and value = ? and what like 'address%'"
_AVOIDED = """
select value from remembered where network = ? and what like 'address%'
  and not exists (select 1 from lease where network = remembered.network and address = value)
group by value order by max(used)
"""
_IS_LEASED = "select 1 from lease where network = ? and address = ?"
_IS_MAC_HELD = "select 1 from holding where bridge = ? and mac = ?"
_FORGET_DUPLICATE = """
delete from remembered where what not like 'port%' and (network, name, namespace, ifname) in
  (select network, name, namespace, ifname from name
  where network = ? and container = ? and ifname = ? and is_alias = 0)
"""
_NAMESAKES = """
select network, container, ifname from name
where network = ? and name = ? and namespace = ? and ifname = ? and is_alias = 0
"""
_NAMES = """
select name, namespace, what, value from remembered
where network = ? and used between ? and ? order by name, namespace, what
"""


class Memory:
    """What a network remembers, inside the transaction of a claim for a container called so."""

    def __init__(self, database: "Database", called: "Names | None", keep_s: int) -> None:
        self._database = database
        self._called = called if called and called.own else None
        self._keep_ms = keep_s * 1000

    def expire(self, network: str) -> None:
        """Forget what is too old: before anything is looked up."""
        self._database.change(_EXPIRE, network, _oldest(self._keep_ms))

    def with_mac(self, holding: "Holding") -> "Holding":
        """Return the record with the MAC that its name had last, if no container on the bridge has it."""
        mac = self._recalled(holding).get(MAC) if holding.mac else None
        if not mac or self._database.select(_IS_MAC_HELD, holding.bridge, mac):
            return holding
        return replace(holding, mac=mac)

    def fill(
        self,
        holding: "Holding",
        range_sets: "tuple[RangeSet, ...]",
        wanted: "Addresses",
        reserved: "Reservations | None",
    ) -> "Addresses":
        """Return the requested addresses and, where none is requested, those that the name had last.

        One that is leased or reserved by now is left out.
        """
        network = holding.attachment.network
        last = [
            ip
            for what, ip in self._recalled(holding).items()
            if what.startswith(ADDRESS) and not self._database.select(_IS_LEASED, network, ip)
        ]
        return tuple(
            asked or next((ip for ip in last if _suits(ip, each, wanted, reserved)), None)
            for each, asked in zip(range_sets, wanted, strict=True)
        )

    def is_avoided(self, network: str, ip: bytes) -> bool:
        """Return whether a free address is remembered."""
        return bool(self._database.select(_IS_AVOIDED, network, ip))

    def avoided(self, network: str, reserved: "Reservations | None") -> list[bytes]:
        """Return the free addresses that are remembered, the longest unused first."""
        rows = self._database.select(_AVOIDED, network)
        return [ip for (ip,) in rows if reserved is None or ip not in reserved]

    def note(self, holding: "Holding") -> None:
        """Remember what the claim got, in place of what the name had before."""
        if self._called is None:
            return
        own = _own(holding.attachment, self._called)
        self._database.change(_FORGET, *own, f"{ADDRESS}%")
        rows = [(f"{ADDRESS} {at}", each.address.ip) for at, each in enumerate(holding.leases)]
        rows += [(MAC, holding.mac)] if holding.mac else []
        self._database.change_all(_NOTE, [(*own, *row, IN_USE) for row in rows])
        self._trim(holding.attachment.network)

    def _trim(self, network: str) -> None:
        surplus = count(self._database, network) - LIMIT
        if surplus > 0:
            self._database.change(_NOTICE, time.time_ns() // 1_000_000, network, IN_USE)
            self._database.change(_TRIM, network, surplus)

    def _recalled(self, holding: "Holding") -> dict[str, bytes]:
        if self._called is None:
            return {}
        return recalled(self._database, holding.attachment, self._called)


def recalled(database: "Database", attachment: Attachment, called: "Names") -> dict[str, bytes]:
    """Return what a name had last: kind and value."""
    return dict(database.select(_RECALL, *_own(attachment, called)))


def namesakes(database: "Database", attachment: Attachment, called: "Names") -> list[Attachment]:
    """Return the recorded attachments of other containers with that name."""
    return [
        Attachment(network=network, container=container, ifname=ifname)
        for network, container, ifname in database.select(_NAMESAKES, *_own(attachment, called))
        if container != attachment.container
    ]


def forget_duplicate(database: "Database", attachment: Attachment) -> None:
    """Forget addresses and MAC of an attachment's name: a foreign device has one of them."""
    who = attachment.network, attachment.container, attachment.ifname
    with database.transaction():
        database.change(_FORGET_DUPLICATE, *who)


def count(database: "Database", network: str) -> int:
    """Return how many values a network remembers."""
    ((number,),) = database.select(_COUNT, network)
    return int(number)


def forget_all(database: "Database", network: str) -> None:
    """Forget everything that a network remembers: it is not sticky any more."""
    if count(database, network):
        with database.transaction():
            database.change(_FORGET_ALL, network)


def with_last_ports(
    database: "Database", holding: "Holding", settings: "NetworkConfig"
) -> "NetworkConfig":
    """Return the config with the random host ports that the container's name had last."""
    rules, called = settings.firewall, settings.names
    if rules is None or called is None or all(port.host_port for port in rules.ports):
        return settings
    last = recalled(database, holding.attachment, called)
    ports = (
        port
        if port.host_port
        else replace(port, preferred=int.from_bytes(last.get(_what(port), b""), "big"))
        for port in rules.ports
    )
    return replace(settings, firewall=replace(rules, ports=tuple(ports)))


def note_ports(
    database: "Database",
    holding: "Holding",
    settings: "NetworkConfig",
    published: "Iterable[PublishedPort]",
) -> None:
    """Remember which host ports were chosen for those that were left open."""
    rules, called = settings.firewall, settings.names
    if rules is None or called is None or not called.own:
        return
    own = _own(holding.attachment, called)
    chosen = [(*own, what, value, IN_USE) for what, value in _chosen(rules.ports, published)]
    if chosen:
        with database.transaction():
            database.change(_FORGET, *own, f"{PORT}%")
            database.change_all(_NOTE, chosen)


def remembered(
    database: "Database", network: str, keep_s: int
) -> dict[tuple[str, str], list[bytes]]:
    """Return the deleted containers that a network remembers, by name and namespace: their addresses."""
    found: dict[tuple[str, str], list[bytes]] = {}
    for name, namespace, what, value in database.select(
        _NAMES, network, _oldest(keep_s * 1000), IN_USE - 1
    ):
        found.setdefault((name, namespace), []).extend([value] * what.startswith(ADDRESS))
    return found


def _chosen(
    asked: "Iterable[PublishedPort]", published: "Iterable[PublishedPort]"
) -> "Iterator[tuple[str, bytes]]":
    asked = tuple(asked)
    fixed = {(port.protocol, port.host_port) for port in asked if port.host_port}
    free = [each for each in published if (each.protocol, each.host_port) not in fixed]
    for port in asked:
        numbers = (
            each.host_port
            for each in free
            if (each.protocol, each.container_port) == (port.protocol, port.container_port)
            and port.host_ip in (b"", each.host_ip)
        )
        number = 0 if port.host_port else next(numbers, 0)
        if number:
            yield _what(port), number.to_bytes(2, "big")


def _what(port: "PublishedPort") -> str:
    where = address.text(port.host_ip) if port.host_ip else ""
    return f"{PORT} {port.protocol} {port.container_port} {where}"


def _suits(
    ip: bytes, range_set: "RangeSet", wanted: "Addresses", reserved: "Reservations | None"
) -> bool:
    return (
        ranges.offers(range_set, ip)
        and ip not in wanted
        and (reserved is None or ip not in reserved)
    )


def _oldest(keep_ms: int) -> int:
    return time.time_ns() // 1_000_000 - keep_ms


def _own(attachment: Attachment, called: "Names") -> tuple[str, str, str, str]:
    return attachment.network, called.own, called.namespace, attachment.ifname
