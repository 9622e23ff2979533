"""docs/evidence/runtimes.md: what was measured with real runtimes, and the same as JSON beside it.

Tables and files; measuring is done by `pods` and `commands`.
"""

import json
import os
import platform
import time
from collections.abc import Iterable, Sequence

from tests.lab import ROOT
from tests.runtimes.enclosure import CGROUPS, METER

PAGE, DOCUMENT = (ROOT / "docs/evidence" / name for name in ("runtimes.md", "runtimes.json"))


class Meter:
    """The CPU time of a process, of all that it starts from now on, and of what they start."""

    def __init__(self, pid: int) -> None:
        is_v1 = (CGROUPS / "cpuacct").is_dir()
        self._group = CGROUPS / ("cpuacct" if is_v1 else ".") / METER
        self._group.mkdir(exist_ok=True)
        (self._group / "cgroup.procs").write_text(str(pid))

    def seconds(self) -> float:
        """So far."""
        usage = self._group / "cpuacct.usage"
        if usage.exists():
            return int(usage.read_text()) / 1e9
        facts = dict(line.split() for line in (self._group / "cpu.stat").read_text().splitlines())
        return int(facts["usage_usec"]) / 1e6


def percentile(values: Iterable[float], share: float) -> float:
    """Return the smallest value that at least this share of them does not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def write(section: str, about: str, table: Sequence[Sequence[str]], raw: object) -> None:
    """Replace one section of the page, and its key of the document."""
    machine = (
        f"{time.strftime('%d %b %Y')}, Linux {platform.release().partition('-')[0]}, "
        f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} at the end."
    )
    head, *rows = table
    lines = [head, ["---"] + ["---:"] * (len(head) - 1), *rows]
    text = f"\n{about} {machine}\n\n" + "".join(f"| {' | '.join(row)} |\n" for row in lines)
    begin, end = f"<!-- {section} -->\n", f"<!-- /{section} -->\n"
    before, rest = PAGE.read_text().split(begin)
    after = rest.split(end)[1]
    PAGE.write_text(before + begin + text + "\n" + end + after)
    known = json.loads(DOCUMENT.read_text()) if DOCUMENT.exists() else {}
    DOCUMENT.write_text(json.dumps(known | {section: raw}, indent=1) + "\n")
