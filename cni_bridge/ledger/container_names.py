"""The names of attachments' containers in an open ledger. They go with their attachment.

Loaded only by what writes or shows them.
"""

from cni_bridge.model import Attachment
from cni_bridge.model_optional import Names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cni_bridge.ledger.database import Database

_INSERT = "insert into name values (?, ?, ?, ?, ?, ?) on conflict do nothing"
_PATH = "select netns_path from holding where network = ? and container = ? and ifname = ?"
_ID_LENGTH = 12  # of an id beside a name, as Docker shows it
NAMED = ("/run/netns", "/var/run/netns")
LAB_PREFIX = "cni-bridge-lab-"  # of the namespaces that `cni-bridge lab` makes
_HEX = frozenset("0123456789abcdef")
_NAMES = "select network, container, ifname, name, namespace, is_alias from name"


def insert(database: "Database", attachment: Attachment, names: Names) -> None:
    """Record the names of a recorded attachment, inside a transaction."""
    key = attachment.network, attachment.container, attachment.ifname
    rows = [(*key, names.own, names.namespace, 0)] if names.own else []
    rows += [(*key, alias, "", 1) for alias in names.aliases]
    database.change_all(_INSERT, rows)


def named(database: "Database", network: str | None = None) -> dict[Attachment, Names]:
    """Return the names of all attachments that have any, or of one network's."""
    if network is None:
        return _select(database, "")
    return _select(database, " where network = ?", network)


def of(database: "Database", attachment: Attachment) -> Names:
    """Return the names of one attachment; empty ones if it has none."""
    key = attachment.network, attachment.container, attachment.ifname
    found = _select(database, " where network = ? and container = ? and ifname = ?", *key)
    return found.get(attachment, Names())


def given(database: "Database", attachment: Attachment) -> Names | None:
    """Return the names that the runtime gave with ADD; None if it gave none."""
    found = of(database, attachment)
    return found if found.own or found.aliases else None


def holders(database: "Database", text: str) -> tuple[Attachment, ...]:
    """Return the attachments whose container has that name: `web`, or `namespace/web`."""
    where = " where name = ? or (namespace <> '' and namespace || '/' || name = ?)"
    return tuple(_select(database, where, text, text))


def text(names: Names) -> str:
    """Return the own name as people write it: `web`, or `namespace/web`; empty if there is none."""
    return f"{names.namespace}/{names.own}" if names.namespace else names.own


def of_namespace(path: str) -> str:
    """Return the name of a namespace that `ip netns` lists; empty for any other.

    Runtimes keep theirs there too: containerd as `cni-UUID`, podman as `netns-UUID`, CRI-O as a UUID.
    """
    directory, _, name = path.rpartition("/")
    name = name.removeprefix(LAB_PREFIX)
    is_generated = _is_uuid(name.removeprefix("cni-").removeprefix("netns-"))
    return name if directory in NAMED and name.isprintable() and not is_generated else ""


def title(database: "Database", attachment: Attachment) -> str:
    """Return what an error calls a container: `web (bb130bf84a3a)`, or its id if it has no name."""
    key = attachment.network, attachment.container, attachment.ifname
    paths = database.select(_PATH, *key)
    named = text(of(database, attachment))
    if not named and paths:
        named = of_namespace(paths[0][0].decode("utf-8", "surrogateescape"))
    container = attachment.container
    return container if named in ("", container) else f"{named} ({container[:_ID_LENGTH]})"


def _is_uuid(text: str) -> bool:
    groups = text.split("-")
    return list(map(len, groups)) == [8, 4, 4, 4, 12] and _HEX.issuperset("".join(groups))


def _select(database: "Database", where: str, *values: str) -> dict[Attachment, Names]:
    found: dict[Attachment, Names] = {}
    for network, container, ifname, name, namespace, is_alias in database.select(
        f"{_NAMES}{where} order by network, container, ifname, is_alias, name", *values
    ):
        attachment = Attachment(network=network, container=container, ifname=ifname)
        known = found.get(attachment, Names())
        found[attachment] = (
            Names(own=known.own, namespace=known.namespace, aliases=(*known.aliases, name))
            if is_alias
            else Names(own=name, namespace=namespace)
        )
    return found
