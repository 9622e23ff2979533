"""The labs, as data, with the names and subnets that were asked for."""

import ipaddress
import re

from cni_bridge.edge import request
from cni_bridge.errors import InvalidConfig
from cni_bridge.lean.record import record

CONTAINERS = range(2, 51)
USUAL_CONTAINERS = 3
IFNAME = "eth0"  # of a cable, at both ends
NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,30}", re.IGNORECASE)
RESERVED = ("host",)  # the namespace that plays the host


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
    bridge: str
    subnet: str
    members: tuple[str, ...]


@record
class Topology:
    """Empty namespaces, cables, networks."""

    fresh: tuple[str, ...] = ()
    cables: tuple[Cable, ...] = ()
    networks: tuple[LabNetwork, ...] = ()


@record
class Wishes:
    """What the command line asks for; empty means the usual."""

    containers: int = 0
    names: tuple[str, ...] = ()
    bridge: str = ""
    subnet: str = ""


NAMES = {
    "tutorial": "a fresh namespace, two namespaces on a cable, containers on a bridge",
    "direct": "two namespaces on a bare veth pair",
    "bridge": "containers on one bridge",
    "two-networks": "two bridges, and a container on both",
}
# Which options a lab does not have, and why.
WITHOUT = {
    "tutorial": {"names": "its namespaces have names of their own"},
    "direct": {"containers": "it has two namespaces on a cable", "bridge": "it has no bridge"},
    "bridge": {},
    "two-networks": {"bridge": "it has two bridges", "subnet": "it has two subnets"},
}
CABLE = Cable(one="one", other="two", addresses=("10.0.1.1/24", "10.0.1.2/24"))


def topology(name: str, wishes: Wishes) -> Topology:
    """Return the lab of that name. Raises InvalidConfig."""
    for option, reason in WITHOUT[name].items():
        if getattr(wishes, option):
            raise InvalidConfig(f"{name} takes no --{option}", reason)
    if name == "direct":
        return Topology(cables=(_cable(wishes),))
    containers = _containers(wishes)
    if name == "two-networks":
        middle = len(containers) // 2
        front = _network("front", "10.0.2.0/24", containers[: middle + 1])
        back = _network("back", "10.0.3.0/24", containers[middle:])
        return Topology(networks=(front, back))
    network = _network("lab", wishes.subnet or "10.0.2.0/24", containers, wishes.bridge)
    if name == "tutorial":
        return Topology(fresh=("fresh",), cables=(CABLE,), networks=(network,))
    return Topology(networks=(network,))


def _containers(wishes: Wishes) -> tuple[str, ...]:
    names = wishes.names
    if wishes.containers and names and wishes.containers != len(names):
        raise InvalidConfig(f"--containers is {wishes.containers}, but --names has {len(names)}")
    count = wishes.containers or len(names) or USUAL_CONTAINERS
    _check(names, at_least=CONTAINERS[0])
    return names or tuple(f"c{number}" for number in range(1, count + 1))


def _cable(wishes: Wishes) -> Cable:
    if wishes.names and len(wishes.names) != 2:
        raise InvalidConfig(
            "a cable has two ends, but 1 name was given"
            if len(wishes.names) == 1
            else f"a cable has two ends, but {len(wishes.names)} names were given"
        )
    _check(wishes.names, at_least=2)
    one, other = wishes.names or (CABLE.one, CABLE.other)
    if not wishes.subnet:
        return Cable(one=one, other=other, addresses=CABLE.addresses)
    subnet = _subnet(wishes.subnet, at_least=2)
    first, second, *_ = (subnet[place] for place in (1, 2))
    length = subnet.prefixlen
    return Cable(one=one, other=other, addresses=(f"{first}/{length}", f"{second}/{length}"))


def _network(name: str, subnet: str, members: tuple[str, ...], bridge: str = "") -> LabNetwork:
    _subnet(subnet, at_least=len(members) + 1)
    if bridge and (fault := request.ifname_fault(bridge)):
        raise InvalidConfig(f"--bridge {bridge}: {fault}")
    return LabNetwork(name=name, bridge=bridge or f"{name}0", subnet=subnet, members=members)


def _check(names: tuple[str, ...], *, at_least: int) -> None:
    """Check the names of namespaces."""
    if names and len(names) < at_least:
        raise InvalidConfig(f"{len(names)} name, but at least {at_least} are needed")
    for each in names:
        if each in RESERVED or not NAME.fullmatch(each):
            advice = (
                "the lab's own host has this name" if each in RESERVED else "letters and digits"
            )
            raise InvalidConfig(f"a namespace cannot be named {each}", advice)
        if names.count(each) > 1:
            raise InvalidConfig(f"the name {each} was given twice")


def _subnet(text: str, *, at_least: int) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    """Return a subnet with room for that many addresses. Raises InvalidConfig."""
    try:
        subnet = ipaddress.ip_network(text)
    except ValueError as error:
        raise InvalidConfig(f"--subnet {text}: {error}", "like 10.0.1.0/24") from None
    if subnet.num_addresses - 2 < at_least:
        raise InvalidConfig(f"{subnet} has no room for {at_least} addresses")
    return subnet
