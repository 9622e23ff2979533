"""Blocks of a cluster network that are leased to this host: the agent writes them, a claim reads them.

All that passes between the two; which blocks there are is decided elsewhere, by nobody on this path.
"""

import time

from cni_bridge import address
from cni_bridge.address import Prefix
from cni_bridge.errors import NotLeased
from cni_bridge.ipam import ranges
from cni_bridge.kernel import machine
from cni_bridge.record import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from cni_bridge.ipam.database import Database
    from cni_bridge.model import RangeSet

_OF_NETWORK = """
select address, prefix_length, boot_id, until, mtu from block where network = ? order by address
"""
_PUBLISH = "replace into block values (?, ?, ?, ?, ?, ?)"
_USED = """
select count(*) from lease where network = ? and address between ? and ? and length(address) = ?
"""
_WITHDRAW = "delete from block where network = ? and address = ? and prefix_length = ?"


@record
class Leased:
    """A block in the ledger; `until` is in milliseconds of CLOCK_BOOTTIME of that boot."""

    subnet: Prefix
    boot_id: str
    until: int
    mtu: int
    used: int  # addresses of it that containers have
    size: int  # addresses of it that containers can have


def now_ms() -> int:
    """Milliseconds since this boot, asleep or awake; no clock that is set can change it."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000_000


# ---------------------------------------------------------------- what a plugin run does


def source(network: str) -> "Callable[[Database], tuple[RangeSet, ...]]":
    """For a claim, which calls it inside of its transaction: no block is withdrawn meanwhile."""
    return lambda database: range_sets(database, network)


def range_sets(database: "Database", network: str) -> "tuple[RangeSet, ...]":
    """One range set a family: all blocks whose lease has not ended. Raises NotLeased."""
    rows = _rows(database, network)
    boot_id, now = machine.boot_id(), now_ms()
    valid = [row for row in rows if row[2] == boot_id and row[3] > now]
    if not valid:
        raise _not_leased(network, [now - row[3] for row in rows if row[2] == boot_id])
    by_family: dict[int, RangeSet] = {}
    for ip, length, *_ in valid:
        block = ranges.make_range(Prefix(ip=ip, length=length), None, None, None)
        by_family[len(ip)] = (*by_family.get(len(ip), ()), block)
    return tuple(by_family.values())


def mtu(database: "Database", network: str) -> int:
    """The MTU that fits through to other hosts; 0 where it is not known."""
    return min((row[4] for row in _rows(database, network) if row[4]), default=0)


# ---------------------------------------------------------------- what the agent does


def publish(
    database: "Database",
    network: str,
    subnets: "Iterable[Prefix]",
    *,
    until_ms: int,
    boot_id: str,
    mtu: int,
) -> None:
    """Let this host hand out these blocks until then, beside those that it has already."""
    rows = [(network, each.ip, each.length, boot_id, until_ms, mtu) for each in subnets]
    database.locked(lambda: database.change_all(_PUBLISH, rows))


def withdraw(database: "Database", network: str, subnet: Prefix) -> bool:
    """Stop handing out a block, unless a container has an address of it; whether it is gone."""

    def work() -> bool:
        if _used(database, network, subnet):
            return False
        database.change(_WITHDRAW, network, subnet.ip, subnet.length)
        return True

    return database.locked(work)


def listed(database: "Database", network: str) -> tuple[Leased, ...]:
    """All blocks of a network, those whose lease has ended too, and how full they are."""
    return tuple(
        Leased(
            subnet=subnet,
            boot_id=boot_id,
            until=until,
            mtu=mtu,
            used=_used(database, network, subnet),
            size=ranges.size((ranges.make_range(subnet, None, None, None),)),
        )
        for ip, length, boot_id, until, mtu in _rows(database, network)
        for subnet in [Prefix(ip=ip, length=length)]
    )


# ---------------------------------------------------------------- helpers


def _rows(database: "Database", network: str) -> "list[tuple[bytes, int, str, int, int]]":
    return [
        (row[0], row[1], row[2], row[3], row[4]) for row in database.select(_OF_NETWORK, network)
    ]


def _used(database: "Database", network: str, subnet: Prefix) -> int:
    first, last = address.first(subnet), address.last(subnet)
    ((count,),) = database.select(_USED, network, first, last, len(first))
    return int(count)


def _not_leased(network: str, ended_ms_ago: "list[int]") -> NotLeased:
    details = (
        f"`systemctl status cni-bridge-agent@{network}`, `cni-bridge show cluster`. Running "
        "containers go on."
    )
    if ended_ms_ago:
        seconds = min(ended_ms_ago) // 1000
        return NotLeased(
            f"this host's lease of its blocks of cluster network {network} ended {seconds} s ago",
            f"The agent has not renewed it: does it run, and does it reach the store? {details}",
        )
    return NotLeased(
        f"no block of cluster network {network} is leased to this host",
        f"Does `cni-bridge agent` run here? {details}",
    )
