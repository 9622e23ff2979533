"""`python -m tests.runtimes.table`: runtime x version x feature, from the outcomes of the tests, into the docs.

`--check` compares instead, for the runtimes of the page that were run; outcomes are collected in `conftest`.
"""

import json
import sys

from tests.lab import ROOT
from tests.runtimes.features import FEATURES

OUTCOMES = ROOT / ".cache/runtimes.json"
PAGE = ROOT / "docs/runtimes/README.md"
BEGIN, END = "<!-- features -->\n", "<!-- /features -->\n"
UNTESTED = "·"

Outcomes = dict[str, dict[str, dict[str, str]]]  # runtime with version, feature, arrangement


def collect(found: Outcomes) -> None:
    """Add what tests have found to what earlier runs have."""
    known: Outcomes = json.loads(OUTCOMES.read_text()) if OUTCOMES.exists() else {}
    for runtime, features in found.items():
        for feature, outcomes in features.items():
            known.setdefault(runtime, {}).setdefault(feature, {}).update(outcomes)
    OUTCOMES.parent.mkdir(exist_ok=True)
    OUTCOMES.write_text(json.dumps(known, indent=2) + "\n")


def main() -> int:
    """1 if the page says something else than the tests."""
    found: Outcomes = json.loads(OUTCOMES.read_text())
    text = PAGE.read_text()
    head, rest = text.split(BEGIN)
    written, tail = rest.split(END)
    if "--check" not in sys.argv[1:]:
        PAGE.write_text(head + BEGIN + _table(_read(written) | _cells(found)) + END + tail)
        return 0
    page = _read(written)
    cells = _cells(found)
    for runtime in cells.keys() - page.keys():
        print(f"{PAGE.relative_to(ROOT)} does not know {runtime} yet")
    wrong = [runtime for runtime in cells.keys() & page.keys() if page[runtime] != cells[runtime]]
    for runtime in wrong:
        print(f"{PAGE.relative_to(ROOT)} is not what the tests found of {runtime}")
    return bool(wrong)


Cells = dict[str, dict[str, str]]  # runtime with version, feature


def _cells(found: Outcomes) -> Cells:
    return {
        runtime: {feature: _cell(features.get(feature, {})) for feature in FEATURES}
        for runtime, features in found.items()
    }


def _cell(outcomes: dict[str, str]) -> str:
    if failed := sorted(each for each, outcome in outcomes.items() if outcome != "passed"):
        return f"fails: {', '.join(failed)}"
    return ", ".join(sorted(outcomes)) or UNTESTED


def _table(columns: Cells) -> str:
    runtimes = sorted(columns)
    rows = [["", *runtimes], ["---"] * (len(runtimes) + 1)]
    rows += (
        [feature, *(columns[each].get(feature, UNTESTED) for each in runtimes)]
        for feature in FEATURES
    )
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def _read(table: str) -> Cells:
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in table.splitlines()]
    return {
        runtime: {row[0]: row[number] for row in rows[2:]}
        for number, runtime in enumerate(rows[0] if rows else ())
        if number
    }


if __name__ == "__main__":
    sys.exit(main())
