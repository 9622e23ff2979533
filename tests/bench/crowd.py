"""Workloads that should cost the same whatever else is there: so many ports, so many containers.

Each compares this plugin with itself; the peers are in `ports`.
"""

import json
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from tests.bench.ports import OURS, Publisher, commands, keep_the_bridge
from tests.bench.process import Command, timed
from tests.bench.workloads import Stage, Workload
from tests.lab import Attachment

CROWDS = (0, 250, 1000, 4000)
PORTS = (1, 32, 206, 10_000)
AT_ONCE = 4
BATCH = 100  # interfaces; a bridge takes a thousand


@dataclass(frozen=True)
class Case(Publisher):
    """One size: so many ports, among N containers."""

    ports: int = 1
    crowd: int = 0


def _case(name: str, ports: int = 1, crowd: int = 0) -> Case:
    return Case(name, OURS.path, commands=OURS.commands, ports=ports, crowd=crowd)


def _size(stage: Stage) -> Case:
    assert isinstance(stage.variant, Case)
    return stage.variant


def _call(command: str, stage: Stage) -> list[Command]:
    return commands(command, _size(stage).ports, stage)


def _fill(stage: Stage) -> None:
    """Run real ADDs whose containers then end without a DEL: ledger and sets stay as full as they
    would be, while the kernel is spared a thousand interfaces on each bridge.
    """
    keep_the_bridge(stage)
    for first in range(0, _size(stage).crowd, BATCH):
        container = stage.host.container(f"crowd{first}")
        calls = [_one_of_many(stage, container.name, first + each) for each in range(BATCH)]
        for start in range(0, BATCH, AT_ONCE):
            timed(calls[start : start + AT_ONCE])
        container.delete()
        stage.host.containers.remove(container)


def _one_of_many(stage: Stage, container: str, number: int) -> Command:
    """ADD of an interface to a container that many share, under an id of its own."""
    (host,) = (each for each in stage.host.containers if each.name == container)
    attachment = Attachment(host, f"e{number}")
    port = {"hostPort": 1024 + number, "containerPort": 80, "protocol": "tcp"}
    call = OURS.commands(stage, "ADD", attachment, [port])
    environment = {**call.environment, "CNI_CONTAINERID": f"crowd-{number}"}
    stdin = json.dumps({**json.loads(call.stdin), "isDefaultGateway": False})
    return replace(call, environment=environment, stdin=stdin)


BY_PORTS = tuple(_case(f"{count} ports", ports=count) for count in PORTS)
BY_CROWD = tuple(_case(f"{count} containers", crowd=count) for count in CROWDS)


def _by_size(name: str, about: str, cases: tuple[Case, ...], **settings: Any) -> Workload:
    """ADD and DEL of each case, compared with the smallest."""
    return Workload(
        name=name,
        about=about,
        variants=cases,
        base=cases[0],
        phases={command: partial(_call, command) for command in ("ADD", "DEL")},
        before=Stage.enter,
        noting=Stage.remember,
        after=Stage.leave,
        **settings,
    )


CROWD_WORKLOADS = (
    _by_size("ports", "masquerading and N published ports", BY_PORTS, prepare=keep_the_bridge),
    _by_size(
        "crowd",
        "masquerading and a published port, among N containers",
        BY_CROWD,
        prepare=_fill,
        is_apart=True,
    ),
)
