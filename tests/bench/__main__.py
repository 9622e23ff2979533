"""`python -m tests.bench`: runs the workloads, shows tables, writes the figures as JSON.

Only arguments, output and order; measuring is in `measure`.
"""

import argparse
import json
import os
import platform
from dataclasses import asdict
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from tests.bench.crowd import CROWD_WORKLOADS
from tests.bench.measure import WARM_UP, Result, measure
from tests.bench.ports import PORT_WORKLOADS
from tests.bench.workloads import WORKLOADS, Workload
from tests.lab import ROOT
from tests.lab.namespaces import become_root

ALL = (*WORKLOADS, *PORT_WORKLOADS, *CROWD_WORKLOADS)
RESULTS = ROOT / ".cache/bench.json"


def main() -> None:
    """Runs what the arguments ask for."""
    asked = _arguments()
    chosen = [each for each in ALL if not asked.only or each.name in asked.only]
    become_root()
    results = _measure_all(chosen, asked.rounds)
    console = Console()
    for result in results:
        console.print(_table(result))
    asked.output.parent.mkdir(parents=True, exist_ok=True)
    asked.output.write_text(json.dumps(_document(results), indent=2) + "\n")
    console.print(f"figures: {asked.output}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    names = [each.name for each in ALL]
    parser.add_argument("--only", nargs="+", choices=names, help="these workloads")
    parser.add_argument("--rounds", type=int, help="instead of each workload's own number")
    parser.add_argument("--output", type=Path, default=RESULTS, help="where the JSON goes")
    return parser.parse_args()


def _measure_all(chosen: list[Workload], rounds: int | None) -> list[Result]:
    results = []
    with Progress(console=Console(stderr=True)) as progress:
        for workload in chosen:
            count = rounds or workload.rounds
            task = progress.add_task(workload.name, total=count + WARM_UP)
            results.append(measure(workload, count, partial(progress.advance, task)))
    return results


def _table(result: Result) -> Table:
    title = f"{result.workload}: {result.about} ({result.rounds} rounds, ms)"
    table = Table(title=title, title_justify="left", caption_justify="left")
    table.add_column(no_wrap=True)
    for column in ("min", "median", "p95", "CPU", "wall x", "CPU x"):
        table.add_column(column, justify="right")
    for row in result.rows:
        times = (row.wall_min, row.wall_median, row.wall_p95, row.cpu_median)
        ratios = (
            "-" if each is None else f"{each:.2f}" for each in (row.wall_ratio, row.cpu_ratio)
        )
        table.add_row(row.variant, *(f"{each:.1f}" for each in times), *ratios)
    table.caption = f"x: ratio to {result.base}, median over the rounds"
    if result.absent:
        table.caption += f"; not here: {', '.join(result.absent)}"
    return table


def _document(results: list[Result]) -> dict[str, object]:
    machine = {"kernel": platform.release(), "cpus": os.cpu_count(), "load": os.getloadavg()}
    return {"machine": machine, "results": [asdict(result) for result in results]}


if __name__ == "__main__":
    main()
