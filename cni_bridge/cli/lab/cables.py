"""What can be wrong with the lab's cable, which is none of ours: the doctor knows networks alone.

Judged by what the lab has built; nothing is changed here.
"""

from collections.abc import Iterator
from functools import partial

from cni_bridge.cli import host_state
from cni_bridge.cli.doctor.findings import Finding, Mend
from cni_bridge.cli.host_state import Space
from cni_bridge.cli.lab import builder, spaces, topologies
from cni_bridge.cli.lab.topologies import CABLE


def faults() -> Iterator[tuple[str, Finding]]:
    """Ends of the cable that are gone, down, or have lost their address."""
    paths = {name: spaces.path(name) for name in spaces.names() if name in CABLE.ends}
    for space in host_state.look(paths)[1:]:
        for finding in _at_end(space, CABLE.ends[space.name]):
            yield "cable", finding


def _at_end(space: Space, address: str) -> Iterator[Finding]:
    end = space.interface(topologies.IFNAME)
    enter = f"nsenter --net={spaces.path(space.name)} ip"
    mend = Mend(
        what=f"give {space.name} its end of the cable back",
        act=partial(builder.configure, space.name, address),
    )
    if end is None:
        yield Finding(
            cause=f"the cable's end in {space.name} is gone, and the other with it",
            effect=f"{' and '.join(CABLE.ends)} don't reach each other",
            command=builder.REBUILD,
        )
    elif not end.is_up:
        yield Finding(
            cause=f"{end.name} in {space.name} is down",
            effect=f"{' and '.join(CABLE.ends)} don't reach each other",
            command=f"{enter} link set {end.name} up",
            mend=mend,
        )
    elif address not in end.addresses:
        yield Finding(
            cause=f"{address} is not on {end.name} in {space.name}",
            effect=f"nobody reaches {space.name} at its address",
            command=f"{enter} addr add {address} dev {end.name}",
            mend=mend,
        )
