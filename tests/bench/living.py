"""One container more among N that live: each has an interface on a bridge, and so gets what is flooded.

The containers of `crowd` ended without a DEL: they fill the ledger alone.
"""

from collections.abc import Callable
from functools import partial

from tests.bench.process import Command, timed
from tests.bench.workloads import OURS, REFERENCE, Stage, Workload
from tests.lab import Attachment, Network
from tests.lab.containers import Container

COUNTS = (0, 250, 1000)  # on one bridge, which takes 1023
BRIDGES = 10
AT_ONCE = 4
SETTLED_S = 9  # a container solicits routers and reports groups for 8 s


def _fill(count: int, bridges: int, stage: Stage) -> None:
    """Attach containers to the network's bridge, or share them out to it and others."""
    networks = [stage.network, *(_another(stage, number) for number in range(1, bridges))]
    for start in range(0, count + 1, AT_ONCE):  # one more, so that the bridge is always there
        numbers = range(start, min(start + AT_ONCE, count + 1))
        timed([_add(stage, networks[each % bridges], each) for each in numbers])


def _add(stage: Stage, network: Network, number: int) -> Command:
    container = Container(f"lives{stage.number}-{number}").create()
    environment, stdin = network.call("ADD", Attachment(container))
    return Command((str(stage.variant.path),), environment, stdin)


def _another(stage: Stage, number: int) -> Network:
    name = f"bench{stage.number}-{number}"
    ranges = [[{"subnet": f"10.{150 + number}.0.0/16"}]]
    config = {**stage.network.config, "name": name, "bridge": name}
    config["ipam"] = {**stage.network.config["ipam"], "ranges": ranges}
    return stage.host.network(stage.network.plugin, config)


def _phase(command: str) -> Callable[[Stage], list[Command]]:
    return lambda stage: stage.commands(command)


def _among(count: int, bridges: int = 1) -> Workload:
    where = "one bridge" if bridges == 1 else f"{bridges} bridges"
    return Workload(
        name=f"living-{count}" if bridges == 1 else f"spread-{count}",
        about=f"one container among {count} that live, on {where}",
        variants=(OURS, REFERENCE),
        base=REFERENCE,
        phases={command: _phase(command) for command in ("ADD", "CHECK", "DEL")},
        prepare=partial(_fill, count, bridges),
        before=Stage.enter,
        noting=Stage.remember,
        after=Stage.leave,
        settle_s=SETTLED_S if count else 0,
        is_apart=True,
    )


LIVING_WORKLOADS = (*map(_among, COUNTS), _among(COUNTS[-1], BRIDGES))
