"""The same with the reference: bridge with host-local, and portmap, killed at points of their runs.

Leaks are counted, not asserted; the host goes on as they have left it.
"""

from collections import Counter
from dataclasses import dataclass, field, replace

from tests.crash import points
from tests.crash.points import Point
from tests.crash.scenes import REFERENCE, Scene
from tests.crash.stage import IFNAME, Stage
from tests.lab import Network, Run
from tests.lab.chain import Chain

SETTLING = 0.3
KINDS = {"file": "address", "nft": "rules", "link": "interface"}


@dataclass(frozen=True)
class Comparison:
    """Which of the chain's plugins is killed, in which command, and what comes afterwards."""

    scene: Scene
    command: str
    member: int  # 0: bridge with its host-local; 1: portmap
    has_netns: bool  # at the DEL that comes afterwards
    count: int  # of points, spread evenly over the run

    def __str__(self) -> str:
        name = ("bridge with host-local", "portmap")[self.member]
        after = "DEL" if self.has_netns else "DEL without netns"
        return f"{name}, {self.scene.name}, {self.command}, SIGKILL, then {after}"


@dataclass
class Leaks:
    """How many points were tried, and after how many of them DEL has left something."""

    points: int = 0
    leaking: int = 0
    kinds: Counter[str] = field(default_factory=Counter)


def compare(asked: Comparison) -> Leaks:
    """Kills at every chosen point, then DEL."""
    leaks = Leaks()
    rest: list[Point] | None = None
    while rest is None or rest:
        with Stage(REFERENCE, asked.scene) as stage:
            if rest is None:
                rest = _chosen(stage, asked)
            while rest and _goes_on(stage, asked, rest.pop(0), leaks):
                pass
    return leaks


def _chosen(stage: Stage, asked: Comparison) -> list[Point]:
    """Points of one undisturbed run, evenly spread."""
    _disturbed(stage, asked, None)
    stage.run("DEL").assert_silent_success()
    listed = points.found(stage.log, marker="")
    step = max(1, len(listed) // asked.count)
    return listed[step // 2 :: step]


def _goes_on(stage: Stage, asked: Comparison, point: Point, leaks: Leaks) -> bool:
    """One trial; False when the host can't be used any more."""
    _disturbed(stage, asked, point)
    leaks.points += points.was_disturbed(stage.log)
    if asked.has_netns:
        stage.run("DEL")
    else:
        stage.delete_without_netns()
    if left := stage.left(SETTLING):
        leaks.leaking += 1
        kinds = {name for key, name in KINDS.items() for line in left if f": {key} " in line}
        leaks.kinds.update(kinds)
        stage.before = stage.snapshot()
    is_usable = stage.run("ADD").status == 0 and stage.run("DEL").status == 0
    return is_usable and not stage.left(SETTLING)


def _disturbed(stage: Stage, asked: Comparison, point: Point | None) -> Run:
    """Return the chain as a runtime calls it, up to the plugin that is killed at the point."""
    chain = stage.network
    assert isinstance(chain, Chain)
    members: list[Network] = [Network(chain.plugin, chain.config), *chain.following]
    if asked.command == "DEL":
        stage.run("ADD").result()
        members.reverse()
    victim = members[asked.member if asked.command == "ADD" else -1 - asked.member]
    config = dict(stage.scene.asked)
    for member in members:
        if member is victim:
            break
        run = member.do(asked.command, stage.victim, IFNAME, config=config)
        if asked.command == "ADD":
            config["prevResult"] = run.result()
    if asked.command == "DEL":
        config["prevResult"] = next(iter(chain.results.values()))
    plugin = (
        points.disturbing(victim.plugin, point, "signal=KILL", stage.log)
        if point
        else points.listing(victim.plugin, stage.log)
    )
    return replace(victim, plugin=plugin).do(asked.command, stage.victim, IFNAME, config=config)
