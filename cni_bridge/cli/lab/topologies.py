"""The labs, as data."""

from cni_bridge.lean.record import record

CONTAINERS = range(2, 51)
USUAL_CONTAINERS = 3
IFNAME = "eth0"  # of a cable, at both ends


@record
class Cable:
    """A bare veth pair between two namespaces, with an address at each end."""

    one: str
    other: str
    addresses: tuple[str, str]

    @property
    def ends(self) -> dict[str, str]:
        """The address of each namespace."""
        return dict(zip((self.one, self.other), self.addresses, strict=True))


@record
class LabNetwork:
    """A network; the first one that a container joins gives it the default route."""

    name: str
    subnet: str
    members: tuple[str, ...]


@record
class Topology:
    """Empty namespaces, cables, networks."""

    fresh: tuple[str, ...] = ()
    cables: tuple[Cable, ...] = ()
    networks: tuple[LabNetwork, ...] = ()


NAMES = {
    "tutorial": "a fresh namespace, two namespaces on a cable, containers on a bridge",
    "direct": "two namespaces on a bare veth pair",
    "bridge": "containers on one bridge",
    "two-networks": "two bridges, and a container on both",
}

CABLE = Cable(one="one", other="two", addresses=("10.0.1.1/24", "10.0.1.2/24"))


def topology(name: str, count: int) -> Topology:
    """Return the lab of that name with `count` containers."""
    containers = tuple(f"c{number}" for number in range(1, count + 1))
    network = LabNetwork(name="lab", subnet="10.0.2.0/24", members=containers)
    if name == "direct":
        return Topology(cables=(CABLE,))
    if name == "bridge":
        return Topology(networks=(network,))
    if name == "tutorial":
        return Topology(fresh=("fresh",), cables=(CABLE,), networks=(network,))
    middle = count // 2
    front = LabNetwork(name="front", subnet="10.0.2.0/24", members=containers[: middle + 1])
    back = LabNetwork(name="back", subnet="10.0.3.0/24", members=containers[middle:])
    return Topology(networks=(front, back))
