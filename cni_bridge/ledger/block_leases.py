"""Blocks of a cluster network that are leased to this host, as the agent writes them in the ledger.

All that passes between the agent and a plugin run, which reads them in `blocks`.
"""

from cni_bridge import address
from cni_bridge.address import Prefix
from cni_bridge.lean.record import record
from cni_bridge.ledger import blocks, ranges

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from cni_bridge.ledger.database import Database

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
        for ip, length, boot_id, until, mtu in blocks.rows(database, network)
        for subnet in [Prefix(ip=ip, length=length)]
    )


def _used(database: "Database", network: str, subnet: Prefix) -> int:
    first, last = address.first(subnet), address.last(subnet)
    ((count,),) = database.select(_USED, network, first, last, len(first))
    return int(count)
