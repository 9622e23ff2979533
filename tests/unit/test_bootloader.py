"""The bootloader of a directory gets a search path, or stays as it is."""

import runpy
from pathlib import Path

import PyInstaller
import pytest

from tests.budget import ROOT

started_once = runpy.run_path(str(ROOT / "build/bootloader.py"))["started_once"]
SEARCH_PATH = "$ORIGIN/_internal"


@pytest.fixture
def bootloader() -> bytes:
    """The one that PyInstaller has for this machine."""
    assert PyInstaller.__file__
    (run,) = Path(PyInstaller.__file__).parent.glob("bootloader/Linux-*/run")
    return run.read_bytes()


def test_the_bootloader_has_a_search_path_and_no_restart(bootloader: bytes) -> None:
    changed = started_once(bootloader, SEARCH_PATH)
    assert len(changed) == len(bootloader)
    assert SEARCH_PATH.encode() in changed
    assert b"\0execvp\0" not in changed


def test_a_bootloader_without_room_is_left_as_it_is(bootloader: bytes) -> None:
    assert started_once(bootloader, "x" * 5000) == bootloader


def test_it_is_changed_only_once(bootloader: bytes) -> None:
    changed = started_once(bootloader, SEARCH_PATH)
    assert started_once(changed, SEARCH_PATH) == changed
