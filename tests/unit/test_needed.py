"""A library that is told what it does not need wants everything else as before."""

import runpy
import subprocess
import sys
from pathlib import Path

import pytest

from tests.budget import ROOT

without = runpy.run_path(str(ROOT / "build/needed.py"))["without"]


@pytest.fixture(scope="module")
def library() -> Path:
    """Return the C half of sqlite3, which needs SQLite."""
    command = (sys.executable, "-c", "import _sqlite3; print(_sqlite3.__file__)")
    return Path(subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip())


def wanted(library: Path) -> list[str]:
    """Return what it names, as binutils has it."""
    told = subprocess.run(("objdump", "-p", library), check=True, capture_output=True, text=True)
    words = [line.split() for line in told.stdout.splitlines()]
    return [each[1] for each in words if each[:1] == ["NEEDED"]]


def test_what_is_not_needed_is_not_wanted(library: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.so"
    copy.write_bytes(without(library.read_bytes(), ("libsqlite3.",)))
    before = wanted(library)
    assert [each for each in before if not each.startswith("libsqlite3.")] == wanted(copy)
    assert len(wanted(copy)) == len(before) - 1


def test_nothing_else_changes(library: Path) -> None:
    content = library.read_bytes()
    assert without(content, ("libnobody.",)) == content
    assert len(without(content, ("libsqlite3.",))) == len(content)
    assert without(b"#!/bin/sh", ("libsqlite3.",)) == b"#!/bin/sh"
