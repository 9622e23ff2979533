"""Races: a container sends from the moment its interface exists until it is gone.

What it sends must not pass, neither while an ADD or a DEL is at work nor after one that failed. Each
race is run on a network that has no other container, as then no rule stands but its own.
"""

import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tests.lab import namespaces
from tests.lab.frames import BROADCAST, ETH_P_ALL, ETH_P_IP, ETH_P_IPV6, ethernet, udp
from tests.lab.plugin import Json
from tests.lab.racer import OWN_MAC, racing
from tests.lab.script import delegate, script
from tests.lab.town import OUTSIDE, Town

PORT = 4242
MARK = b"a frame that must not pass"
FORGED = "02:de:ad:be:ef:01"
SENDER = {4: "10.1.0.77", 6: "fd01::77"}  # nobody's, and of the network
STRANGER = {4: "203.0.113.7", 6: "2001:db8:bad::7"}
KINDS = {4: ETH_P_IP, 6: ETH_P_IPV6}
FAMILIES = (4, 6)
UNREACHABLE = {"dst": "10.99.0.0/16", "gw": "192.0.2.77"}
SLOW_IPAM = """
case $CNI_COMMAND in ADD) sleep 0.2; echo '{"cniVersion": "1.0.0", "ips":
[{"address": "10.1.0.77/24", "gateway": "10.1.0.1"}, {"address": "fd01::77/64", "gateway": "fd01::1"}]}';; esac
"""


@dataclass(frozen=True, eq=False)
class Race:
    """What the network forbids, and what is sent in spite of it.

    `to`: where it would arrive: in the world, at a neighbour, on the host's bridge.
    """

    about: str
    config: Json
    to: str
    frames: Callable[[str], tuple[bytes, ...]]  # for a bridge's MAC
    ipam: str = ""  # a script that gives the addresses, in place of our ledger
    is_failing: bool = False  # each ADD fails at its end, for a route that the kernel refuses

    def __str__(self) -> str:
        return self.about


def passed(race: Race, town: Town, trials: int, scratch: Path) -> int:
    """In how many of the trials anything arrived."""
    network = town.network("a", **race.config)
    environment = {}
    if race.ipam:
        script(scratch, race.ipam, "slow")
        environment = delegate(network, "slow", scratch)
    network.environment = dict(environment)
    town.attach("a1")  # once, so that the bridge is there
    town.detach("a1")
    frames = race.frames(town.bridge_mac("a"))
    if race.to == "sibling":
        town.attach("a2")
    refused = {"ipam": network.config["ipam"] | {"routes": [UNREACHABLE]}}
    count = sent = 0
    with _listening(race.to, town) as heard:
        for _ in range(trials):
            with racing(town.containers["a1"].netns, frames) as racer:
                if race.is_failing:
                    run = network.add(town.containers["a1"], config=refused)
                    assert run.error()["code"] == 110, run
                else:
                    network.add(town.containers["a1"]).result()
                    town.detach("a1")
            sent += racer.sent
            count += heard()
    assert sent, "the racer was never in time"
    return count


@contextmanager
def _listening(to: str, town: Town) -> Iterator[Callable[[], bool]]:
    """Yield a function that says whether anything has arrived since it was asked last."""
    with ExitStack() as stack:
        if to == "world":
            with namespaces.visiting(town.containers["world"].netns):
                ears = [_datagrams(family) for family in FAMILIES]
        else:
            where = town.containers["a2"].netns if to == "sibling" else None
            with namespaces.visiting_if(where):
                wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
                wire.bind(("eth0" if where else town.networks["a"].bridge, ETH_P_ALL))
            ears = [wire]
        for ear in ears:
            stack.enter_context(ear)
            ear.setblocking(False)
        yield lambda: sum(map(_drained, ears)) > 0


def _drained(ear: socket.socket) -> bool:
    """Whether a marked frame was in the queue, which is empty then."""
    found = False
    try:
        while True:
            found |= MARK in ear.recv(2048)
    except BlockingIOError:
        return found


def _datagrams(family: int) -> socket.socket:
    ear = socket.socket(socket.AF_INET6 if family == 6 else socket.AF_INET, socket.SOCK_DGRAM)
    if family == 6:
        ear.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    ear.bind(("", PORT))
    return ear


# ---------------------------------------------------------------- what is sent


def _to_the_world(mac: str) -> tuple[bytes, ...]:
    return tuple(
        ethernet(mac, OWN_MAC, KINDS[family], udp(SENDER[family], there, PORT, MARK))
        for family, there in zip(FAMILIES, OUTSIDE["world"], strict=True)
    )


def _to_all(mac: str, sources: dict[int, str], _bridge: str) -> tuple[bytes, ...]:
    """Broadcast, so that every port and the bridge would have it."""
    targets = {4: "255.255.255.255", 6: "ff02::1"}
    return tuple(
        ethernet(BROADCAST, mac, KINDS[family], udp(sources[family], targets[family], PORT, MARK))
        for family in FAMILIES
    )


_FORGED_MAC = partial(_to_all, FORGED, SENDER)
_FORGED_IP = partial(_to_all, OWN_MAC, STRANGER)
_HONEST = partial(_to_all, OWN_MAC, SENDER)
CHECKED = {"macspoofchk": True, "ipspoofchk": True}
INTERNAL = {"internal": True}
RACES = (
    Race("internal: out into the world", INTERNAL, "world", _to_the_world),
    Race("macspoofchk: another's MAC", {"macspoofchk": True}, "bridge", _FORGED_MAC),
    Race("ipspoofchk: another's address", {"ipspoofchk": True}, "bridge", _FORGED_IP),
    Race("icc false: to a sibling", {"icc": False}, "sibling", _HONEST),
    Race("portIsolation: to a sibling", {"portIsolation": True}, "sibling", _HONEST),
    Race(
        "internal, slow IPAM plugin: out into the world",
        INTERNAL,
        "world",
        _to_the_world,
        SLOW_IPAM,
    ),
    Race(
        "spoof checks, slow IPAM plugin: another's MAC", CHECKED, "bridge", _FORGED_MAC, SLOW_IPAM
    ),
    Race(
        "internal, an ADD that fails: out into the world",
        INTERNAL,
        "world",
        _to_the_world,
        "",
        True,
    ),
)
