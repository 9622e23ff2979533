"""`python -m tests.bench`: runs the workloads, shows tables, writes figures and page.

Only arguments, output and order; measuring is in `measure` and `effort`, the page in `page`.
"""

import argparse
import json
import os
import platform
import time
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import Progress, TimeElapsedColumn
from rich.table import Table

from tests.bench import effort, page
from tests.bench.all_workloads import ALL
from tests.bench.figures import Result, cells, load
from tests.bench.measure import measure
from tests.bench.targets import EFFORT, judge
from tests.lab.namespaces import become_root


def main() -> None:
    """Do what the arguments ask for."""
    asked = _arguments()
    console = Console()
    if not asked.page:
        become_root()
        _measure(asked)
    document = json.loads(asked.output.read_text())
    for verdict in judge(load(document), document["effort"]):
        sign = "[green]met[/]" if verdict.is_met else "[red]missed[/]"
        limit = f"at most {verdict.target.limit:g}"
        console.print(f"{sign} {verdict.target.what}: {verdict.found:.3g}, {limit}")
    console.print(f"figures: {asked.output}; page: {page.write(document, asked.output)}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    names = [*(each.name for each in ALL), EFFORT]
    parser.add_argument("--only", nargs="+", choices=names, help="these workloads")
    parser.add_argument("--rounds", type=int, help="instead of each workload's own number")
    parser.add_argument("--output", type=Path, default=page.FIGURES, help="where the JSON goes")
    parser.add_argument("--page", action="store_true", help="only the page, from the JSON")
    return parser.parse_args()


def _measure(asked: argparse.Namespace) -> None:
    """Write what is found at once: workloads that were measured before stay until they are anew."""
    document: dict[str, Any] = {"results": [], "effort": []}
    if asked.only and asked.output.exists():
        document = json.loads(asked.output.read_text())
    document["machine"] = _machine()
    chosen = [each for each in ALL if (each.name in asked.only if asked.only else not each.is_long)]
    with Progress(*Progress.get_default_columns(), TimeElapsedColumn()) as progress:
        for workload in chosen:
            count = asked.rounds or workload.rounds
            task = progress.add_task(workload.name, total=count + workload.warm_up)
            found = measure(workload, count, partial(progress.advance, task))
            for result in found:
                progress.console.print(_table(result))
            others = [each for each in document["results"] if each["workload"] != workload.name]
            document["results"] = sorted(others + [asdict(each) for each in found], key=_place)
            _write(document, asked.output)
        if not asked.only or EFFORT in asked.only:
            progress.add_task(EFFORT, total=None)
            document["effort"] = [asdict(each) for each in effort.measure()]
            _write(document, asked.output)


def _place(result: dict[str, Any]) -> int:
    return [each.name for each in ALL].index(result["workload"])


def _write(document: dict[str, Any], file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(document) + "\n")


def _machine() -> dict[str, Any]:
    return {
        "date": time.strftime("%d %b %Y"),
        "kernel": platform.release().partition("-")[0],
        "cpus": os.cpu_count(),
        "load_before": round(os.getloadavg()[0], 1),
    }


def _table(result: Result) -> Table:
    title = f"{result.workload}, {result.phase}: {result.about} ({result.rounds} rounds, ms)"
    table = Table(title=title, title_justify="left", caption_justify="left")
    table.add_column(no_wrap=True)
    for column in ("min", "median", "p95", "CPU", "wall x", "CPU x"):
        table.add_column(column, justify="right")
    base = result.of(result.base)
    for series in result.series:
        table.add_row(series.variant, *cells(series, base))
    table.caption = f"x: ratio to {result.base}, median over the rounds"
    if result.absent:
        table.caption += f"; not here: {', '.join(result.absent)}"
    return table


if __name__ == "__main__":
    main()
