"""What a release offers, built once: the Debian package, wheel, sdist, bill of materials."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def release() -> Path:
    """Return the directory with all of it."""
    subprocess.run([sys.executable, ROOT / "build/package.py", "release"], check=True)
    return ROOT / "dist/release"


def only(directory: Path, pattern: str) -> Path:
    """Return the one file of a kind."""
    (file,) = directory.glob(pattern)
    return file
