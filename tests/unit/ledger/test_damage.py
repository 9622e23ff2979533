"""Values in a ledger that make no sense: each column of each table."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from cni_bridge.errors import LedgerUnusable
from cni_bridge.ledger import damage, store
from cni_bridge.ledger.schema import SCHEMA

SOUND = (
    "insert into holding values ('n', 'c', 'eth0', 'veth1', x'2f', 1, 2, 'boot', 3, 4, 1, 'b', x'020000000001')",
    "insert into lease values ('n', x'0a000002', 24, x'0a000001', 0, 'c', 'eth0')",
    "insert into last_leased values ('n', 0, x'0a000002')",
    "insert into last_leased values ('n', -1, x'')",
    "insert into resting values (1, 'n', x'0a000009', 5)",
    "insert into remembered values ('n', 'web', '', 'eth0', 'mac', x'020000000001', 5)",
    "insert into home values ('n', '/var/lib/x')",
    "insert into wire values ('n', 'c', 'eth0', 1500, x'020000000001')",
    "insert into name values ('n', 'c', 'eth0', 'web', '', 0)",
    "insert into changed values ('n', 'c', 'eth0', 'ports', '')",
    "insert into block values ('n', x'0a000000', 24, 'boot', 1, 1450)",
    "insert into ruleset values (1, 'boot', 'digest', 1, 2, 3)",
    "insert into accepting values ('ip filter FORWARD')",
    "insert into guarded values ('n', 'c', 'eth0', 3)",
    "insert into element values ('subnet4', x'0a000000', x'0a0000ff', null, 'n', '', '')",
    "insert into element values ('port4', x'0600000000500000', null, x'0a00000200500000', 'n', 'c', 'eth0')",
    "insert into standby values ('port4', x'0600000000510000', x'0a00000200500000', 'n', 'c', 'eth0', null)",
)
OTHERS = ("'text'", "null", "x'01'", "1.5", "-7")
ROW_NUMBERS = {("ledger", "row"), ("resting", "row"), ("ruleset", "family")}  # always integers
UNSAID = "/* nothing */"


def columns() -> Iterator[tuple[str, str]]:
    """Return every column of every table."""
    with closing(sqlite3.connect(":memory:")) as database:
        database.executescript(SCHEMA)
        for (table,) in database.execute("select name from sqlite_master where type = 'table'"):
            for _, name, *_ in database.execute(f"pragma table_info({table})"):
                yield table, name


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Make a sound ledger with a row in each table."""
    directory = tmp_path / "state"
    store.open_ledger(str(directory)).close()
    path = directory / "ledger.sqlite"
    with closing(sqlite3.connect(path)) as ledger, ledger:
        for statement in SOUND:
            ledger.execute(statement)
    return path


def change(file: Path, table: str, column: str, value: str) -> bool:
    """Set a column, whatever the constraints say; return whether SQLite can."""
    redefine(file, " not null", UNSAID)
    try:
        with closing(sqlite3.connect(file)) as ledger, ledger:
            ledger.execute("pragma ignore_check_constraints = on")
            ledger.execute(f"update or ignore {table} set {column} = {value}")
    except sqlite3.Error:
        return False
    finally:
        redefine(file, UNSAID, " not null")
    return True


def redefine(file: Path, old: str, new: str) -> None:
    """Replace a text in the definitions of all tables."""
    with closing(sqlite3.connect(file)) as ledger, ledger:
        ledger.execute("pragma writable_schema = on")
        words = "update sqlite_master set sql = replace(sql, ?, ?) where type = 'table'"
        ledger.execute(words, (old, new))


def test_a_sound_ledger_has_every_table_and_passes(file: Path) -> None:
    ledger = store.find_ledger(str(file.parent))
    assert ledger
    damage.require_sound(ledger.database)
    assert {table for table, _ in columns()} == {each.split()[2] for each in SOUND} | {"ledger"}


@pytest.mark.parametrize(("table", "column"), list(columns()))
def test_each_column_tells_values_of_another_type(file: Path, table: str, column: str) -> None:
    sound = file.read_bytes()
    found = 0
    for value in OTHERS:
        if change(file, table, column, value):
            with closing(sqlite3.connect(file)) as ledger:
                kept = {kind for (kind,) in ledger.execute(f"select typeof({column}) from {table}")}
                declared = {row[1]: row for row in ledger.execute(f"pragma table_info({table})")}
            kind, is_required = declared[column][2].lower(), declared[column][3]
            if kept - {kind, *([] if is_required else ["null"])}:
                with pytest.raises(LedgerUnusable, match=f"{table}.*{column}|damaged|cannot use"):
                    look(file)
                found += 1
        file.write_bytes(sound)
    assert found or (table, column) in ROW_NUMBERS, "SQLite refuses all of them"


@pytest.mark.parametrize(
    ("table", "column", "value"),
    [
        ("lease", "prefix_length", "99"),
        ("lease", "prefix_length", "-1"),
        ("lease", "gateway", "x'0a'"),
        ("last_leased", "address", "x'0a00'"),
        ("holding", "created", "9223372036854775807"),
        ("holding", "mac", "x'02'"),
        ("home", "directory", "'run'"),
        ("remembered", "value", "x'0200'"),
        ("accepting", "chain", "'FORWARD'"),
        ("element", "key_end", "x'01'"),
        ("element", "data", "x'01'"),
        ("wire", "mtu", "-1"),
        ("block", "prefix_length", "33"),
    ],
)
def test_a_value_out_of_range_is_damage(file: Path, table: str, column: str, value: str) -> None:
    assert change(file, table, column, value)
    with pytest.raises(LedgerUnusable, match=f"table {table}, column {column}: expected"):
        look(file)
    found = damage.explain(str(file.parent))
    assert found
    assert "restore --from-kernel" in found.details


def look(file: Path) -> None:
    """Read everything."""
    ledger = store.find_ledger(str(file.parent))
    assert ledger
    damage.require_sound(ledger.database)
