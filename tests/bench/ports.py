"""Workloads of published ports: this plugin, the reference's chain with either backend, netavark.

What is called, and how each wants to be told of ports; measuring is in `measure`.
"""

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tests.bench.process import PREVIOUS, Command, timed
from tests.bench.workloads import Stage, Variant, Workload
from tests.lab import PLUGIN, Attachment, Json, peer

NETAVARK = Path("/usr/lib/podman/netavark")
REFERENCE = (peer("bridge"), peer("host-local"), peer("portmap"))
# Ports: rounds, and those of the peers, whose time rises with the ports: a DEL of 206 takes netavark 18 s.
COUNTS = {1: (60, 30), 32: (20, 4), 206: (20, 1)}
SETTLED = "/run/netavark"


@dataclass(frozen=True)
class Publisher(Variant):
    """A contestant that publishes ports: the commands of an ADD or a DEL with so many."""

    commands: Callable[[Stage, str, Attachment, list[Json]], Command] = NotImplemented


def _ours(stage: Stage, command: str, attachment: Attachment, ports: list[Json]) -> Command:
    keys = {"ipMasq": True, "capabilities": {"portMappings": True}}
    config = {**keys, "runtimeConfig": {"portMappings": ports}}
    environment, stdin = stage.network.call(command, attachment, config=config)
    return Command((str(PLUGIN),), environment, stdin)


def _chain(
    backend: str, stage: Stage, command: str, attachment: Attachment, ports: list[Json]
) -> Command:
    config = {"ipMasq": True, "ipMasqBackend": backend}
    environment, stdin = stage.network.call(command, attachment, config=config)
    environment |= {"PATH": os.environ["PATH"]}
    bridge = Command((str(peer("bridge")),), environment, stdin)
    document = {
        "cniVersion": "1.0.0",
        "name": stage.network.config["name"],
        "type": "portmap",
        "backend": backend,
        "runtimeConfig": {"portMappings": ports},
        "prevResult": stage.network.results.get(attachment),
    }
    if command == "DEL":
        text = json.dumps(document)
        return Command((str(peer("portmap")),), environment, text, following=(bridge,))
    text = json.dumps({**document, "prevResult": json.loads(PREVIOUS)})
    portmap = Command((str(peer("portmap")),), environment, text)
    return Command(bridge.words, environment, stdin, following=(portmap,))


def _netavark(stage: Stage, command: str, attachment: Attachment, ports: list[Json]) -> Command:
    """Its addresses come from its caller, so it does less than the others."""
    name = stage.network.config["name"]
    subnet = stage.network.config["ipam"]["ranges"][0][0]["subnet"].removesuffix(".0.0/16")
    number = 2 + stage.host.containers.index(attachment.container) % 200
    document = {
        "container_id": attachment.container.name,
        "container_name": attachment.container.name,
        "port_mappings": [
            {
                "host_ip": "",
                "range": 1,
                "host_port": each["hostPort"],
                "container_port": each["containerPort"],
                "protocol": each["protocol"],
            }
            for each in ports
        ],
        "networks": {name: {"interface_name": "eth0", "static_ips": [f"{subnet}.0.{number}"]}},
        "network_info": {
            name: {
                "name": name,
                "id": name,
                "driver": "bridge",
                "network_interface": stage.network.bridge,
                "subnets": [{"subnet": f"{subnet}.0.0/16", "gateway": f"{subnet}.0.1"}],
                "ipv6_enabled": False,
                "internal": False,
                "dns_enabled": False,
                "ipam_options": {"driver": "host-local"},
            }
        },
    }
    verb = {"ADD": "setup", "DEL": "teardown"}[command]
    words = (str(NETAVARK), "--config", SETTLED, verb, str(attachment.container.netns))
    return Command(words, {"PATH": os.environ["PATH"]}, json.dumps(document))


OURS = Publisher("cni-bridge", PLUGIN, commands=_ours)
CHAINS = tuple(
    Publisher(
        f"bridge + portmap, {backend}",
        peer("bridge"),
        needs=(*REFERENCE, Path("/usr/sbin", tool)),
        is_slow=True,
        commands=partial(_chain, backend),
    )
    for backend, tool in (("iptables", "iptables"), ("nftables", "nft"))
)
AVARK = Publisher("netavark", NETAVARK, commands=_netavark, is_slow=True)
PUBLISHERS = (OURS, *CHAINS, AVARK)


def commands(command: str, count: int, stage: Stage) -> list[Command]:
    """One call for each of the round's containers; each has ports of its own."""
    assert isinstance(stage.variant, Publisher)
    first = 20000 + 1000 * stage.number
    return [
        stage.variant.commands(stage, command, each, _ports(first + count * index, count))
        for index, each in enumerate(stage.attachments)
    ]


def _ports(first: int, count: int) -> list[Json]:
    return [
        {"hostPort": first + number, "containerPort": 80, "protocol": "tcp"}
        for number in range(count)
    ]


def _run(command: str, count: int, stage: Stage) -> None:
    timed(commands(command, count, stage))
    stage.remember()


def keep_the_bridge(stage: Stage) -> None:
    Path(SETTLED).mkdir(exist_ok=True)
    stage.attachments = [Attachment(stage.host.container(f"stays{stage.number}"))]
    _run("ADD", 0, stage)
    stage.network.results.clear()
    stage.attachments = []


def phases(count: int) -> dict[str, Callable[[Stage], list[Command]]]:
    """ADD and DEL with so many ports."""
    return {command: partial(commands, command, count) for command in ("ADD", "DEL")}


def _publishing(count: int) -> Workload:
    return Workload(
        name=f"ports-{count}",
        about=f"masquerading and {count} published ports",
        variants=PUBLISHERS,
        base=OURS,
        phases=phases(count),
        prepare=keep_the_bridge,
        before=Stage.enter,
        noting=Stage.remember,
        after=Stage.leave,
        rounds=COUNTS[count][0],
        slow_rounds=COUNTS[count][1],
    )


PORT_WORKLOADS = tuple(map(_publishing, COUNTS))
