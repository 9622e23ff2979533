"""What is measured: each workload is a small declaration of what comes before, in and after the clock.

How often, in what order and with what statistics is decided in `measure`.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.bench.process import Command
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
            "ipam": {"type": plugin.ipam_type, "ranges": [[each] for each in self._subnets()]},
        }

    def _subnets(self) -> list[Json]:
        subnets = [{"subnet": f"10.{100 + self.number}.0.0/16"}]
        return [*subnets, {"subnet": f"fd00:{self.number}::/64"}] if self.is_dual else subnets


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
    is_dual: bool = False  # whether the network has IPv6 too
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


def _among(count: int) -> Step:
    def prepare(stage: Stage) -> None:
        _keep_the_bridge(stage)
        stage.crowd(count)

    return prepare


def _collection(stage: Stage) -> list[Command]:
    """GC, with nothing on the list of valid attachments."""
    environment = {"CNI_COMMAND": "GC", "CNI_PATH": stage.network.plugin.search_path}
    config = {**stage.network.config, "cniVersion": "1.1.0", "cni.dev/valid-attachments": []}
    return [Command((str(stage.variant.path),), environment, json.dumps(config))]


PLUGINS = (OURS, PORTABLE, REFERENCE)


def _add(name: str, about: str, **changes: Any) -> Workload:
    settings: dict[str, Any] = {"prepare": _keep_the_bridge, "before": Stage.enter, **changes}
    return Workload(
        name=name,
        about=about,
        variants=settings.pop("variants", PLUGINS),
        base=REFERENCE,
        timed=lambda stage: stage.commands("ADD"),
        after=_detach,
        **settings,
    )


def _delete(name: str, about: str, **changes: Any) -> Workload:
    settings: dict[str, Any] = {"prepare": _keep_the_bridge, "before": _attached(), **changes}
    return Workload(
        name=name,
        about=about,
        variants=settings.pop("variants", PLUGINS),
        base=REFERENCE,
        timed=lambda stage: stage.commands("DEL"),
        after=Stage.leave,
        **settings,
    )


def _adds_at_once(count: int) -> Workload:
    about = f"{count} ADDs started at once, until the last is done"
    return _add(f"add-{count}", about, before=lambda stage: stage.enter(count), rounds=5)


def _deletes_at_once(count: int) -> Workload:
    about = f"{count} DELs started at once, until the last is done"
    return _delete(f"del-{count}", about, before=_attached(count), rounds=5)


def _amidst(make: Callable[..., Workload], command: str, count: int) -> Workload:
    about = f"{command.upper()} of one container on a host that has {count} attachments more"
    variants = (OURS, REFERENCE)
    return make(f"{command}-amidst-{count}", about, variants=variants, prepare=_among(count))


WORKLOADS = (
    Workload(
        name="start",
        about="CNI_COMMAND=VERSION: start-up and nothing else",
        variants=(*PLUGINS, PYTHON),
        base=PYTHON,
        timed=_start,
    ),
    _add("add", "ADD of one container; the bridge exists"),
    _delete("del", "DEL of one container; the bridge stays"),
    _add("add-dual", "ADD of one container with an IPv4 and an IPv6 address", is_dual=True),
    _delete("del-dual", "DEL of one container with an IPv4 and an IPv6 address", is_dual=True),
    Workload(
        name="check",
        about="CHECK of one container",
        variants=PLUGINS,
        base=REFERENCE,
        prepare=_keep_the_bridge,
        before=_attached(),
        timed=lambda stage: stage.commands("CHECK"),
        after=_detach,
    ),
    _adds_at_once(50),
    _deletes_at_once(50),
    _adds_at_once(100),
    *(_amidst(_add, "add", count) for count in (250, 1000, 4000)),
    _amidst(_delete, "del", 1000),
    Workload(
        name="gc-500",
        about="GC of 500 stale attachments",
        variants=(OURS,),
        base=OURS,
        before=_attached(500),
        timed=_collection,
        after=Stage.leave,
        rounds=2,
    ),
)
