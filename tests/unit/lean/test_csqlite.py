"""The C half of sqlite3, without the Python modules that it hardly uses."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]
SCRIPT = """
import sys
sys.path.insert(0, sys.argv[1])
from cni_bridge.lean.csqlite import csqlite
assert "sqlite3" not in sys.modules
connection = csqlite.connect(":memory:", isolation_level=None)
assert [connection.execute("select ?", (n,)).fetchone() for n in range(300)][7] == (7,)
import sqlite3
assert sqlite3.connect is csqlite.connect
"""
RENAMED = """
import sys
sys.path.insert(0, sys.argv[1])
sys.modules["_sqlite3"], sys.modules["sqlite3"] = None, type(sys)("sqlite3")
from cni_bridge.lean.csqlite import csqlite
assert csqlite is sys.modules["sqlite3"]
"""


def run(script: str) -> None:
    subprocess.run([sys.executable, "-I", "-S", "-c", script, str(ROOT)], check=True, timeout=30)


def test_the_c_half_is_loaded_alone_and_is_the_one_that_sqlite3_uses() -> None:
    run(SCRIPT)


def test_an_interpreter_without_the_private_module_still_has_sqlite() -> None:
    run(RENAMED)
