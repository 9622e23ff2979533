"""Frames that a container may not send under macspoofchk or ipspoofchk, and those that it must be able to send.

Data only; the frames' bytes are made in the laboratory.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from tests.lab.frames import (
    BROADCAST,
    ETH_P_ARP,
    ETH_P_IP,
    ETH_P_IPV6,
    advertisement,
    arp,
    ethernet,
    heard,
    udp,
)
from tests.lab.plugin import Json
from tests.lab.town import Town

ETH_P_LOCAL_EXPERIMENT = 0x88B5
EVIL = "02:00:00:00:00:99"
OTHER4, OTHER6 = "10.1.0.77", "fd01::77"
LOCAL6 = "fe80::99"


@dataclass(frozen=True)
class Facts:
    """What the frames are made of: the sender, its sibling and their gateway."""

    mac: str
    to: str
    own4: str
    own6: str
    sibling4: str
    sibling6: str
    gateway4: str
    gateway6: str


@dataclass(frozen=True)
class Forgery:
    """A frame with a mark in it, and whether it may pass under each of the two keys."""

    about: str
    frame: Callable[[Facts, bytes], bytes]
    passes_mac: bool
    passes_ip: bool


def _udp4(source: str = "", mac: str = "", vlan: int = 0) -> Callable[[Facts, bytes], bytes]:
    return lambda f, mark: ethernet(
        f.to, mac or f.mac, ETH_P_IP, udp(source or f.own4, f.sibling4, 7777, mark), vlan
    )


def _udp6(source: str = "") -> Callable[[Facts, bytes], bytes]:
    return lambda f, mark: ethernet(
        f.to, f.mac, ETH_P_IPV6, udp(source or f.own6, f.sibling6, 7777, mark)
    )


def _claim6(claimed: str = "", source: str = "") -> Callable[[Facts, bytes], bytes]:
    """Return an advertisement of the address that the field `claimed` of the facts names."""

    def frame(facts: Facts, mark: bytes) -> bytes:
        target = getattr(facts, claimed, claimed)
        packet = advertisement(source or target, facts.sibling6, target, facts.mac, mark)
        return ethernet(facts.to, facts.mac, ETH_P_IPV6, packet)

    return frame


def _claim4(claimed: str, mac: str = "") -> Callable[[Facts, bytes], bytes]:
    """Return the same in ARP, with this hardware address inside."""
    return lambda f, mark: ethernet(
        BROADCAST,
        f.mac,
        ETH_P_ARP,
        arp(mac or f.mac, getattr(f, claimed, claimed), f.sibling4, mark),
    )


FORGERIES = (
    Forgery("its own IPv4 packet", _udp4(), True, True),
    Forgery("its own IPv6 packet", _udp6(), True, True),
    Forgery("from its link-local address", _udp6(LOCAL6), True, True),
    Forgery("ARP for its own address", _claim4("own4"), True, True),
    Forgery("ARP probe", _claim4("0.0.0.0"), True, True),
    Forgery("advertisement of its own address", _claim6("own6"), True, True),
    Forgery("advertisement of its link-local address", _claim6(LOCAL6), True, True),
    Forgery("another MAC", _udp4(mac=EVIL), False, False),
    Forgery("another MAC inside ARP", _claim4("own4", EVIL), False, False),
    Forgery("another MAC, VLAN tag", _udp4(mac=EVIL, vlan=5), False, False),
    Forgery("another IPv4 source", _udp4(OTHER4), True, False),
    Forgery("another IPv6 source", _udp6(OTHER6), True, False),
    Forgery("ARP for the gateway's address", _claim4("gateway4"), True, False),
    Forgery("advertisement of the gateway's address", _claim6("gateway6", LOCAL6), True, False),
    Forgery("another IPv4 source, VLAN tag", _udp4(OTHER4, vlan=5), True, False),
    Forgery(
        "an unknown ethertype",
        lambda f, mark: ethernet(f.to, f.mac, ETH_P_LOCAL_EXPERIMENT, bytes(40) + mark),
        True,
        False,
    ),
)


KEYS: dict[str, tuple[Json, Callable[[Forgery], bool]]] = {
    "unchecked": ({}, lambda _: True),
    "mac": ({"macspoofchk": True}, lambda each: each.passes_mac),
    "mac and ip": ({"macspoofchk": True, "ipspoofchk": True}, lambda each: each.passes_ip),
}


def passing(town: Town) -> set[Forgery]:
    """Which of the frames of container a1 its sibling a2 hears."""
    facts = _facts(town)
    marks = dict(zip(_marks(), FORGERIES, strict=False))
    frames = [each.frame(facts, mark) for mark, each in marks.items()]
    speaker, listener = town.containers["a1"].netns, town.containers["a2"].netns
    return {marks[mark] for mark in heard(frames, speaker, listener, marks)}


def _marks() -> Iterator[bytes]:
    return (b"mark%02d" % number for number in range(100))


def _facts(town: Town) -> Facts:
    pairs = ((name, family) for name in ("a1", "a2", "gateway-a") for family in (4, 6))
    macs = (town.containers[name].link()["address"] for name in ("a1", "a2"))
    return Facts(*macs, *(town.address(name, family) for name, family in pairs))
