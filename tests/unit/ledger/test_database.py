"""The ledger's file: made once, safe against every end of a process, its failures in our words."""

import os
import shutil
import sqlite3
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cni_bridge import errors
from cni_bridge.ledger import database, store
from cni_bridge.ledger.database import Database
from cni_bridge.ledger.schema import SCHEMA
from cni_bridge.ledger.store import Ledger
from tests.unit.ledger.wishes import addresses, attachment, claim, one_set

POOL = one_set("10.1.0.0/24")
ROOT = Path(__file__).parents[3]
CLAIMANT = [sys.executable, "-I", "-S", str(Path(__file__).with_name("claimant.py"))]


def file_of(state_dir: Path) -> Path:
    return state_dir / "ledger.sqlite"


def assert_intact(state_dir: Path) -> None:
    """Nothing half done is in the file, judged by SQLite's own shell functions."""
    connection = sqlite3.connect(file_of(state_dir))
    assert connection.execute("pragma integrity_check").fetchall() == [("ok",)]
    assert connection.execute("pragma foreign_key_check").fetchall() == []
    bare = "select count(*) from holding left join lease using (network, container, ifname)"
    assert connection.execute(f"{bare} where address is null").fetchone() == (0,)
    connection.close()


def definition(state_dir: Path) -> list[tuple[str, str]]:
    """Version, columns, tables and indexes of a ledger."""
    connection = sqlite3.connect(file_of(state_dir))
    found = [
        row
        for query in (
            "select name, sql from sqlite_master where sql <> ''"
            " and name not in ('ledger', 'holding', 'standby') order by 1",
            "select name, type from pragma_table_info('ledger')",
            "select name, type from pragma_table_info('holding')",
            "select name, type from pragma_table_info('standby')",
            "select 'version', schema_version from ledger",
        )
        for row in connection.execute(query)
    ]
    connection.close()
    return found


# ---------------------------------------------------------------- made once


def test_the_definition_for_people_is_the_one_in_use() -> None:
    assert (ROOT / "schemas" / "store.sql").read_text() == SCHEMA


def test_the_file_is_ours_alone(tmp_path: Path) -> None:
    store.open_ledger(f"{tmp_path}/state").close()
    assert stat.S_IMODE(file_of(tmp_path / "state").stat().st_mode) == 0o600


def test_what_was_claimed_is_there_when_opened_again(tmp_path: Path) -> None:
    first = store.open_ledger(str(tmp_path))
    made = claim(first, "web", POOL)
    first.close()
    for find in (store.open_ledger, store.find_ledger):
        ledger = find(str(tmp_path))
        assert ledger
        assert ledger.find(made.attachment) == made
        ledger.close()


def test_looking_for_a_ledger_makes_none(tmp_path: Path) -> None:
    assert store.find_ledger(str(tmp_path / "state")) is None
    assert store.find_ledger(str(tmp_path)) is None
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_was_left_empty_is_no_ledger_until_an_add_completes_it(tmp_path: Path) -> None:
    file_of(tmp_path).touch()
    assert store.find_ledger(str(tmp_path)) is None
    ledger = store.open_ledger(str(tmp_path))
    claim(ledger, "web", POOL)
    ledger.close()


@pytest.mark.parametrize(("place", "mode"), [("memory", 0), ("disk", 2)])
def test_only_a_ledger_on_disk_waits_for_it(tmp_path: Path, place: str, mode: int) -> None:
    opened = database.created(str(tmp_path), 1)
    opened.change("update ledger set is_durable = ?", place == "disk")
    opened.close()
    again = database.opened(str(tmp_path), 1)
    assert again
    assert again.select("pragma synchronous") == [(mode,)]
    assert again.select("pragma journal_mode") == [("delete",)]  # survives SIGKILL either way
    again.close()


# ---------------------------------------------------------------- many at once


def test_fifty_processes_at_once_get_fifty_addresses_from_a_ledger_not_yet_made(
    tmp_path: Path,
) -> None:
    state_dir = tmp_path / "state"
    gate, opener = os.pipe()
    command = [*CLAIMANT, "once", str(state_dir)]
    workers = [
        subprocess.Popen([*command, f"c{n}"], stdin=gate, stdout=subprocess.PIPE, text=True)
        for n in range(50)
    ]
    os.close(gate)
    os.close(opener)
    answers = [worker.communicate(timeout=30)[0].strip() for worker in workers]
    assert sorted(answers) == sorted(f"10.1.0.{n}" for n in range(2, 52))
    ledger = store.open_ledger(str(state_dir))
    assert all(it.is_confirmed for it in ledger.holdings())
    ledger.close()
    assert_intact(state_dir)


def test_a_process_killed_at_any_moment_leaves_the_ledger_whole(tmp_path: Path) -> None:
    for turn in range(8):
        command = [*CLAIMANT, "forever", str(tmp_path), f"c{turn}"]
        worker = subprocess.Popen(command, stdout=subprocess.PIPE)
        with worker:
            assert worker.stdout
            worker.stdout.readline()
            time.sleep(0.003 + turn * 0.0071)  # the moment is arbitrary: that is the point
            worker.kill()
        if found := store.find_ledger(str(tmp_path)):
            found.close()
            assert_intact(tmp_path)
    ledger = store.open_ledger(str(tmp_path))
    claim(ledger, "after", POOL)
    ledger.close()


@pytest.mark.parametrize("changes", range(5))
def test_a_process_killed_between_two_statements_has_claimed_nothing(
    tmp_path: Path, changes: int
) -> None:
    store.open_ledger(str(tmp_path)).close()
    worker = subprocess.run([*CLAIMANT, "mortal", tmp_path, "dead", str(changes)], timeout=30)
    assert worker.returncode == -9
    ledger = store.open_ledger(str(tmp_path))
    assert ledger.holdings() == ()
    claim(ledger, "dead", POOL)
    ledger.close()
    assert_intact(tmp_path)


