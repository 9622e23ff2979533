"""The generated tables are what pyroute2 knows today."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]


def test_the_generated_tables_are_not_stale() -> None:
    script = ROOT / "build" / "generate_messages.py"
    done = subprocess.run((sys.executable, str(script), "--check"), check=False)
    assert done.returncode == 0, "run `make generate`"
