"""What is measured: each workload is a small declaration of what comes before, in and after the clock.

How often, in what order and with what statistics is decided in `measure`.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tests.bench.process import OUTPUT, Command
from tests.lab import PLUGIN, PLUGIN_PORTABLE, Attachment, Host, Json, Network, Plugin, peer

INTERPRETER = "/usr/bin/python3"
FLAGS = ("-I", "-S", "-E", "-c", "pass")
BRIDGE_PORTS = 500  # of a crowd; the kernel's limit is 1023


@dataclass(frozen=True)
class Variant:
    """One contestant: an executable, and what it needs beside it to be measured."""

    name: str
    path: Path
    arguments: tuple[str, ...] = ()
    needs: tuple[Path, ...] = ()
    is_slow: bool = False  # takes part in a workload's first rounds only, where it says so

    @property
    def is_plugin(self) -> bool:
        """Whether it can be called with a network, not only be started."""
        return not self.arguments

    @property
    def is_here(self) -> bool:
        """Whether it can be run on this machine."""
        return all(path.exists() for path in (self.path, *self.needs))


OURS = Variant("cni-bridge", PLUGIN)
PORTABLE = Variant("cni-bridge-portable", PLUGIN_PORTABLE)
REFERENCE = Variant("bridge + host-local (Go)", peer("bridge"), needs=(peer("host-local"),))
PYTHON = Variant("python3 -c pass", Path(INTERPRETER), FLAGS)


@dataclass
class Stage:
    """One variant on the benchmark's host: its network, and the attachments of this round."""

    variant: Variant
    host: Host
    number: int
    is_dual: bool = False
    network: Network = field(init=False)
    attachments: list[Attachment] = field(default_factory=list)

    def __post_init__(self) -> None:
        plugin = Plugin.at(self.variant.path)
        self.network = self.host.network(plugin, self._config(plugin))

    def crowd(self, count: int) -> None:
        """Attaches as many interfaces of one more container, to bridges of their own."""
        container = self.host.container(f"crowd{self.number}")
        for part, start in enumerate(range(0, count, BRIDGE_PORTS)):
            name = f"crowd{self.number}-{part}"
            ranges = [[{"subnet": f"10.{110 + 10 * self.number + part}.0.0/16"}]]
            changes = {"name": name, "bridge": name, "isDefaultGateway": False, "isGateway": True}
            ipam = {**self.network.config["ipam"], "ranges": ranges}
            config = {**self.network.config, **changes, "ipam": ipam}
            network = self.host.network(self.network.plugin, config)
            for index in range(start, min(start + BRIDGE_PORTS, count)):
                network.add(container, f"e{index}").result()

    def enter(self, count: int = 1) -> None:
        """Make fresh containers for this round."""
        names = (f"v{self.number}-{index}" for index in range(count))
        self.attachments = [Attachment(self.host.container(name)) for name in names]

    def leave(self) -> None:
        """Remove this round's containers."""
        for attachment in self.attachments:
            attachment.container.delete()
            self.host.containers.remove(attachment.container)
        self.attachments = []
        self.network.results.clear()

    def commands(self, command: str) -> list[Command]:
        """Return this CNI command for every attachment of the round."""
        return [self.command(command, attachment) for attachment in self.attachments]

    def remember(self) -> None:
        """Keep the last ADD's result, which CHECK and DEL want."""
        if (text := Path(OUTPUT).read_text()).strip():
            self.network.results[self.attachments[0]] = json.loads(text)

    def command(self, command: str, attachment: Attachment) -> Command:
        """One plugin call as it is executed."""
        environment, stdin = self.network.call(command, attachment)
        return Command((str(self.variant.path),), environment, stdin)

    def _config(self, plugin: Plugin) -> Json:
        return {
            "cniVersion": "1.0.0",
            "name": f"bench{self.number}",
            "type": plugin.type,
            "bridge": f"bench{self.number}",
            "isDefaultGateway": True,
            "ipam": {"type": plugin.ipam_type, "ranges": [[each] for each in self._subnets()]},
        }

    def _subnets(self) -> list[Json]:
        subnets = [{"subnet": f"10.{100 + self.number}.0.0/16"}]
        return [*subnets, {"subnet": f"fd00:{self.number}::/64"}] if self.is_dual else subnets


