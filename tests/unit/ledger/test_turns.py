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
from tests.unit.ledger.wishes import claim, one_set

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
