"""The program that build/launcher.py links: the same in each build, and able to start without an image."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.lab import PLUGIN, ROOT

sys.path.append(str(ROOT / "build"))
import launcher


def test_two_builds_make_the_same_program(tmp_path: Path) -> None:
    """In another directory and another time zone; what was traced is an input of a build."""
    traced = "cni-bridge/directory/uses.json"
    (tmp_path / "work" / traced).parent.mkdir(parents=True)
    shutil.copy(ROOT / ".cache/pyinstaller" / traced, tmp_path / "work" / traced)
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


def test_a_program_without_an_image_starts_ordinarily(tmp_path: Path) -> None:
    """A Python version or a machine for which no image has been tried gets such a program."""
    for name in ("joined.o", "heap.o"):
        (tmp_path / name).symlink_to(ROOT / ".cache/pyinstaller/cni-bridge/directory" / name)
    program = launcher._linked(tmp_path, launcher.NO_IMAGE, launcher.HEAP)
    trace = ("strace", "-qq", "-e", "trace=mremap", "-e", "signal=none", "-o", tmp_path / "log")
    answer = subprocess.run(
        (*trace, program), env={"CNI_COMMAND": "VERSION"}, capture_output=True, check=True
    )
    assert json.loads(answer.stdout)["cniVersion"] == "1.1.0"
    assert "MREMAP_FIXED" not in (tmp_path / "log").read_text()
