"""What was measured, as data, and the statistics over it.

Nothing is run here; the data is what the JSON file holds.
"""

from dataclasses import dataclass
from statistics import median
from typing import Any


@dataclass(frozen=True)
class Series:
    """One variant's rounds, in milliseconds; CPU is user and system time of the whole process tree."""

    variant: str
    walls: tuple[float, ...]
    cpus: tuple[float, ...]

    @property
    def p95(self) -> float:
        """Of the wall times."""
        return sorted(self.walls)[round(0.95 * (len(self.walls) - 1))]


@dataclass(frozen=True)
class Result:
    """One phase of one workload, measured."""

    workload: str
    phase: str
    about: str
    base: str
    series: tuple[Series, ...]
    absent: tuple[str, ...]

    @property
    def rounds(self) -> int:
        """How often each variant was run, but for slow ones."""
        return max(len(each.walls) for each in self.series)

    @property
    def fewer(self) -> dict[str, int]:
        """Return the variants that were run less often, and how often."""
        counts = {each.variant: len(each.walls) for each in self.series}
        return {name: count for name, count in counts.items() if count < self.rounds}

    def of(self, variant: str) -> Series | None:
        """Return the variant's series, None where it is not on this machine."""
        return next((each for each in self.series if each.variant == variant), None)


def ratios(values: tuple[float, ...], base: tuple[float, ...]) -> list[float]:
    """Round by round, as far as both took part: slow variants do in the first ones alone."""
    return [value / reference for value, reference in zip(values, base, strict=False)]


def wall_ratio(series: Series, base: Series | None) -> float | None:
    """Return the median of the rounds' ratios; None where the base is not here."""
    return median(ratios(series.walls, base.walls)) if base else None


def cpu_ratio(series: Series, base: Series | None) -> float | None:
    """Of the sums: the kernel counts the time of short processes in steps."""
    pairs = list(zip(series.cpus, base.cpus, strict=False)) if base else []
    own, other = (sum(each) for each in zip(*pairs, strict=True)) if pairs else (0.0, 0.0)
    return own / other if other else None


def cells(series: Series, base: Series | None) -> list[str]:
    """Return a row of a table: minimum, median, p95 and CPU in milliseconds, and both ratios."""
    times = (min(series.walls), median(series.walls), series.p95, median(series.cpus))
    both = (wall_ratio(series, base), cpu_ratio(series, base))
    return [f"{each:.1f}" for each in times] + ["-" if x is None else f"{x:.2f}" for x in both]


def load(document: dict[str, Any]) -> list[Result]:
    """Return the results in a JSON document."""
    return [
        Result(
            **{
                **each,
                "series": tuple(
                    Series(one["variant"], tuple(one["walls"]), tuple(one["cpus"]))
                    for one in each["series"]
                ),
                "absent": tuple(each["absent"]),
            }
        )
        for each in document["results"]
    ]
