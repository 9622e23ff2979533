"""Rounds in which the variants alternate: what each phase of each round took.

Variants are compared within a round, since the machine's mood changes between rounds; the
statistics are in `figures`.
"""

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing

from tests.bench.figures import Result, Series
from tests.bench.process import Sample, timed
from tests.bench.workloads import Stage, Variant, Workload
from tests.lab import Host
from tests.lab.namespaces import Place

# The kernel ends the namespace of the round before in the background, and holds the lock of all interfaces
# for tens of milliseconds then: no variant has to wait for another one's.
PAUSE_S = 0.1

Placed = tuple[Place, Stage]
Samples = dict[str, list[Sample]]  # by phase


def measure(workload: Workload, rounds: int, tick: Callable[[], object]) -> list[Result]:
    """Run a workload on a fresh host, a result for each phase; `tick` is called after each round."""
    present = [variant for variant in workload.variants if variant.is_here]
    samples: dict[Variant, Samples] = {
        variant: {phase: [] for phase in workload.phases} for variant in present
    }
    with ExitStack() as hosts:
        stages = _stages(workload, present, hosts)
        for place, stage in stages:
            place.enter()
            workload.prepare(stage)
        time.sleep(workload.settle_s)
        for number in range(workload.warm_up + rounds):
            for place, stage in _rotated(stages, number):
                if not _takes_part(stage.variant, workload, number):
                    continue
                place.enter()
                for phase, sample in _round(workload, stage).items():
                    if number >= workload.warm_up:
                        samples[stage.variant][phase].append(sample)
            tick()
    time.sleep(workload.settle_s)
    absent = tuple(each.name for each in workload.variants if each not in present)
    return [_result(workload, phase, samples, absent) for phase in workload.phases]


def _stages(workload: Workload, variants: Sequence[Variant], hosts: ExitStack) -> list[Placed]:
    """Return a stage for each variant, and the host that it is on."""
    stages = []
    host = place = None
    for number, variant in enumerate(variants):
        if host is None or place is None or workload.is_apart:
            host = hosts.enter_context(Host())
            place = hosts.enter_context(closing(Place()))
        stages.append((place, Stage(variant, host, number, workload.is_dual)))
    return stages


def _round(workload: Workload, stage: Stage) -> dict[str, Sample]:
    time.sleep(PAUSE_S)
    workload.before(stage)
    samples = {}
    for phase, commands in workload.phases.items():
        samples[phase] = timed(commands(stage))
        workload.noting(stage)
    workload.after(stage)
    return samples


def _takes_part(variant: Variant, workload: Workload, number: int) -> bool:
    """Whether a variant is run in a round: a slow one in the first that are counted, if there are few."""
    if not variant.is_slow or workload.slow_rounds is None:
        return True
    return 0 <= number - workload.warm_up < workload.slow_rounds


def _rotated(stages: Sequence[Placed], number: int) -> list[Placed]:
    """Each round begins with another variant, so that none is always first."""
    shift = number % len(stages)
    return [*stages[shift:], *stages[:shift]]


def _result(
    workload: Workload, phase: str, samples: dict[Variant, Samples], absent: tuple[str, ...]
) -> Result:
    return Result(
        workload=workload.name,
        phase=phase,
        about=workload.about,
        base=workload.base.name,
        series=tuple(
            Series(
                variant=variant.name,
                walls=tuple(round(each.wall, 3) for each in by_phase[phase]),
                cpus=tuple(round(each.cpu, 3) for each in by_phase[phase]),
            )
            for variant, by_phase in samples.items()
        ),
        absent=absent,
    )
