"""Read the blocks of a cluster network that are assigned to this host, for a claim.

The agent writes them by `block_leases`; nothing here decides which blocks there are.
"""

import time

from cni_bridge import errors
from cni_bridge.address import Prefix
from cni_bridge.kernel import machine
from cni_bridge.ledger import ranges

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from cni_bridge.ledger.database import Database
    from cni_bridge.model import RangeSet

_OF_NETWORK = """
select address, prefix_length, boot_id, until, mtu from block where network = ? order by address
"""


def now_ms() -> int:
    """Return the milliseconds since boot, suspend included; setting the clock does not change it."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000_000


def source(network: str) -> "Callable[[Database], tuple[RangeSet, ...]]":
    """Return a function for a claim to call in its transaction: no block is withdrawn meanwhile."""
    return lambda database: range_sets(database, network)


def range_sets(database: "Database", network: str) -> "tuple[RangeSet, ...]":
    """Return one range set a family, of all blocks whose time is not over. Raises NotLeased."""
    known = rows(database, network)
    boot_id, now = machine.boot_id(), now_ms()
    valid = [row for row in known if row[2] == boot_id and row[3] > now]
    if not valid:
        raise _not_leased(network, [now - row[3] for row in known if row[2] == boot_id])
    by_family: dict[int, RangeSet] = {}
    for ip, length, *_ in valid:
        block = ranges.make_range(Prefix(ip=ip, length=length), None, None, None)
        by_family[len(ip)] = (*by_family.get(len(ip), ()), block)
    return tuple(by_family.values())


def mtu(database: "Database", network: str) -> int:
    """Return the path MTU to the network's other hosts; 0 if unknown."""
    return min((row[4] for row in rows(database, network) if row[4]), default=0)


def rows(database: "Database", network: str) -> "list[tuple[bytes, int, str, int, int]]":
    """Return address, length, boot id, end of the assignment and MTU of each block."""
    return [
        (row[0], row[1], row[2], row[3], row[4]) for row in database.select(_OF_NETWORK, network)
    ]


def _not_leased(network: str, ended_ms_ago: "list[int]") -> "errors.NotLeased":
    details = (
        f"`systemctl status cni-bridge-agent@{network}`, `cni-bridge show cluster`. Running "
        "containers go on."
    )
    if ended_ms_ago:
        seconds = min(ended_ms_ago) // 1000
        return errors.NotLeased(
            f"this host's lease of its blocks of cluster network {network} ended {seconds} s ago",
            f"The agent has not renewed it: does it run, and does it reach the store? {details}",
        )
    return errors.NotLeased(
        f"no block of cluster network {network} is leased to this host",
        f"Does `cni-bridge agent` run here? {details}",
    )
