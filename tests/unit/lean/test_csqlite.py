"""The C half of sqlite3, without the Python modules that it hardly uses."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]
SCRIPT = """
import sys
sys.path.insert(0, sys.argv[1])
from cni_bridge.lean.csqlite import csqlite
assert "functools" not in sys.modules, "the stand-in stayed"
connection = csqlite.connect(":memory:", isolation_level=None)
assert [connection.execute("select ?", (n,)).fetchone() for n in range(300)][7] == (7,)
import functools
assert functools.lru_cache(lambda n: n + 1)(1) == 2
import sqlite3
assert sqlite3.connect is csqlite.connect
"""
BROKEN = """
import sys
sys.path.insert(0, sys.argv[1])
sys.modules["_functools"] = None
from cni_bridge.lean.csqlite import csqlite
assert csqlite.__name__ in ("_sqlite3", "sqlite3")
"""


def run(script: str) -> None:
    subprocess.run([sys.executable, "-I", "-S", "-c", script, str(ROOT)], check=True, timeout=30)


def test_the_stand_in_for_functools_is_gone_after_the_import() -> None:
    run(SCRIPT)


def test_an_interpreter_without_the_private_modules_still_has_sqlite() -> None:
    run(BROKEN)
