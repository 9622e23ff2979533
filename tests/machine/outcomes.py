"""`python -m tests.machine.outcomes`: scenario x release of Debian, from .cache into docs/evidence.

What the last runs have found; an earlier run's scenarios stay until they are run again.
"""

import json
import os
import re
import sys
from datetime import UTC, datetime
from typing import Any

from tests.lab import ROOT
from tests.machine.images import SUITES, Image, emulator

KEPT = ROOT / ".cache/machine.json"
DATA = ROOT / "docs/evidence/machine.json"
PAGE = ROOT / "docs/evidence/machine.md"
BEGIN, END = "<!-- scenarios -->\n", "<!-- /scenarios -->\n"

KERNEL = "linux-image-cloud-amd64"

Json = dict[str, Any]
_found: Json = {}


def describe(suite: str, image: Image) -> None:
    """Keep what a machine consists of."""
    about = _found.setdefault(suite, {"scenarios": {}})
    about["versions"] = dict(image.versions)
    about["image"] = {"made": image.made, "seconds": image.seconds}
    if ":" in suite:
        about["way"] = "qemu, KVM" if emulator.has_kvm() else "qemu, emulated"
    else:
        about["way"] = "namespaces"
        about["versions"][KERNEL] = f"{os.uname().release} (the host's)"


def note(suite: str, what: str, text: str) -> None:
    """Keep something that a scenario has found out about a machine, for the first table."""
    _found[suite]["notes"] = _found[suite].get("notes", {}) | {what: text}


def expect(test: str) -> None:
    """Keep that there is a test of one machine."""
    suite, scenario = _parts(test)
    _found.setdefault(suite, {"scenarios": {}})["scenarios"].setdefault(scenario, {})


def add(test: str, outcome: str, seconds: float) -> None:
    """Keep the outcome of a test of one machine."""
    suite, scenario = _parts(test)
    _found.setdefault(suite, {"scenarios": {}})["scenarios"][scenario] = {
        "outcome": outcome,
        "seconds": round(seconds),
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
    }


def write() -> None:
    """Add what this run has found to what earlier ones have."""
    known: Json = json.loads(KEPT.read_text()) if KEPT.exists() else {}
    for suite, about in _found.items():
        before = known.get(suite, {}).get("scenarios", {})
        known[suite] = known.get(suite, {}) | about
        shown = {
            name: each for name, each in about["scenarios"].items() if each or name not in before
        }
        known[suite]["scenarios"] = before | shown
    KEPT.write_text(json.dumps(known, indent=2) + "\n")


def main() -> int:
    """Write data and page."""
    found: Json = json.loads(KEPT.read_text())
    DATA.write_text(json.dumps(found, indent=2) + "\n")
    head, rest = PAGE.read_text().split(BEGIN)
    PAGE.write_text(f"{head}{BEGIN}{table(found)}{END}{rest.split(END)[1]}")
    return 0


def table(found: Json) -> str:
    """Return the page's tables: what each machine consists of, then the scenarios."""
    suites = sorted(each for each in found if "way" in found[each])
    heads = [f"Debian {SUITES[each.split(':')[0]]}, {found[each]['way']}" for each in suites]
    rows = [["", *heads], ["---", *["---"] * len(suites)]]
    programs = dict.fromkeys(name for each in suites for name in found[each]["versions"])
    rows += (
        [name, *(found[each]["versions"].get(name, "") for each in suites)] for name in programs
    )
    made = (found[each]["image"] for each in suites)
    rows.append(["image made", *(f"{each['made']}, {each['seconds']} s" for each in made)])
    notes = dict.fromkeys(what for each in suites for what in found[each].get("notes", {}))
    rows += (
        [what, *(found[each].get("notes", {}).get(what, "") for each in suites)] for what in notes
    )
    text = "".join(f"| {' | '.join(row)} |\n" for row in rows)
    rows = [["scenario", *heads], ["---", *["---:"] * len(suites)]]
    scenarios = dict.fromkeys(name for each in suites for name in found[each]["scenarios"])
    for name in scenarios:
        rows.append([name, *(_cell(found[each]["scenarios"].get(name)) for each in suites)])
    return text + "\n" + "".join(f"| {' | '.join(row)} |\n" for row in rows)


def _cell(scenario: Json | None) -> str:
    if not scenario:
        return "not run"
    if scenario["outcome"] == "skipped":
        return "needs a kernel of its own"
    return f"{scenario['outcome']}, {scenario['seconds']} s"


def _parts(test: str) -> tuple[str, str]:
    """Return the machine and the scenario of a test."""
    named = re.search(r"::test_(\w+)\[(.*)\]$", test)
    assert named, test
    suite, _, variant = named[2].partition("-")
    return suite, named[1].replace("_", " ") + (f" ({variant})" if variant else "")


if __name__ == "__main__":
    sys.exit(main())
