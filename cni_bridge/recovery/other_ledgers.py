"""Find records in ledgers other than the config's: `ipam.dataDir` may change while containers run.

The alias of a host end names its ledger. The host's ledger records where each network's last ADD was.
"""

from cni_bridge import names
from cni_bridge.errors import LedgerUnusable
from cni_bridge.kernel.netlink import Socket
from cni_bridge.lean.record import record
from cni_bridge.ledger import host_ledger, state_directory, store
from cni_bridge.parts import veth

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from cni_bridge.ledger.store import Ledger, Stamps
    from cni_bridge.model import Attachment

_NOTE_HOME = "replace into home values (?, ?)"
_HOME = "select directory from home where network = ?"
_HOMES = "select distinct directory from home"


@record
class Records:
    """The attachments that one ledger may have records of."""

    ledger: "Ledger"
    read: "Stamps"

    def release(self) -> None:
        """Delete the records, but not what a later ADD has recorded."""
        self.ledger.release(*self.read, read=self.read)


def records_of(
    host: Socket, ledger: "Ledger | None", attachments: "Sequence[Attachment]"
) -> list[Records]:
    """Return the records of attachments in ledgers other than this one.

    An attachment without a host end, or with an alias that names no directory, may be in the host's.
    """
    by_directory: dict[str, list[Attachment]] = {}
    for each in attachments:
        link = veth.find(host, names.host_name(each))
        is_ours = link is not None and names.is_alias_of(link.alias, each)
        directory = names.directory_in(link.alias) if link and is_ours else ""
        by_directory.setdefault(directory, []).append(each)
    own = directory_of(ledger) if ledger else ""
    found = []
    for named, some in by_directory.items():
        directory = _directory(named)
        other = store.find_ledger(directory) if directory not in ("", own) else None
        if other:
            claims = host_ledger.claims(other, some)
            read = {each: created for each, (created, _) in claims.items()}
            found.append(Records(ledger=other, read=read))
    return found


def move_network(ledger: "Ledger", network: str) -> bool:
    """Note that a network's addresses are in this ledger now; return whether they were elsewhere.

    The host's ledger forgets what it leased last, so that it will ask the kernel if it serves the
    network again.
    """
    directory = directory_of(ledger)
    try:
        hosts = store.open_ledger(state_directory.HOST).database
        if hosts.select(_HOME, network) == [(directory,)]:
            return False
        with hosts.transaction():
            hosts.change(_NOTE_HOME, network, directory)
            hosts.change("delete from last_leased where network = ?", network)
    except LedgerUnusable:
        pass  # asking the kernel each time is slower, but no less right
    return True


def return_network(ledger: "Ledger", network: str) -> None:
    """Note that a network's addresses are in the host's ledger again."""
    ledger.database.change("delete from home where network = ?", network)


def is_home(ledger: "Ledger", alias: str) -> bool:
    """Return whether the alias names this ledger."""
    named = names.directory_in(alias)
    if host_ledger.is_hosts(ledger):
        return named == ""
    own = directory_of(ledger)
    return named in (own, names.directory_digest(own))


def directory_of(ledger: "Ledger") -> str:
    """Return the state directory of a ledger."""
    return ledger.database.path.rpartition("/")[0]


def homes(network: str) -> "Iterable[Ledger]":
    """Return the ledger that a network's last ADD used, if it is not the host's and still exists."""
    hosts = store.find_ledger(state_directory.HOST)
    rows = hosts.database.select(_HOME, network) if hosts else []
    return [found for (path,) in rows if (found := store.find_ledger(path))]


def _directory(named: str) -> str:
    """Return the path of a directory that an alias names, perhaps by digest; empty if unknown."""
    if not named.startswith("#"):
        return named or state_directory.HOST
    hosts = store.find_ledger(state_directory.HOST)
    known = [path for (path,) in hosts.database.select(_HOMES)] if hosts else []
    return next((path for path in known if names.directory_digest(path) == named), "")
