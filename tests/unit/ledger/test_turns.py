"""Waiting for those who write to the ledger: in turn, and not for ever."""

import fcntl
import os
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cni_bridge import errors
from cni_bridge.ledger import messages, store
from cni_bridge.ledger.database import Database
from tests.unit.ledger.wishes import addresses, attachment, claim, one_set

POOL = one_set("10.1.0.0/24")


def file_of(state_dir: Path) -> Path:
    return state_dir / "ledger.sqlite"


def test_a_lock_that_is_not_given_back_names_its_holder(tmp_path: Path) -> None:
    ledger = store.open_ledger(str(tmp_path), 0.05)
    other = sqlite3.connect(file_of(tmp_path), isolation_level=None)
    other.execute("begin immediate")
    with pytest.raises(errors.TryAgainLater) as caught:
        claim(ledger, "web", POOL)
    assert caught.value.msg == f"the ledger {file_of(tmp_path)} stayed locked for 0.05 s"
    command = Path("/proc/self/comm").read_text().strip()
    assert f"It is held by process {os.getpid()} ({command})." == caught.value.details
    other.execute("rollback")
    claim(ledger, "web", POOL)
    other.close()
    ledger.close()


def test_a_lock_held_while_the_ledger_is_made_is_waited_for_no_longer(tmp_path: Path) -> None:
    other = sqlite3.connect(file_of(tmp_path), isolation_level=None)
    other.execute("begin immediate")
    with pytest.raises(errors.TryAgainLater, match="stayed locked"):
        store.open_ledger(str(tmp_path), 0.05)
    other.close()


def test_whoever_wants_to_write_waits_until_it_is_their_turn(tmp_path: Path) -> None:
    ledger = store.open_ledger(str(tmp_path))
    lock = "import fcntl, os, sys, time; fcntl.flock(os.open(sys.argv[1], 0), fcntl.LOCK_EX)"
    words = [sys.executable, "-c", f"{lock}; print(flush=True); time.sleep(0.3)", str(tmp_path)]
    with subprocess.Popen(words, stdout=subprocess.PIPE) as writer:
        assert writer.stdout
        writer.stdout.readline()
        began = time.monotonic()
        claim(ledger, "web", POOL)
        assert time.monotonic() - began > 0.2
    ledger.close()


def test_a_turn_that_never_comes_is_waited_for_no_longer_than_a_lock(tmp_path: Path) -> None:
    ledger = store.open_ledger(str(tmp_path), 0.05)
    turn = os.open(tmp_path, os.O_RDONLY)
    fcntl.flock(turn, fcntl.LOCK_EX)
    with pytest.raises(errors.TryAgainLater, match="stayed locked"):
        claim(ledger, "web", POOL)
    os.close(turn)
    claim(ledger, "web", POOL)
    ledger.close()


def test_lock_holders_are_those_of_the_file_that_do_not_wait() -> None:
    locks = (
        "1: POSIX  ADVISORY  WRITE 4711 00:19:81 1073741825 1073741825\n"
        "1: -> POSIX  ADVISORY  WRITE 4712 00:19:81 1073741825 1073741825\n"
        "2: POSIX  ADVISORY  READ  4711 00:19:81 1073741826 1073742335\n"
        "2: POSIX  ADVISORY  READ  4713 00:1a:81 1073741826 1073742335\n"
        "3: FLOCK  ADVISORY  WRITE 815 00:19:181 0 EOF\n"
    )
    assert messages.lock_holders(locks, os.makedev(0, 0x19), 81) == ("4711",)
    assert messages.lock_holders(locks, os.makedev(0, 0x1B), 81) == ("4711", "4713")
    assert messages.lock_holders("", 0, 81) == ()


