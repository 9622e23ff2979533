"""Rounds in which the variants alternate, and the statistics over them.

Variants are compared within a round, since the machine's mood changes between rounds.
"""

from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from statistics import median

from tests.bench.process import Sample, timed
from tests.bench.workloads import Stage, Variant, Workload
from tests.lab import Host
from tests.lab.namespaces import Place

Placed = tuple[Place, Stage]
WARM_UP = 2  # rounds that are not counted


@dataclass(frozen=True)
class Row:
    """The figures of one variant, in milliseconds; ratios are medians over the rounds."""

    variant: str
    wall_min: float
    wall_median: float
    wall_p95: float
    cpu_median: float
    wall_ratio: float | None
    cpu_ratio: float | None


@dataclass(frozen=True)
class Result:
    """One workload, measured."""

    workload: str
    about: str
    base: str
    rounds: int
    rows: tuple[Row, ...]
    absent: tuple[str, ...]


def measure(workload: Workload, rounds: int, tick: Callable[[], object]) -> Result:
    """Runs a workload on a fresh host; `tick` is called after every round."""
    present = [variant for variant in workload.variants if variant.is_here]
    samples: dict[Variant, list[Sample]] = {variant: [] for variant in present}
    with ExitStack() as hosts:
        stages = _stages(workload, present, hosts)
        for place, stage in stages:
            place.enter()
            workload.prepare(stage)
        for number in range(WARM_UP + rounds):
            for place, stage in _rotated(stages, number):
                place.enter()
                sample = _once(workload, stage)
                if number >= WARM_UP:
                    samples[stage.variant].append(sample)
            tick()
    base = samples.get(workload.base, [])
    return Result(
        workload=workload.name,
        about=workload.about,
        base=workload.base.name,
        rounds=rounds,
        rows=tuple(_row(variant, samples[variant], base) for variant in present),
        absent=tuple(each.name for each in workload.variants if each not in present),
    )


def _stages(workload: Workload, variants: Sequence[Variant], hosts: ExitStack) -> list[Placed]:
    """A stage for each variant, and the host that it is on."""
    stages = []
    host = place = None
    for number, variant in enumerate(variants):
        if host is None or place is None or workload.is_apart:
            host = hosts.enter_context(Host())
            place = hosts.enter_context(closing(Place()))
        stages.append((place, Stage(variant, host, number, workload.is_dual)))
    return stages


def _once(workload: Workload, stage: Stage) -> Sample:
    workload.before(stage)
    sample = timed(workload.timed(stage))
    workload.after(stage)
    return sample


def _rotated(stages: Sequence[Placed], number: int) -> list[Placed]:
    """Each round begins with another variant, so that none is always first."""
    shift = number % len(stages)
    return [*stages[shift:], *stages[:shift]]


def _row(variant: Variant, samples: list[Sample], base: list[Sample]) -> Row:
    walls = sorted(sample.wall for sample in samples)
    return Row(
        variant=variant.name,
        wall_min=walls[0],
        wall_median=median(walls),
        wall_p95=walls[round(0.95 * (len(walls) - 1))],
        cpu_median=median(sample.cpu for sample in samples),
        wall_ratio=_ratio([each.wall for each in samples], [each.wall for each in base]),
        cpu_ratio=_ratio([each.cpu for each in samples], [each.cpu for each in base]),
    )


def _ratio(values: list[float], base: list[float]) -> float | None:
    """The median of the rounds' ratios; None where the base is not here."""
    if not base:
        return None
    return median(value / reference for value, reference in zip(values, base, strict=True))
