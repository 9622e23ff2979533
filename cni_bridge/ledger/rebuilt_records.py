"""Write records of attachments that were found in the kernel.

Leases nothing: the addresses are in use already.
"""

from cni_bridge.lean.record import replace
from cni_bridge.ledger import container_names
from cni_bridge.model_optional import Names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cni_bridge.ledger.database import Database
    from cni_bridge.model import Attachment, Holding

_HOLDING = """
insert into holding values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 1, ?, ?) on conflict do nothing
"""
_LEASE = "insert into lease values (?, ?, ?, ?, ?, ?, ?) on conflict do nothing"
# Its position is lost, so the round robin continues after the highest address in use.
_LAST = """
insert into last_leased values (?, ?, ?)
on conflict do update set address = max(address, excluded.address)
"""


def complete(database: "Database") -> None:
    """Mark the ledger as complete: an attachment without a record does not exist."""
    database.change("update ledger set is_whole = 1")


def note_look(database: "Database", network: str) -> None:
    """Record that the kernel was asked for the attachments of a network."""
    database.change("insert into last_leased values (?, -1, x'') on conflict do nothing", network)


def name(
    database: "Database",
    attachment: "Attachment",
    own: str,
    namespace: str,
    aliases: tuple[str, ...],
) -> None:
    """Record the names of an attachment that has a record now."""
    if own or aliases:
        names = Names(own=own, namespace=namespace, aliases=aliases)
        container_names.insert(database, attachment, names)


def insert(database: "Database", holding: "Holding") -> "Holding | None":
    """Record an attachment that has no record; return it with the addresses that it alone has.

    Returns None if it has a record.
    """
    attachment, netns = holding.attachment, holding.netns
    key = attachment.network, attachment.container, attachment.ifname
    row = (
        *key,
        holding.host_name,
        netns.path.encode("utf-8", "surrogateescape"),
        netns.device,
        netns.inode,
        holding.boot_id,
        holding.created,
        holding.pid,
    )
    # Two interfaces may have one MAC already: then the second is recorded without.
    if not (
        database.change(_HOLDING, *row, holding.bridge, holding.mac)
        or database.change(_HOLDING, *row, None, None)
    ):
        return None
    network, *who = key
    alone = []
    for index, lease in enumerate(holding.leases):
        address = lease.address
        lease_row = (network, address.ip, address.length, lease.gateway, index, *who)
        if database.change(_LEASE, *lease_row):
            database.change(_LAST, network, index, address.ip)
            alone.append(lease)
    return replace(holding, leases=tuple(alone))