Step = Callable[[Stage], object]


@dataclass(frozen=True)
class Workload:
    """What a phase returns is run on the clock; the other steps are not counted.

    `prepare` runs once, `before` and `after` in each round, `noting` after each phase. Ratios are
    to `base`. All variants are on one host, unless it is hosts that are compared.
    """

    name: str
    about: str
    variants: tuple[Variant, ...]
    base: Variant
    phases: dict[str, Callable[[Stage], list[Command]]]
    prepare: Step = lambda _: None
    before: Step = lambda _: None
    noting: Step = lambda _: None
    after: Step = lambda _: None
    rounds: int = 60
    slow_rounds: int | None = None  # of these, how many the slow variants take part in; None: all
    warm_up: int = 2  # rounds that are not counted
    settle_s: float = 0  # until the kernel is done with what was prepared, and with its end
    is_dual: bool = False  # whether the network has IPv6 too
    is_apart: bool = False  # every variant has a host of its own
    is_long: bool = False  # run only when it is asked for


def _all_of(command: str) -> Callable[[Stage], list[Command]]:
    return lambda stage: stage.commands(command)


def keep_the_bridge(stage: Stage) -> None:
    """One container stays, so that the bridge and the state files exist in every round."""
    stage.host.container(f"stays{stage.number}")
    stage.network.add(stage.host.containers[-1]).result()


def _start(stage: Stage) -> list[Command]:
    environment = {"CNI_COMMAND": "VERSION", "PATH": "/usr/bin:/bin"}
    words = (str(stage.variant.path), *stage.variant.arguments)
    return [Command(words, environment, '{"cniVersion": "1.0.0"}')]


def _among(count: int) -> Step:
    def prepare(stage: Stage) -> None:
        keep_the_bridge(stage)
        stage.crowd(count)

    return prepare


def _entered(count: int) -> Step:
    return lambda stage: stage.enter(count)


PLUGINS = (OURS, PORTABLE, REFERENCE)


def _amidst(count: int) -> Workload:
    return Workload(
        name=f"amidst-{count}",
        about=f"one container on a host that has {count} interfaces more",
        variants=(OURS, REFERENCE),
        base=REFERENCE,
        phases={"ADD": _all_of("ADD"), "DEL": _all_of("DEL")},
        prepare=_among(count),
        before=Stage.enter,
        after=Stage.leave,
        is_long=True,
    )


WORKLOADS = (
    Workload(
        name="start",
        about="CNI_COMMAND=VERSION: start-up and nothing else",
        variants=(*PLUGINS, PYTHON),
        base=PYTHON,
        phases={"VERSION": _start},
    ),
    Workload(
        name="plain",
        about="one container with an IPv4 address; the bridge exists",
        variants=PLUGINS,
        base=REFERENCE,
        phases={command: _all_of(command) for command in ("ADD", "CHECK", "DEL")},
        prepare=keep_the_bridge,
        before=Stage.enter,
        noting=Stage.remember,
        after=Stage.leave,
    ),
    Workload(
        name="dual",
        about="one container with an IPv4 and an IPv6 address",
        variants=PLUGINS,
        base=REFERENCE,
        phases={command: _all_of(command) for command in ("ADD", "DEL")},
        prepare=keep_the_bridge,
        before=Stage.enter,
        noting=Stage.remember,
        after=Stage.leave,
        is_dual=True,
    ),
    Workload(
        name="at-once-100",
        about="100 containers at once, until the last is done",
        variants=(OURS, REFERENCE),
        base=REFERENCE,
        phases={command: _all_of(command) for command in ("ADD", "DEL")},
        prepare=keep_the_bridge,
        before=_entered(100),
        after=Stage.leave,
        rounds=10,
        warm_up=1,
    ),
    *(_amidst(count) for count in (250, 1000, 4000)),
)
