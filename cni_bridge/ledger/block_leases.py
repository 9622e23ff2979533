"""Write and list the blocks of a cluster network that are assigned to this host, for the agent.

These rows are all that passes from the agent to a plugin run, which reads them by `blocks`.
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
    """A block assignment in the ledger; it ends at `until`, CLOCK_BOOTTIME of that boot in ms."""

    subnet: Prefix
    boot_id: str
    until: int
    mtu: int
    used: int  # addresses leased to containers
    size: int  # addresses that can be leased


def publish(
    database: "Database",
    network: str,
    subnets: "Iterable[Prefix]",
    *,
    until_ms: int,
    boot_id: str,
    mtu: int,
) -> None:
    """Let this host lease addresses of these blocks until then, in addition to earlier ones."""
    rows = [(network, each.ip, each.length, boot_id, until_ms, mtu) for each in subnets]
    with database.transaction():
        database.change_all(_PUBLISH, rows)


def withdraw(database: "Database", network: str, subnet: Prefix) -> bool:
    """Stop leasing from a block, unless a container has an address of it; return whether it is so."""
    with database.transaction():
        if _used(database, network, subnet):
            return False
        database.change(_WITHDRAW, network, subnet.ip, subnet.length)
        return True


def listed(database: "Database", network: str) -> tuple[Leased, ...]:
    """Return all blocks of a network and how full they are, also those whose time is over."""
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
