"""The figures of a long run, where the page of reliability finds them.

Which figures is the run's matter; build/record_reliability.py makes the page.
"""

import json
import os
import time
from pathlib import Path
from typing import Any

from tests.lab.paths import ROOT

DIRECTORY = ROOT / "tests/reliability"

Table = dict[str, Any]


def path(name: str) -> Path:
    """Where the figures of that name are."""
    return DIRECTORY / f"{name}.json"


def record(name: str, *, order: int, title: str, command: str, tables: list[Table]) -> None:
    """Write what was measured now, on this machine."""
    system = os.uname()
    when = time.strftime("%Y-%m-%d", time.gmtime())
    document = {
        "title": title,
        "order": order,
        "command": command,
        "measured": f"{when}, Linux {system.release.partition('-')[0]}, {os.cpu_count()} processors",
        "tables": tables,
    }
    path(name).write_text(json.dumps(document, indent=2) + "\n")


def table(caption: str, columns: list[str], rows: list[list[object]]) -> Table:
    """Return a table of the page."""
    return {"caption": caption, "columns": columns, "rows": rows}
