"""Check the lab's cable, which is no cni-bridge network and unknown to the doctor."""

from collections.abc import Iterator
from functools import partial

from cni_bridge.cli import host_state
from cni_bridge.cli.doctor.findings import Diagnosis, Fix
from cni_bridge.cli.host_state import Space
from cni_bridge.cli.lab import builder, namespaces, topologies
from cni_bridge.cli.lab.topologies import Cable


def faults() -> Iterator[tuple[str, Diagnosis]]:
    """Find ends of the cable that are gone, down, or have lost their address."""
    for cable in builder.cables():
        paths = {name: namespaces.path(name) for name in namespaces.names() if name in cable.ends}
        for space in host_state.look(paths)[1:]:
            for finding in _at_end(space, cable):
                yield "cable", finding


def _at_end(space: Space, cable: Cable) -> Iterator[Diagnosis]:
    address, both = cable.ends[space.name], " and ".join(cable.ends)
    end = space.interface(topologies.IFNAME)
    enter = f"nsenter --net={namespaces.path(space.name)} ip"
    fix = Fix(
        what=f"restore the cable's end in {space.name}",
        act=partial(builder.configure, space.name, address),
    )
    if end is None:
        yield Diagnosis(
            cause=f"the cable's end in {space.name} is gone, and so is the other end",
            effect=f"{both} cannot reach each other",
            command=builder.REBUILD,
        )
    elif not end.is_up:
        yield Diagnosis(
            cause=f"{end.name} in {space.name} is down",
            effect=f"{both} cannot reach each other",
            command=f"{enter} link set {end.name} up",
            fix=fix,
        )
    elif address not in end.addresses:
        yield Diagnosis(
            cause=f"{address} is not on {end.name} in {space.name}",
            effect=f"{space.name} cannot be reached at its address",
            command=f"{enter} addr add {address} dev {end.name}",
            fix=fix,
        )
