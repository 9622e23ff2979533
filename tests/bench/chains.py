"""What Docker does for a container, by each plugin: masquerading, a published port, a firewall, a sysctl.

The reference needs a chain of four plugins for it. cnitool runs them, as a runtime would; netavark,
which is no CNI plugin, is called as podman calls it.
"""

import json
import os
from functools import partial
from pathlib import Path

from tests.bench.ports import AVARK, CHAINS, OURS, Publisher, keep_the_bridge, phases
from tests.bench.process import Command
from tests.bench.workloads import REFERENCE as PLAIN
from tests.bench.workloads import Stage, Workload
from tests.lab import PLUGIN, Attachment, Json, peer
from tests.lab.cnitool import CNITOOL

SYSCTL = {"net.core.somaxconn": "500"}


def _by_cnitool(
    backend: str, stage: Stage, command: str, attachment: Attachment, ports: list[Json]
) -> Command:
    network = stage.network.config
    directory = Path(f"/run/bench-{stage.number}")
    if not directory.exists():
        directory.mkdir()
        listed = {
            "cniVersion": network["cniVersion"],
            "name": network["name"],
            "plugins": _plugins(backend, network),
        }
        (directory / "bench.conflist").write_text(json.dumps(listed))
    environment = {
        "NETCONFPATH": str(directory),
        "CNI_PATH": f"{PLUGIN.parent}:{peer('bridge').parent}",
        "CAP_ARGS": json.dumps({"portMappings": ports}),
        "PATH": os.environ["PATH"],
    }
    words = (str(CNITOOL), command.lower(), network["name"], str(attachment.container.netns))
    return Command(words, environment)


def _plugins(backend: str, network: Json) -> list[Json]:
    """Return the conflist's; there is no nftables in the reference's `firewall`."""
    main = {**network, "ipMasq": True}
    if not backend:
        return [{**main, "capabilities": {"portMappings": True}, "sysctl": SYSCTL}]
    capable = {"capabilities": {"portMappings": True}}
    return [
        {**main, "ipMasqBackend": backend},
        {"type": "portmap", "backend": backend, **capable},
        {"type": "firewall", "backend": "iptables"},
        {"type": "tuning", "sysctl": SYSCTL},
    ]


def _plainly(stage: Stage, command: str, attachment: Attachment, _ports: list[Json]) -> Command:
    environment, stdin = stage.network.call(command, attachment)
    return Command((str(PLAIN.path),), environment, stdin)


DOCKER = Publisher(OURS.name, PLUGIN, needs=(CNITOOL,), commands=partial(_by_cnitool, ""))
FOUR = tuple(
    Publisher(
        f"chain, {backend}",
        chain.path,
        needs=(*chain.needs, CNITOOL, peer("firewall"), peer("tuning")),
        is_slow=True,
        commands=partial(_by_cnitool, backend),
    )
    for backend, chain in zip(("iptables", "nftables"), CHAINS, strict=True)
)
BARE = Publisher("bridge + host-local, no ports", PLAIN.path, needs=PLAIN.needs, commands=_plainly)


def _enter_50(stage: Stage) -> None:
    stage.enter(50)


CHAIN_WORKLOADS = (
    Workload(
        name="docker",
        about="masquerading, one port, firewall and a sysctl",
        variants=(DOCKER, *FOUR, AVARK),
        base=DOCKER,
        phases=phases(1),
        prepare=keep_the_bridge,
        before=Stage.enter,
        noting=Stage.remember,
        after=Stage.leave,
        slow_rounds=30,
    ),
    Workload(
        name="at-once-50",
        about="50 containers at once with masquerading and a port each, until the last is done",
        variants=(OURS, BARE, FOUR[0]),
        base=OURS,
        phases=phases(1),
        prepare=keep_the_bridge,
        before=_enter_50,
        after=Stage.leave,
        rounds=10,
        slow_rounds=2,
        warm_up=1,
    ),
)
