"""The same sources give the same executables, what was traced for the image included."""

import os
import subprocess
import sys
from pathlib import Path

from tests.lab import PLUGIN, PLUGIN_PORTABLE, ROOT


def test_two_builds_are_equal(tmp_path: Path) -> None:
    """In another directory, another time zone, and with no trace kept from before."""
    places = ("--workpath", tmp_path / "work", "--distpath", tmp_path / "dist")
    spec = ROOT / "build/cni-bridge.spec"
    settings = {"PYTHONHASHSEED": "0", "PYTHONNODEBUGRANGES": "1", "TZ": "Asia/Tokyo"}
    subprocess.run(
        (sys.executable, "-m", "PyInstaller", "--log-level", "ERROR", *places, spec),
        cwd=ROOT,
        env={**os.environ, **settings},
        check=True,
    )
    assert (tmp_path / "dist/cni-bridge/cni-bridge").read_bytes() == PLUGIN.read_bytes()
    assert (tmp_path / "dist/cni-bridge-portable").read_bytes() == PLUGIN_PORTABLE.read_bytes()
