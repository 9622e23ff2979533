"""`python -m tests.crash`: the long run, two sweeps at a time; its figures are docs/evidence/reliability.md's.

Only which sweeps there are, and how their figures are put together.
"""

import argparse
import datetime
import json
import multiprocessing
import pickle
import platform
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from functools import partial

from rich.console import Console

from tests.crash.reference import Comparison, Leaks, compare
from tests.crash.scenes import FIRST, LIVE, PLAIN, PUBLISHED, SCENES
from tests.crash.sweep import Sweep, Tally, carry_out
from tests.crash.trials import RECOVERIES
from tests.lab import ROOT, Json
from tests.lab.namespaces import become_root

SO_FAR = ROOT / ".cache/crash.pickle"
FIGURES = ROOT / "tests/reliability/crash.json"
FIRST_RECOVERY, *OTHER_RECOVERIES = (f"SIGKILL, then {name}" for name in RECOVERIES)
# What is disturbed how, at each which of our own points: of the one build, of the other.
SHARES = {
    FIRST_RECOVERY: (1, 10),
    "error 1": (1, 40),
    "SIGTERM": (4, 60),
    **dict.fromkeys(OTHER_RECOVERIES, (12, 120)),
    "error 2": (10, 120),
    "error 3": (10, 120),
    "SIGINT": (20, 120),
    "error and SIGTERM": (8, 120),
}
START_UP = {"onedir": 25, "portable": 500}  # each which of the points before our first line
REFERENCE_POINTS = 20


Job = Sweep | Comparison
Done = list[tuple[Job, Tally | Leaks]]


def main() -> None:
    """Run all of it; fails when anything was left behind."""
    parser = argparse.ArgumentParser(prog="python -m tests.crash", description=__doc__)
    parser.add_argument("--workers", type=int, default=2, help="sweeps at a time")
    parser.add_argument("--thinner", type=int, default=1, help="each which of the chosen points")
    parser.add_argument("--resume", action="store_true", help="without what was done before")
    parser.add_argument(
        "--only", default=[""], nargs="+", help="sweeps whose names have one of these"
    )
    asked = parser.parse_args()
    become_root()
    console = Console(stderr=True)
    done: Done = pickle.loads(SO_FAR.read_bytes()) if asked.resume else []
    known = {str(job) for job, _ in done}
    jobs = [
        job
        for job in _jobs(asked.thinner)
        if str(job) not in known and any(part in str(job) for part in asked.only)
    ]
    context = multiprocessing.get_context("forkserver")
    with ProcessPoolExecutor(asked.workers, context) as pool:
        started: dict[Future[Tally | Leaks], Job] = {pool.submit(_work(job)): job for job in jobs}
        for future in as_completed(started):
            job, outcome = started[future], future.result()
            done.append((job, outcome))
            console.print(f"{job}: {_summary(outcome)}", soft_wrap=True)
            for text in _complaints(outcome):
                console.print(text, markup=False, soft_wrap=True)
            SO_FAR.write_bytes(pickle.dumps(done))
            FIGURES.write_text(json.dumps(_figures(done, asked.thinner), indent=2) + "\n")
    sys.exit(any(_complaints(outcome) for _, outcome in done))


def _jobs(thinner: int) -> Iterator[Job]:
    for index, (disturbance, shares) in enumerate(SHARES.items()):
        for build, own in zip(START_UP, shares, strict=True):
            for scene in SCENES:
                for command in ("ADD",) if scene is FIRST else ("ADD", "DEL"):
                    others = START_UP[build] * thinner
                    yield Sweep(build, scene, command, disturbance, own * thinner, others)
        if index == 0:  # in this order, as a run may be stopped
            for command in LIVE:
                ending = "SIGKILL, then disconnect" if command == "connect" else disturbance
                yield Sweep("onedir", PUBLISHED, command, ending, others=25 * thinner)
            yield from _comparisons(thinner)


def _comparisons(thinner: int) -> Iterator[Job]:
    for scene in (PLAIN, PUBLISHED):
        for command in ("ADD", "DEL"):
            for member in (0, 1) if scene is PUBLISHED else (0,):
                for has_netns in (True, False):
                    count = REFERENCE_POINTS // thinner
                    yield Comparison(scene, command, member, has_netns, count)


