"""What is measured: each workload is a small declaration of what comes before, in and after the clock.

How often, in what order and with what statistics is decided in `measure`.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tests.bench.process import Command
from tests.lab import PLUGIN, PLUGIN_PORTABLE, Attachment, Host, Json, Network, Plugin, peer

INTERPRETER = "/usr/bin/python3"
FLAGS = ("-I", "-S", "-E", "-c", "pass")


@dataclass(frozen=True)
class Variant:
    """One contestant: an executable, and what it needs beside it to be measured."""

    name: str
    path: Path
    arguments: tuple[str, ...] = ()
    needs: tuple[Path, ...] = ()

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
    network: Network = field(init=False)
    attachments: list[Attachment] = field(default_factory=list)

    def __post_init__(self) -> None:
        plugin = Plugin.at(self.variant.path)
        self.network = self.host.network(plugin, self._config(plugin))

    def enter(self, count: int = 1) -> None:
        """Makes fresh containers for this round."""
        names = (f"v{self.number}-{index}" for index in range(count))
        self.attachments = [Attachment(self.host.container(name)) for name in names]

    def leave(self) -> None:
        """Removes this round's containers."""
        for attachment in self.attachments:
            attachment.container.delete()
            self.host.containers.remove(attachment.container)
        self.attachments = []

    def commands(self, command: str) -> list[Command]:
        """This CNI command for every attachment of the round."""
        return [self.command(command, attachment) for attachment in self.attachments]

    def run(self, command: str) -> None:
        """The same, off the clock."""
        for each in self.attachments:
            run = self.network.do(command, each.container, each.ifname)
            assert run.status == 0, run

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
            "ipam": {
                "type": plugin.ipam_type,
                "ranges": [[{"subnet": f"10.{100 + self.number}.0.0/16"}]],
            },
        }


Step = Callable[[Stage], object]


@dataclass(frozen=True)
class Workload:
    """What `timed` returns is run on the clock; the other steps are not counted.

    `prepare` runs once, `before` and `after` in each round. Ratios are to `base`. All variants are
    on one host, unless it is hosts that are compared.
    """

    name: str
    about: str
    variants: tuple[Variant, ...]
    base: Variant
    timed: Callable[[Stage], list[Command]]
    prepare: Step = lambda _: None
    before: Step = lambda _: None
    after: Step = lambda _: None
    rounds: int = 40
    is_apart: bool = False  # every variant has a host of its own


def _keep_the_bridge(stage: Stage) -> None:
    """One container stays, so that the bridge and the state files exist in every round."""
    stage.host.container(f"stays{stage.number}")
    stage.network.add(stage.host.containers[-1]).result()


def _start(stage: Stage) -> list[Command]:
    environment = {"CNI_COMMAND": "VERSION", "PATH": "/usr/bin:/bin"}
    words = (str(stage.variant.path), *stage.variant.arguments)
    return [Command(words, environment, '{"cniVersion": "1.0.0"}')]


def _attached(count: int = 1) -> Step:
    def before(stage: Stage) -> None:
        stage.enter(count)
        stage.run("ADD")

    return before


def _detach(stage: Stage) -> None:
    stage.run("DEL")
    stage.leave()


PLUGINS = (OURS, PORTABLE, REFERENCE)
AT_ONCE = 30

WORKLOADS = (
    Workload(
        name="start",
        about="CNI_COMMAND=VERSION: start-up and nothing else",
        variants=(*PLUGINS, PYTHON),
        base=PYTHON,
        timed=_start,
    ),
    Workload(
        name="add",
        about="ADD of one container; the bridge exists",
        variants=PLUGINS,
        base=REFERENCE,
        prepare=_keep_the_bridge,
        before=Stage.enter,
        timed=lambda stage: stage.commands("ADD"),
        after=_detach,
    ),
    Workload(
        name="del",
        about="DEL of one container; the bridge stays",
        variants=PLUGINS,
        base=REFERENCE,
        prepare=_keep_the_bridge,
        before=_attached(),
        timed=lambda stage: stage.commands("DEL"),
        after=Stage.leave,
    ),
    Workload(
        name="add-30",
        about=f"{AT_ONCE} ADDs started at once, until the last is done",
        variants=PLUGINS,
        base=REFERENCE,
        prepare=_keep_the_bridge,
        before=lambda stage: stage.enter(AT_ONCE),
        timed=lambda stage: stage.commands("ADD"),
        after=_detach,
        rounds=5,
    ),
    Workload(
        name="del-30",
        about=f"{AT_ONCE} DELs started at once, until the last is done",
        variants=PLUGINS,
        base=REFERENCE,
        prepare=_keep_the_bridge,
        before=_attached(AT_ONCE),
        timed=lambda stage: stage.commands("DEL"),
        after=Stage.leave,
        rounds=5,
    ),
)
