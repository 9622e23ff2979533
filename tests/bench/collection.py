"""GC of many stale attachments, and as many DELs one after the other.

What is compared is this plugin with itself: the reference collects nothing but addresses.
"""

import json
from dataclasses import replace

from tests.bench.process import Command, timed
from tests.bench.workloads import OURS, Stage, Workload
from tests.lab import PLUGIN

COUNT = 500
AT_ONCE = 4

GC = replace(OURS, name="GC")
DELETES = replace(OURS, name=f"{COUNT} DELs")


def _attach_all(stage: Stage) -> None:
    stage.enter(COUNT)
    calls = stage.commands("ADD")
    for start in range(0, COUNT, AT_ONCE):
        timed(calls[start : start + AT_ONCE])


def _collection(stage: Stage) -> list[Command]:
    """GC, with nothing on the list of valid attachments; or what a runtime without GC does."""
    if stage.variant is DELETES:
        first, *following = stage.commands("DEL")
        return [replace(first, following=tuple(following))]
    environment = {"CNI_COMMAND": "GC", "CNI_PATH": stage.network.plugin.search_path}
    config = {**stage.network.config, "cniVersion": "1.1.0", "cni.dev/valid-attachments": []}
    return [Command((str(PLUGIN),), environment, json.dumps(config))]


COLLECTION_WORKLOADS = (
    Workload(
        name="gc",
        about=f"{COUNT} stale attachments",
        variants=(GC, DELETES),
        base=DELETES,
        phases={"GC": _collection},
        before=_attach_all,
        after=Stage.leave,
        rounds=3,
        warm_up=0,
    ),
)