def _work(job: Job) -> Callable[[], Tally | Leaks]:
    if isinstance(job, Sweep):
        return partial(carry_out, job)
    return partial(compare, job)


def _complaints(outcome: Tally | Leaks) -> list[str]:
    return outcome.complaints if isinstance(outcome, Tally) else []


def _summary(outcome: Tally | Leaks) -> str:
    if isinstance(outcome, Leaks):
        return f"{outcome.points} points, {outcome.leaking} leak"
    counts = ", ".join(f"{name} {count}" for name, count in outcome.outcomes.items())
    return f"{counts}; {len(outcome.complaints)} complaints"


# ---------------------------------------------------------------- the figures


def _figures(done: Done, thinner: int) -> Json:
    own = [(job, tally) for job, tally in done if isinstance(tally, Tally)]
    now = datetime.datetime.now(datetime.UTC)
    return {
        "title": "Crash at every step",
        "order": 1,
        "command": "make check-crash" if thinner == 1 else f"... --thinner {thinner}",
        "measured": f"{now:%Y-%m-%d}, Linux {platform.release()}",
        "tables": [
            _disturbances(own),
            _outcomes(own),
            _comparison(done),
        ],
    }


def _disturbances(own: "Iterable[tuple[Job, Tally]]") -> Json:
    counts: dict[tuple[str, str], Counter[str]] = {}
    for job, tally in own:
        if isinstance(job, Sweep):
            row = counts.setdefault((job.build, f"{job.scene.name}, {job.command}"), Counter())
            kind = "killed" if "KILL" in job.disturbance else "failing"
            kind = "signalled" if job.disturbance in ("SIGTERM", "SIGINT") else kind
            row[kind] += tally.outcomes.total() + len(tally.complaints)
            row["left"] += len(tally.complaints)
    return {
        "caption": "Trials, each followed by a comparison of all state with what was there before",
        "columns": ["build", "run", "killed", "a call failing", "SIGTERM, SIGINT", "wrong"],
        "rows": [
            [build, run, row["killed"], row["failing"], row["signalled"], row["left"]]
            for (build, run), row in sorted(counts.items())
        ],
    }


def _outcomes(own: "Iterable[tuple[Job, Tally]]") -> Json:
    by_kind: dict[str, Counter[str]] = {}
    for job, tally in own:
        if isinstance(job, Sweep):
            kind = "error" if job.disturbance[:-1] == "error " else job.disturbance
            by_kind.setdefault(kind, Counter()).update(tally.outcomes)
    return {
        "caption": "Outcomes",
        "columns": ["disturbance", "outcomes"],
        "rows": [
            [kind, ", ".join(f"{name}: {count:,}" for name, count in counts.most_common())]
            for kind, counts in by_kind.items()
        ],
    }


def _comparison(done: Done) -> Json:
    rows: list[list[object]] = []
    for job, leaks in done:
        if isinstance(job, Comparison) and isinstance(leaks, Leaks):
            name = ("bridge with host-local", "portmap")[job.member]
            kinds = ", ".join(f"{kind}: {count}" for kind, count in leaks.kinds.items())
            after = "DEL" if job.has_netns else "DEL without netns"
            run = f"{job.scene.name}, {job.command}"
            rows.append([name, run, after, leaks.points, leaks.leaking, kinds or "nothing"])
    for recovery in ("DEL", "DEL without netns"):
        counted = [
            (tally.outcomes.total(), len(tally.complaints))
            for job, tally in done
            if isinstance(job, Sweep)
            and isinstance(tally, Tally)
            and job.disturbance == f"SIGKILL, then {recovery}"
        ]
        points, wrong = (
            (sum(column) for column in zip(*counted, strict=True)) if counted else (0, 0)
        )
        rows.append(["**cni-bridge**", "all of the above", recovery, points, wrong, "nothing"])
    return {
        "caption": "Killed, then deleted: points that left something",
        "columns": ["killed", "run", "afterwards", "points", "leaking", "what was left"],
        "rows": sorted(rows, key=lambda row: [str(cell) for cell in row[:3]]),
    }


if __name__ == "__main__":
    main()
