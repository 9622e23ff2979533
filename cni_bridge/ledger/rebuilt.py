"""Records written after the fact, of attachments that were found in the kernel.

Nothing is leased here: who has an address has it already.
"""

from cni_bridge.lean.record import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cni_bridge.ledger.database import Database
    from cni_bridge.model import Holding

_HOLDING = "insert into holding values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 1) on conflict do nothing"
_LEASE = "insert into lease values (?, ?, ?, ?, ?, ?, ?) on conflict do nothing"
# The round robin goes on after the last address that is in use, as nobody knows where it stood.
_LAST = """
insert into last_leased values (?, ?, ?)
on conflict do update set address = max(address, excluded.address)
"""


def complete(database: "Database") -> None:
    """From now on, who is not recorded is not attached."""
    database.change("update ledger set is_whole = 1")


def insert(database: "Database", holding: "Holding") -> "Holding | None":
    """Record an attachment unless it is recorded; return it with the addresses that it has alone."""
    attachment, netns = holding.attachment, holding.netns
    key = attachment.network, attachment.container, attachment.ifname
    is_new = database.change(
        _HOLDING,
        *key,
        holding.host_name,
        netns.path.encode("utf-8", "surrogateescape"),
        netns.device,
        netns.inode,
        holding.boot_id,
        holding.created,
        holding.pid,
    )
    if not is_new:
        return None
    network, *who = key
    alone = []
    for index, lease in enumerate(holding.leases):
        address = lease.address
        row = (network, address.ip, address.length, lease.gateway, index, *who)
        if database.change(_LEASE, *row):
            database.change(_LAST, network, index, address.ip)
            alone.append(lease)
    return replace(holding, leases=tuple(alone))