def test_twenty_processes_at_once_bring_an_older_ledger_to_ours_once(tmp_path: Path) -> None:
    shutil.copy(ROOT / "tests/data/ledger/v1.sqlite", file_of(tmp_path))
    command = [*CLAIMANT, "once", str(tmp_path)]
    gate, opener = os.pipe()
    workers = [
        subprocess.Popen([*command, f"c{n}"], stdin=gate, stdout=subprocess.PIPE, text=True)
        for n in range(20)
    ]
    os.close(gate)
    os.close(opener)
    answers = [worker.communicate(timeout=60)[0].strip() for worker in workers]
    assert sorted(answers) == sorted(f"10.1.0.{n}" for n in range(2, 22))
    assert_intact(tmp_path)


# ---------------------------------------------------------------- in our words


def test_another_schema_version_names_both_and_what_to_do(tmp_path: Path) -> None:
    opened = database.created(str(tmp_path), 1)
    opened.change("update ledger set schema_version = 99")
    opened.close()
    with pytest.raises(errors.IOFailure) as caught:
        store.find_ledger(str(tmp_path))
    assert "has schema version 99, this cni-bridge knows versions up to" in caught.value.msg
    assert "Use the cni-bridge that wrote it" in caught.value.details


@pytest.mark.parametrize("version", [1, 2, 5, 8])
def test_a_ledger_of_an_older_version_is_brought_to_ours_with_all_that_is_in_it(
    version: int, tmp_path: Path
) -> None:
    """The files were written by the versions of cni-bridge that had these schemas."""
    shutil.copy(ROOT / f"tests/data/ledger/v{version}.sqlite", file_of(tmp_path))
    file_of(tmp_path).chmod(0o600)
    ledger = store.find_ledger(str(tmp_path))
    assert ledger
    assert [it.attachment.container for it in ledger.holdings()] == ["db", "web"]
    ledger.release(attachment("db", "testnet"))
    assert addresses(claim(ledger, attachment("new", "testnet"), one_set("10.88.0.0/16"))) == [
        "10.88.0.4"
    ]
    ledger.close()
    store.open_ledger(f"{tmp_path}/new").close()
    assert definition(tmp_path) == definition(tmp_path / "new")
    assert_intact(tmp_path)


def test_what_is_no_database_is_named_with_what_to_do(tmp_path: Path) -> None:
    file_of(tmp_path).write_bytes(b"no database at all " * 100)
    for find in (store.open_ledger, store.find_ledger):
        with pytest.raises(errors.IOFailure, match=r"ledger .*/ledger.sqlite is damaged: ") as it:
            find(str(tmp_path))
        assert "restore --from-kernel" in it.value.details


def test_a_damaged_page_is_named_with_what_to_do(tmp_path: Path) -> None:
    ledger = store.open_ledger(str(tmp_path))
    claim(ledger, "web", POOL)
    ledger.close()
    with file_of(tmp_path).open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * (file_of(tmp_path).stat().st_size - 4096))
    with pytest.raises(errors.IOFailure, match="is damaged: ") as caught:
        store.open_ledger(str(tmp_path))
    assert "restore --from-kernel" in caught.value.details


def test_a_full_disk_refuses_the_claim_and_keeps_the_rest(tmp_path: Path) -> None:
    store.open_ledger(str(tmp_path)).close()
    opened = database.opened(str(tmp_path), 1)
    assert opened
    opened.change("pragma max_page_count = 1")  # SQLite makes that: no more than now
    ledger = Ledger(opened)
    claim(ledger, "fits", POOL)
    with pytest.raises(errors.IOFailure, match="database or disk is full") as caught:
        claim(ledger, attachment("c" * 10_000), POOL)
    assert "space" in caught.value.details
    assert [it.attachment.container for it in ledger.holdings()] == ["fits"]
    ledger.close()


def test_a_ledger_that_is_a_symbolic_link_is_refused(tmp_path: Path) -> None:
    file_of(tmp_path).symlink_to(tmp_path / "elsewhere")
    for find in (store.open_ledger, store.find_ledger):
        with pytest.raises(errors.IOFailure, match="is not a regular file"):
            find(str(tmp_path))
    assert not (tmp_path / "elsewhere").exists()


def test_a_ledger_that_can_not_be_made_is_named_with_the_cause(tmp_path: Path) -> None:
    file_of(tmp_path).mkdir()
    with pytest.raises(errors.IOFailure, match=r"cannot create the ledger .*: Is a directory"):
        database.created(str(tmp_path), 1)
    with pytest.raises(errors.IOFailure, match=r"cannot use the ledger .*: unable to open"):
        Database(str(file_of(tmp_path)), 1)


# ---------------------------------------------------------------- many attachments at once


@pytest.mark.parametrize("others", [0, 1, 2 * database.KEYS_AT_ONCE])
def test_of_many_attachments_those_that_are_recorded_are_found(tmp_path: Path, others: int) -> None:
    ledger = store.open_ledger(str(tmp_path))
    for name in ("first", "last", "other"):
        claim(ledger, name, POOL)
    asked = ["first", *(f"absent{number}" for number in range(others)), "last"]
    keys = [(each.network, each.container, each.ifname) for each in map(attachment, asked)]
    sql = "select container from holding"
    assert sorted(ledger.database.select_of(sql, keys)) == [("first",), ("last",)]
    assert ledger.database.select_of(sql, keys[:1]) == [("first",)]
    assert ledger.database.select_of(sql, []) == []
    ledger.close()
