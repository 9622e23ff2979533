"""What commands have changed of running attachments since their ADD; it goes with the attachment.

CHECK compares with it in place of what the runtime's config says. Loaded only by what needs it.
"""

from cni_bridge.model import Attachment
from cni_bridge.model_optional import NO_LIMIT, Bandwidth, Limit

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cni_bridge.ledger.database import Database

PORTS = "ports"  # which ones, the firewall's records tell
DIRECTIONS = ("ingress", "egress")  # of a limit: bytes a second and bytes at once, 0 for none


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


def note_limit(database: "Database", attachment: Attachment, direction: str, limit: Limit) -> None:
    """Record the limit of what a container receives or sends."""
    note(database, attachment, direction, f"{limit.bytes_per_second} {limit.burst_bytes}")


def limited(database: "Database") -> dict[Attachment, dict[str, Limit]]:
    """Return the limits that commands have set, by direction."""
    sql = "select network, container, ifname, what, value from changed where what in (?, ?)"
    found: dict[Attachment, dict[str, Limit]] = {}
    for network, container, ifname, what, value in database.select(sql, *DIRECTIONS):
        attachment = Attachment(network=network, container=container, ifname=ifname)
        found.setdefault(attachment, {})[what] = _limit(database, value)
    return found


def bandwidth(
    database: "Database", changed: dict[str, str], configured: Bandwidth | None
) -> Bandwidth | None:
    """Return the limits of an attachment: those of its config, but for what has been changed."""
    limits: dict[str, Limit | None] = {
        direction: _limit(database, changed[direction])
        if direction in changed
        else getattr(configured, direction, None)
        for direction in DIRECTIONS
    }
    ingress, egress = (limits[each] if limits[each] != NO_LIMIT else None for each in DIRECTIONS)
    return Bandwidth(ingress=ingress, egress=egress) if ingress or egress else None


def _limit(database: "Database", value: str) -> Limit:
    rate, _, burst = value.partition(" ")
    if not (rate.isdecimal() and burst.isdecimal()):
        raise database.damaged(f"table changed: expected a rate and a burst, got {value!r:.60}")
    return Limit(bytes_per_second=int(rate), burst_bytes=int(burst))
