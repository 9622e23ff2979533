"""What commands have changed of running attachments since their ADD; it goes with the attachment.

CHECK compares with it in place of what the runtime's config says. Loaded only by what needs it.
"""

from cni_bridge.model import Attachment

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cni_bridge.ledger.database import Database

PORTS = "ports"  # which ones, the firewall's records tell


def note(database: "Database", attachment: Attachment, what: str, value: str = "") -> None:
    """Record a change of a recorded attachment, in place of an earlier one of its kind."""
    key = attachment.network, attachment.container, attachment.ifname
    with database.transaction():
        database.change("replace into changed values (?, ?, ?, ?, ?)", *key, what, value)


def of(database: "Database", attachment: Attachment) -> dict[str, str]:
    """Return the changes of an attachment: what, and to which value."""
    sql = "select what, value from changed where network = ? and container = ? and ifname = ?"
    key = attachment.network, attachment.container, attachment.ifname
    return dict(database.select(sql, *key))
