"""A trial at every point of a command, one after the other on one stage.

Which sweeps there are is for the callers to say.
"""

from collections import Counter
from dataclasses import dataclass, field

from tests.crash import points, trials
from tests.crash.points import NEVER_FAIL, Point
from tests.crash.scenes import ATTACHING, STACKS, Scene
from tests.crash.stage import Stage

ENOUGH = 20  # complaints after which a sweep gives up


@dataclass(frozen=True)
class Sweep:
    """Which run is disturbed, how, at which share of its points."""

    build: str
    scene: Scene
    command: str
    disturbance: str
    own: int = 1
    others: int = 25
    calls: tuple[str, ...] = ()  # these alone, where some are named

    def __str__(self) -> str:
        which = f" at {' '.join(self.calls)}" if self.calls else ""
        return f"{self.build}, {self.scene.name}, {self.command}, {self.disturbance}{which}"


@dataclass
class Tally:
    """How often each outcome came, and every complaint."""

    outcomes: Counter[str] = field(default_factory=Counter)
    complaints: list[str] = field(default_factory=list)


def carry_out(sweep: Sweep) -> Tally:
    """Try every point; a complaint ends the stage, and a new one is made for what is left."""
    trial = trials.TRIALS[sweep.disturbance]
    tally = Tally()
    rest: list[Point] | None = None
    while rest is None or rest:
        with Stage(STACKS[sweep.build], sweep.scene) as stage:
            if rest is None:
                found = _points(stage, sweep)
                rest = list(points.sampled(found, sweep.own, sweep.others))
            _try(stage, sweep, trial, rest, tally)
        if len(tally.complaints) >= ENOUGH:
            break
    return tally


def _points(stage: Stage, sweep: Sweep) -> list[Point]:
    _prepare(stage, sweep.command)
    found = stage.points(sweep.command)
    if sweep.command == "connect":
        stage.change("disconnect")  # which forgets the result, too
    elif sweep.command != "DEL":
        stage.run("DEL").assert_silent_success()
    stage.reset()
    if sweep.disturbance.startswith("error"):
        found = [point for point in found if point.call not in NEVER_FAIL]
    return [point for point in found if not sweep.calls or point.call in sweep.calls]


def _prepare(stage: Stage, command: str) -> None:
    """Do what must have been done before the command."""
    if command not in ATTACHING:
        stage.run("ADD").result()
    if command == "join":
        stage.change("isolate")


def _try(stage: Stage, sweep: Sweep, trial: trials.Trial, rest: list[Point], tally: Tally) -> None:
    """Take points from `rest` until the first complaint."""
    while rest:
        point = rest.pop(0)
        try:
            _prepare(stage, sweep.command)
            tally.outcomes[trial(stage, sweep.command, point) or "not reached"] += 1
            stage.reset()
        except Exception as error:  # whatever it is, the rest is tried on a new stage
            tally.complaints.append(f"{sweep}, {point}: {type(error).__name__} {error}")
            return
