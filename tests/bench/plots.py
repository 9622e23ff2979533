"""The plots of docs/evidence/benchmarks.md, as SVG: one function for each kind of picture.

Only drawing; what is drawn is in the figures.
"""

from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

from tests.bench.figures import Result

# The same figures give the same file, readable on white and on black.
STYLE: Any = {
    "svg.hashsalt": "cni-bridge",
    "svg.fonttype": "none",
    "font.size": 9,
    "axes.spines.top": False,
}
OURS, OTHERS = "#1f77b4", ("#ff7f0e", "#2ca02c", "#9467bd", "#8c564b")


def spread(results: Sequence[Result], file: Path) -> None:
    """Every round of every variant, as a box: half of the rounds are inside."""
    figure = Figure(figsize=(8, 0.6 + 0.45 * sum(len(each.series) for each in results)))
    for axes, result in zip(
        figure.subplots(len(results), squeeze=False)[:, 0], results, strict=True
    ):
        names = [each.variant for each in result.series]
        boxes = axes.boxplot(
            [each.walls for each in result.series],
            orientation="horizontal",
            tick_labels=names,
            widths=0.6,
            showfliers=False,
            patch_artist=True,
        )
        for name, box in zip(names, boxes["boxes"], strict=True):
            box.set_facecolor(_colour(name, names))
        axes.set_title(f"{result.workload}, {result.phase}", loc="left")
        axes.set_xlim(left=0)
        axes.set_xlabel("ms")
        axes.invert_yaxis()
    _save(figure, file)


def growth(
    series: dict[str, list[tuple[int, float]]], about: str, file: Path, **axis: bool
) -> None:
    """Medians over a number of something, a line for each name."""
    figure = Figure(figsize=(8, 3.4))
    axes = figure.subplots()
    names = list(series)
    for name, points in series.items():
        axes.plot(*zip(*points, strict=True), marker="o", label=name, color=_colour(name, names))
    if axis.get("is_logarithmic"):
        axes.set_yscale("log")
        axes.set_xscale("log")
    else:
        axes.set_ylim(bottom=0)
    axes.set_xticks([x for x, _ in next(iter(series.values()))])
    axes.xaxis.set_major_formatter("{x:.0f}")
    axes.minorticks_off()
    axes.set_xlabel(about)
    axes.set_ylabel("ms")
    axes.legend(frameon=False)
    _save(figure, file)


def medians(results: Sequence[Result]) -> dict[str, list[tuple[int, float]]]:
    """For `growth`: results whose workload's name ends in the number, a line for each variant."""
    lines: dict[str, list[tuple[int, float]]] = {}
    for result in results:
        number = int(result.workload.rpartition("-")[2])
        for each in result.series:
            lines.setdefault(each.variant, []).append((number, median(each.walls)))
    return lines


def sizes(results: Sequence[Result]) -> dict[str, list[tuple[int, float]]]:
    """For `growth`: results whose variants' names begin with the number, a line for each phase."""
    return {
        result.phase: [(int(each.variant.split()[0]), median(each.walls)) for each in result.series]
        for result in results
    }


def _colour(name: str, names: Sequence[str]) -> str:
    if name.startswith("cni-bridge") or name == "ADD":
        return OURS
    others = [each for each in names if not each.startswith("cni-bridge") and each != "ADD"]
    return OTHERS[others.index(name) % len(OTHERS)]


def _save(figure: Figure, file: Path) -> None:
    figure.set_layout_engine("tight")
    file.parent.mkdir(parents=True, exist_ok=True)
    with mpl.rc_context(STYLE):
        figure.savefig(file, format="svg", metadata={"Date": None}, facecolor="white")
    # No trailing blanks, as in every other text file here.
    file.write_text("\n".join(map(str.rstrip, file.read_text().splitlines())) + "\n")
