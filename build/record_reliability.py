"""docs/evidence/reliability.md from the figures that the long runs leave in tests/reliability.

One section for each NAME.json there, which a run writes; NAME.md beside it, written by people, says
what was done and what was found.

NAME.json is {"title", "order", "command", "measured", "tables": [{"caption", "columns", "rows"}]}:
sections come in the order of that number, `measured` says when and on what, cells are text or numbers.
"""

import json
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
FIGURES = ROOT / "tests/reliability"
TARGET = ROOT / "docs/evidence/reliability.md"
HEAD = """\
# Reliability

How cni-bridge is tested against crashes and bad input, how often, and with which outcome. The figures are
those of the last long run of each kind.
"""


def main() -> None:
    """Write the page."""
    TARGET.write_text(page())


def page() -> str:
    """Return the page's text."""
    documents = [
        (json.loads(file.read_text()), file.with_suffix(".md")) for file in FIGURES.glob("*.json")
    ]
    documents.sort(key=lambda each: int(each[0]["order"]))
    return "\n".join((HEAD, *(_section(figures, text) for figures, text in documents)))


def _section(figures: dict[str, Any], text: Path) -> str:
    again = f"Measured: {figures['measured']}. Again: `{figures['command']}`.\n"
    tables = (_table(each) for each in figures["tables"])
    return "\n".join((f"## {figures['title']}\n", text.read_text(), again, *tables))


def _table(table: dict[str, Any]) -> str:
    columns = table["columns"]
    rows = (columns, ["---"] * len(columns), *table["rows"])
    lines = [f"| {' | '.join(map(_cell, row))} |" for row in rows]
    return "\n".join((f"{table['caption']}:\n", *lines, ""))


def _cell(value: object) -> str:
    return f"{value:,}" if isinstance(value, int) else str(value).replace("|", "\\|")


if __name__ == "__main__":
    main()