def test_a_process_that_reads_the_ledger_does_not_stop_those_that_write(tmp_path: Path) -> None:
    ledger, late = store.open_ledger(str(tmp_path)), store.open_ledger(str(tmp_path))
    claim(ledger, "web", POOL)
    reader = sqlite3.connect(file_of(tmp_path), isolation_level=None)
    reader.execute("begin")
    assert reader.execute("select container from holding").fetchall() == [("web",)]
    began = time.monotonic()
    second = claim(ledger, "db", POOL)
    ledger.confirm(second)
    assert time.monotonic() - began < 2
    assert addresses(claim(late, "cache", POOL)) == ["10.1.0.4"]  # by a file opened before
    late.release(second.attachment)
    assert [each.attachment.container for each in ledger.holdings()] == ["cache", "web"]
    assert reader.execute("select container from holding").fetchall() == [("web",)]
    assert {path.name for path in tmp_path.iterdir()} == {"ledger.sqlite"}
    assert file_of(tmp_path).stat().st_mode & 0o777 == 0o600
    for each in (ledger, late):
        assert each.database.select("pragma integrity_check") == [("ok",)]
        assert each.database.select("pragma foreign_keys") == [(1,)]
        each.close()
    reader.close()


def test_a_signal_that_interrupts_a_commit_is_not_taken_for_a_reader(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = store.open_ledger(str(tmp_path))
    holding = claim(ledger, "web", POOL)
    change = Database.change

    def interrupted(database: Database, sql: str, *values: object) -> int:
        changed = change(database, sql, *values)
        if sql == "commit":
            raise errors.TryAgainLater("interrupted by signal 15")
        return changed

    monkeypatch.setattr(Database, "change", interrupted)
    with pytest.raises(errors.TryAgainLater, match="interrupted"):
        ledger.confirm(holding)
    ledger.close()


def test_a_long_line_is_waited_for_as_long_as_others_have_their_turns(tmp_path: Path) -> None:
    ledger = store.open_ledger(str(tmp_path), 0.3)
    script = (
        "import fcntl, os, sys, time\n"
        "end = time.monotonic() + 1\n"
        "turn = os.open(sys.argv[1], 0)\n"
        "fcntl.flock(turn, fcntl.LOCK_EX)\n"
        "print(flush=True)\n"
        "while time.monotonic() < end:\n"
        "    time.sleep(0.1)\n"
        "    os.utime(turn)\n"
    )
    words = [sys.executable, "-c", script, str(tmp_path)]
    with subprocess.Popen(words, stdout=subprocess.PIPE) as others:
        assert others.stdout
        others.stdout.readline()
        began = time.monotonic()
        claim(ledger, "web", POOL)
        assert time.monotonic() - began > 0.5
    ledger.close()


def test_a_holder_of_the_directorys_lock_is_named(tmp_path: Path) -> None:
    ledger = store.open_ledger(str(tmp_path), 0.05)
    turn = os.open(tmp_path, os.O_RDONLY)
    fcntl.flock(turn, fcntl.LOCK_EX)
    with pytest.raises(errors.TryAgainLater) as caught:
        claim(ledger, "web", POOL)
    assert f"It is held by process {os.getpid()} (" in caught.value.details
    os.close(turn)
    ledger.close()


def test_a_transaction_that_sqlite_has_ended_takes_no_more_changes(tmp_path: Path) -> None:
    ledger = store.open_ledger(str(tmp_path))
    claim(ledger, "fits", POOL)
    ledger.database.change("pragma max_page_count = 1")  # SQLite makes that: no more than now

    def fill() -> None:
        with ledger.transaction():
            try:
                ledger.database.change("insert into home values ('net', ?)", "d" * 100_000)
            except errors.LedgerUnusable:
                pass  # as a caller that collects failures does
            ledger.release(attachment("fits"))

    with pytest.raises(errors.LedgerUnusable, match="no space is left"):
        fill()
    ledger.database.change("pragma max_page_count = 1000")
    assert [each.attachment.container for each in ledger.holdings()] == ["fits"]
    claim(ledger, "after", POOL)
    ledger.close()
