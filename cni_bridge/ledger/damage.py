"""Find a value in a ledger that no cni-bridge has written. Loaded only where something failed.

SQLite finds damaged pages by itself; this is about rows that it can read.
"""

from cni_bridge import errors
from cni_bridge.ledger import state_directory, store
from cni_bridge.ledger.schema import SCHEMA

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cni_bridge.ledger.database import Database

_TABLE = "create table if not exists "
# What a column holds besides what its declaration says.
_TIME = "{} between 0 and 253402300799999"  # milliseconds, to the year 9999
_IP = "length({}) in (4, 16)"
_RULES = {
    ("ledger", "schema_version"): "{} > 0",
    ("lease", "prefix_length"): "{} between 0 and 8 * length(address)",
    ("lease", "gateway"): _IP,
    ("block", "prefix_length"): "{} between 0 and 8 * length(address)",
    ("last_leased", "address"): "length({}) in (0, 4, 16)",
    ("resting", "address"): _IP,
    ("remembered", "value"): (
        "length({0}) in (4, 16) and what like 'address %' or length({0}) = 6 and what = 'mac'"
        " or length({0}) = 2 and what like 'port %'"
    ),
    ("remembered", "used"): "{} >= 0",
    ("home", "directory"): "{} like '/%'",
    ("holding", "created"): _TIME,
    ("guarded", "created"): _TIME,
    ("holding", "mac"): "length({}) = 6",
    ("wire", "mac"): "length({}) = 6",
    ("wire", "mtu"): "{} between 0 and 65535",
    ("accepting", "chain"): "{} like '% % %'",
    ("element", "key_end"): "length({}) = length(key)",
    ("element", "data"): "length({}) in (4, 8, 16, 20)",
    ("standby", "data"): "length({}) in (4, 8, 16, 20)",
    ("standby", "key_end"): "length({}) = length(key)",
}


def explain(directory: str) -> errors.LedgerUnusable | None:
    """Return what is wrong with the values in this directory's ledger or in the host's, if anything."""
    for each in dict.fromkeys((directory, state_directory.HOST)):
        try:
            ledger = store.find_ledger(each)
        except errors.CniError:  # the command that failed has said so
            continue
        try:
            if ledger:
                require_sound(ledger.database)
        except errors.LedgerUnusable as error:
            return error
        except errors.TryAgainLater:
            pass
    return None


def require_sound(database: "Database") -> None:
    """Raise LedgerUnusable if a value is not what its column is for."""
    for table in [line.split()[5] for line in SCHEMA.splitlines() if line.startswith(_TABLE)]:
        columns = database.select('select name, type, "notnull" from pragma_table_info(?)', table)
        database.select(f"select * from {table}")  # noqa: S608 - a name of its own; is it UTF-8?
        for name, kind, is_required in columns:
            if kind.lower() not in ("integer", "text", "blob"):
                continue
            for (found,) in database.select(_unsound(table, name, kind, is_required)):
                raise database.damaged(
                    f"table {table}, column {name}: expected {kind.lower()}, got {found!r:.60}"
                )


def _unsound(table: str, name: str, kind: str, is_required: int) -> str:
    """Return a query for a value that the column must not hold."""
    rule = _RULES.get((table, name), "true").format(name)
    wrong = f"typeof({name}) <> '{kind.lower()}' or not ({rule})"
    where = wrong if is_required else f"{name} is not null and ({wrong})"
    return f"select {name} from {table} where {where} limit 1"  # noqa: S608 - names of its own
