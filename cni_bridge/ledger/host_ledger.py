"""Tell which attachments the firewall protects or are an end of a wire; find the host's ledger.

That is all that most runs need: `firewall.register` and `wire.ledger`, which hold the records, are
loaded only for those attachments.
"""

from cni_bridge import errors
from cni_bridge.lean.record import replace
from cni_bridge.ledger import state_directory, store
from cni_bridge.model import Attachment

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from cni_bridge.firewall.register import Register
    from cni_bridge.ledger.database import Database
    from cni_bridge.ledger.store import Ledger
    from cni_bridge.model import Holding, NetworkConfig

    Claims = dict[Attachment, tuple[object, bool]]

_IS_CHANGED = "select 1 from changed where network = ? and container = ? and ifname = ?"
# Ports, bridges and tables belong to the host, so the ledger in the default state directory records
# them, even if a network keeps its addresses in another directory.


def open_register(ledger: "Ledger") -> "Register":
    """Open the firewall's records for writing."""
    from cni_bridge.firewall.register import Register

    return Register(_hosts(ledger) or store.open_ledger(state_directory.HOST).database)


def find_register(
    ledger: "Ledger | None", attachments: "Iterable[Attachment]"
) -> "Register | None":
    """Return the firewall's records if one of the attachments is protected, else None."""
    database = _find(ledger)
    if database is None or not database.select_of("select 1 from guarded", _keys(attachments)):
        return None
    from cni_bridge.firewall.register import Register

    return Register(database)


def as_changed(
    settings: "NetworkConfig", ledger: "Ledger", attachment: Attachment
) -> "NetworkConfig":
    """Return the config with what ADD published, and what commands have changed since."""
    settings = as_published(settings, ledger, attachment)
    if not ledger.database.select(
        _IS_CHANGED, attachment.network, attachment.container, attachment.ifname
    ):
        return settings
    from cni_bridge.ledger import changes  # few attachments are changed

    changed = changes.of(ledger.database, attachment)
    limits = changes.bandwidth(ledger.database, changed, settings.bandwidth)
    return replace(settings, bandwidth=limits)


def as_published(
    settings: "NetworkConfig", ledger: "Ledger | None", attachment: Attachment
) -> "NetworkConfig":
    """Return the config with the ports that ADD published: a runtime need not repeat them to CHECK.

    A command may have published others since, or taken some back.
    """
    register = find_register(ledger, (attachment,))
    if register is None:
        return settings
    from cni_bridge.ledger import changes  # CHECK only, and only with a firewall

    is_changed = ledger is not None and changes.PORTS in changes.of(ledger.database, attachment)
    if settings.firewall and settings.firewall.ports and not is_changed:
        return settings
    from cni_bridge.firewall.model import FirewallConfig
    from cni_bridge.firewall.register import published

    ports, translates_source = published(register.of_attachment(attachment))
    rules = settings.firewall or FirewallConfig(translates_source=translates_source)
    if not ports and not is_changed:
        return settings
    return replace(settings, firewall=replace(rules, ports=ports))


def remember_ports(ledger: "Ledger", holding: "Holding", settings: "NetworkConfig") -> None:
    """Remember the numbers of random host ports for the container's name, if it has any."""
    rules = settings.firewall if settings.ipam.sticky else None
    if rules is None or all(port.host_port for port in rules.ports):
        return
    from cni_bridge.firewall.register import published
    from cni_bridge.ledger import sticky

    ports, _ = published(open_register(ledger).of_attachment(holding.attachment))
    sticky.note_ports(ledger.database, holding, settings, ports)


def is_wired(ledger: "Ledger | None", *attachments: Attachment) -> bool:
    """Return whether one of the attachments is an end of a wire."""
    sql = "select 1 from wire"
    return ledger is not None and bool(ledger.database.select_of(sql, _keys(attachments)))


def all_protected(ledger: "Ledger") -> set[Attachment]:
    """Return all attachments that this ledger's firewall records protect."""
    rows = ledger.database.select("select network, container, ifname from guarded")
    return {
        Attachment(network=network, container=container, ifname=ifname)
        for network, container, ifname in rows
    }


def release_rebuilt(ledger: "Ledger", attachments: "Iterable[Attachment]") -> None:
    """Delete the records that the host's ledger has of a network with a ledger of its own.

    The host's ledger, rebuilt after a loss, records all attachments that the kernel shows.
    """
    database = None if is_hosts(ledger) else _find(ledger)
    if database:
        store.Ledger(database).release(*attachments)


def claims(ledger: "Ledger | None", attachments: "Iterable[Attachment]") -> "Claims":
    """Return when each attachment's record was created, and whether an ADD did that.

    What is removed later is that record: another run may add the attachment again in between.
    """
    sql = "select network, container, ifname, created, pid from holding"
    rows = ledger.database.select_of(sql, _keys(attachments)) if ledger else ()
    return {
        Attachment(network=network, container=container, ifname=ifname): (created, pid != 0)
        for network, container, ifname, created, pid in rows
    }


def unchanged(
    ledger: "Ledger | None", attachments: "Sequence[Attachment]", read: "Claims"
) -> "Callable[[], list[Attachment]]":
    """Return a function that returns the attachments that no other run has added since `read` was read."""

    def current() -> "list[Attachment]":
        try:
            now = claims(ledger, attachments)
        except errors.CniError:
            now = read  # the ledger does not tell
        return [each for each in attachments if each not in now or now[each] == read.get(each)]

    return current


def protected(ledger: "Ledger | None", network: str) -> tuple[Attachment, ...]:
    """Return a network's protected attachments, even if its own ledger is lost."""
    database = _find(ledger)
    if database is None:
        return ()
    rows = database.select("select container, ifname from guarded where network = ?", network)
    return tuple(
        Attachment(network=network, container=container, ifname=ifname)
        for container, ifname in rows
    )


def _keys(attachments: "Iterable[Attachment]") -> "list[tuple[str, str, str]]":
    return [(each.network, each.container, each.ifname) for each in attachments]


def _find(ledger: "Ledger | None") -> "Database | None":
    database = _hosts(ledger) if ledger else None
    if database is None:
        found = store.find_ledger(state_directory.HOST)
        database = found.database if found else None
    return database


def with_hosts(ledger: "Ledger") -> "tuple[Ledger, ...]":
    """Return that ledger, and the host's if it is another one."""
    return (ledger,) if is_hosts(ledger) else (ledger, store.open_ledger(state_directory.HOST))


def is_hosts(ledger: "Ledger") -> bool:
    """Return whether it is the host's ledger, which networks without a `dataDir` share."""
    return _hosts(ledger) is not None


def _hosts(ledger: "Ledger") -> "Database | None":
    """Return the ledger's database if it is the host's."""
    own = ledger.database
    return own if own.path.rpartition("/")[0].rstrip("/") == state_directory.HOST else None
