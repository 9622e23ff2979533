"""Who is guarded by the firewall, or on a wire: all that runs have to know that deal with neither.

The records themselves are in `register` and `wires`, which are loaded only for those that are.
"""

from cni_bridge.lean.record import replace
from cni_bridge.ledger import state_directory, store
from cni_bridge.model import Attachment

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from cni_bridge.firewall.register import Register
    from cni_bridge.ledger.database import Database
    from cni_bridge.ledger.store import Ledger
    from cni_bridge.model import NetworkConfig

# Ports, bridges and tables are the host's: they are recorded in its ledger, even if a network keeps
# its addresses in one of its own.


def open_register(ledger: "Ledger") -> "Register":
    """The firewall's records, to write to."""
    from cni_bridge.firewall.register import Register

    return Register(_hosts(ledger) or store.open_ledger(state_directory.HOST).database)


def find_register(
    ledger: "Ledger | None", attachments: "Iterable[Attachment]"
) -> "Register | None":
    """The firewall's records, if one of the attachments is guarded."""
    database = _find(ledger)
    if database is None or not any(_is_guarded(database, item) for item in attachments):
        return None
    from cni_bridge.firewall.register import Register

    return Register(database)


def as_published(
    settings: "NetworkConfig", ledger: "Ledger | None", attachment: Attachment
) -> "NetworkConfig":
    """The config with the ports that ADD has published, which a runtime need not repeat to CHECK."""
    register = find_register(ledger, (attachment,))
    if register is None or (settings.firewall and settings.firewall.ports):
        return settings
    from cni_bridge.firewall.model import FirewallConfig
    from cni_bridge.firewall.register import published

    ports, translates_source = published(register.of_attachment(attachment))
    rules = settings.firewall or FirewallConfig(translates_source=translates_source)
    return replace(settings, firewall=replace(rules, ports=ports)) if ports else settings


def is_wired(ledger: "Ledger | None", attachment: Attachment) -> bool:
    """Whether the attachment is an end of a wire."""
    sql = "select 1 from wire where network = ? and container = ? and ifname = ?"
    who = attachment.network, attachment.container, attachment.ifname
    return ledger is not None and bool(ledger.database.select(sql, *who))


def everyone(ledger: "Ledger") -> set[Attachment]:
    """All attachments that this ledger's half of the firewall does something for."""
    rows = ledger.database.select("select network, container, ifname from guarded")
    return {
        Attachment(network=network, container=container, ifname=ifname)
        for network, container, ifname in rows
    }


def release_recalled(ledger: "Ledger", attachments: "Iterable[Attachment]") -> None:
    """Let the host's ledger forget those of a network that has its own: after a loss it records all
    that the kernel shows."""
    database = None if is_hosts(ledger) else _find(ledger)
    if database:
        store.Ledger(database).release(*attachments)


def guarded(ledger: "Ledger | None", network: str) -> tuple[Attachment, ...]:
    """The attachments of a network that are guarded, whatever became of its own ledger."""
    database = _find(ledger)
    if database is None:
        return ()
    rows = database.select("select container, ifname from guarded where network = ?", network)
    return tuple(
        Attachment(network=network, container=container, ifname=ifname)
        for container, ifname in rows
    )


def _is_guarded(database: "Database", attachment: Attachment) -> bool:
    sql = "select 1 from guarded where network = ? and container = ? and ifname = ?"
    return bool(database.select(sql, attachment.network, attachment.container, attachment.ifname))


def _find(ledger: "Ledger | None") -> "Database | None":
    database = _hosts(ledger) if ledger else None
    if database is None:
        found = store.find_ledger(state_directory.HOST)
        database = found.database if found else None
    return database


def with_hosts(ledger: "Ledger") -> "tuple[Ledger, ...]":
    """That ledger, and the host's own if it is another one."""
    return (ledger,) if is_hosts(ledger) else (ledger, store.open_ledger(state_directory.HOST))


def is_hosts(ledger: "Ledger") -> bool:
    """Whether it is the host's own, which all networks share that say nothing else."""
    return _hosts(ledger) is not None


def _hosts(ledger: "Ledger") -> "Database | None":
    """The ledger's file if it is the host's own."""
    own = ledger.database
    return own if own.path.rpartition("/")[0].rstrip("/") == state_directory.HOST else None
