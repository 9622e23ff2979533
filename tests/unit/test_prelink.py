"""A prelinked library works as before, and refers to its own functions no more."""

import ctypes
import runpy
import sqlite3
from pathlib import Path

import pytest

from tests.budget import ROOT

prelink = runpy.run_path(str(ROOT / "build/prelink.py"))["prelink"]


@pytest.fixture(scope="module")
def library() -> Path:
    """SQLite as this interpreter uses it."""
    sqlite3.connect(":memory:").close()
    mapped = Path("/proc/self/maps").read_text().split()
    return next(Path(word) for word in mapped if "libsqlite3" in word)


def test_a_prelinked_library_works(library: Path, tmp_path: Path) -> None:
    copy = tmp_path / "libsqlite3-prelinked.so"
    copy.write_bytes(prelink(library.read_bytes()))
    sqlite = ctypes.CDLL(str(copy))
    handle = ctypes.c_void_p()
    assert sqlite.sqlite3_open(b":memory:", ctypes.byref(handle)) == 0
    script = b"create table t (n); insert into t select abs(random()); select json_array(n) from t"
    assert sqlite.sqlite3_exec(handle, script, None, None, None) == 0
    assert sqlite.sqlite3_close(handle) == 0


def test_only_relocations_change_and_only_once(library: Path) -> None:
    before = library.read_bytes()
    after = prelink(before)
    assert after != before
    assert len(after) == len(before)
    assert prelink(after) == after


def test_other_files_are_left_alone() -> None:
    assert prelink(b"#!/bin/sh\n") == b"#!/bin/sh\n"
    foreign = b"\x7fELF\x02\x01" + bytes(100)  # of no machine
    assert prelink(foreign) == foreign
