"""The coverage-guided run: some workers that share a corpus, watched and counted.

What they do is in `guided`; the corpus is kept in .cache, so that the next run goes on from there.
"""

import re
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tests.lab.paths import ROOT

CORPUS = ROOT / ".cache/fuzz/corpus"
FINDS = ROOT / ".cache/fuzz/finds"
INPUT_LIMIT = 600  # bytes: more decisions than a request has
GRACE = 120  # seconds for loading and for the last input


@dataclass(frozen=True)
class Tally:
    """What a run did: inputs tried, branches reached, inputs that the code did not stand."""

    executions: int
    branches: int
    finds: tuple[Path, ...]


def fuzz(seconds: int, count: int) -> Tally:
    """Run so many workers for so long; the first find ends a worker."""
    for directory in (CORPUS, FINDS):
        directory.mkdir(parents=True, exist_ok=True)
    before = set(FINDS.iterdir())
    command = [
        *(sys.executable, "-m", "tests.fuzz.guided", str(CORPUS), "-print_final_stats=1"),
        *(f"-max_total_time={seconds}", f"-max_len={INPUT_LIMIT}", f"-artifact_prefix={FINDS}/"),
        *("-reload=1", "-timeout=20", "-close_fd_mask=1"),
    ]
    workers = [
        subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True) for _ in range(count)
    ]
    told = [worker.communicate(timeout=seconds + GRACE)[1] for worker in workers]
    for text in told:
        if "Uncaught Python exception" in text:
            print(text[-3000:], file=sys.stderr)
    return Tally(
        executions=sum(_numbers(told, r"number_of_executed_units:\s*(\d+)")),
        branches=max(_numbers(told, r" cov: (\d+) "), default=0),
        finds=tuple(sorted(set(FINDS.iterdir()) - before)),
    )


def _numbers(told: Iterable[str], pattern: str) -> list[int]:
    """Return the last number of that pattern in each text."""
    found = [re.findall(pattern, text) for text in told]
    return [int(numbers[-1]) for numbers in found if numbers]
