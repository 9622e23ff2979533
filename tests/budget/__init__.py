"""What a plugin run may import, as data: modules_allowed.txt, reviewed line by line.

Nothing here runs the plugin or decides what to compare.
"""

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).parents[2]
LIST = Path(__file__).with_name("modules_allowed.txt")
OURS = "cni_bridge"
OWN_LIST = Path(__file__).with_name("modules_loaded.txt")


def allowed() -> set[str]:
    """Return the modules of the list."""
    lines = LIST.read_text().splitlines()
    return {line.split()[0] for line in lines if not line.startswith("#")}


def own_modules(run: str) -> set[str]:
    """Return the modules of cni_bridge that a run may load: a column of modules_loaded.txt."""
    head, *rows = (
        line.split() for line in OWN_LIST.read_text().splitlines() if not line.startswith("#")
    )
    column = head.index(run)
    return {row[0] for row in rows if row[column] == "x"}


def loaded_by(code: str, environment: Mapping[str, str] | None = None, stdin: str = "") -> set[str]:
    """Return the modules that Python code imports from our sources, beyond the interpreter's own.

    As CPython reports them, so that nothing has to be asked at the end of a run that may end in
    `_exit`.
    """
    code = f"import sys; sys.path.insert(0, {str(ROOT)!r})\n{code}"
    return _imports(code, environment or {}, stdin) - _imports("pass", {}, "")


def _imports(code: str, environment: Mapping[str, str], stdin: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-E", "-X", "importtime", "-c", code],
        env=environment,
        input=stdin,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    lines = done.stderr.splitlines()
    return {line.rpartition("|")[2].strip() for line in lines if line.startswith("import time:")}
