"""Frames that a container may not send under macspoofchk or ipspoofchk, and those that it must be able to send.

Data only; the frames' bytes are made in the laboratory.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from tests.lab.frames import (
    BROADCAST,
    ETH_P_8021AD,
    ETH_P_8021Q,
    ETH_P_ARP,
    ETH_P_IP,
    ETH_P_IPV6,
    MLD_QUERY,
    MLD_REPORT,
    NEIGHBOR_ADVERTISEMENT,
    NEIGHBOR_SOLICITATION,
    ROUTER_SOLICITATION,
    advertisement,
    arp,
    ethernet,
    heard,
    icmpv6,
    igmp_query,
    link_local,
    naming,
    redirect,
    router_advertisement,
    solicitation,
    tagged,
    udp,
)
from tests.lab.plugin import Json
from tests.lab.town import Town

ETH_P_LOCAL_EXPERIMENT = 0x88B5
EVIL = "02:00:00:00:00:99"
OTHER4, OTHER6 = "10.1.0.77", "fd01::77"
OTHER_LOCAL6 = "fe80::99"
NOWHERE6 = "::"


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

    @property
    def local6(self) -> str:
        """Return the sender's link-local address."""
        return link_local(self.mac)

    @property
    def sibling_local6(self) -> str:
        """Return the sibling's."""
        return link_local(self.to)


Frame = Callable[[Facts, bytes], bytes]


@dataclass(frozen=True)
class Forgery:
    """A frame with a mark in it, and whether it may pass under each of the two keys."""

    about: str
    frame: Frame
    passes_mac: bool
    passes_ip: bool


def _udp4(source: str = "", mac: str = "", ports: tuple[int, int] = (7777, 7777)) -> Frame:
    return lambda f, mark: ethernet(
        f.to,
        mac or f.mac,
        ETH_P_IP,
        udp(source or f.own4, f.sibling4, ports[1], mark, ports[0]),
    )


def _udp6(source: str = "", ports: tuple[int, int] = (7777, 7777)) -> Frame:
    """Return a datagram from an address, or from that which a field of the facts names."""
    return lambda f, mark: ethernet(
        f.to,
        f.mac,
        ETH_P_IPV6,
        udp(getattr(f, source or "own6", source), f.sibling6, ports[1], mark, ports[0]),
    )


def _solicit(wanted: str, source: str) -> Frame:
    """Return a solicitation of the address that one field of the facts names, from that of another."""
    return lambda f, mark: ethernet(
        f.to,
        f.mac,
        ETH_P_IPV6,
        solicitation(getattr(f, source, source), f.sibling6, getattr(f, wanted), mark),
    )


def _named(kind: int, mac: str, *, is_second: bool = False) -> Frame:
    """Return a message of neighbour discovery that names a MAC for the sender's own address."""

    def frame(facts: Facts, mark: bytes) -> bytes:
        packet = naming(kind, facts.own6, facts.sibling6, mac or facts.mac, mark, is_second)
        return ethernet(facts.to, facts.mac, ETH_P_IPV6, packet)

    return frame


def _router(source: str) -> Frame:
    """Return a router advertisement from the address that a field of the facts names."""
    return lambda f, mark: ethernet(
        f.to,
        f.mac,
        ETH_P_IPV6,
        router_advertisement(getattr(f, source), f.sibling6, nonce=mark),
    )


def _claim6(claimed: str = "", source: str = "") -> Frame:
    """Return an advertisement of the address that the field `claimed` of the facts names."""

    def frame(facts: Facts, mark: bytes) -> bytes:
        target = getattr(facts, claimed, claimed)
        sender = getattr(facts, source, source) if source else target
        packet = advertisement(sender, facts.sibling6, target, facts.mac, mark)
        return ethernet(facts.to, facts.mac, ETH_P_IPV6, packet)

    return frame


def _claim4(claimed: str, mac: str = "", asked: str = "sibling4") -> Frame:
    """Return the same in ARP, with this hardware address inside, and a question for another address."""
    return lambda f, mark: ethernet(
        BROADCAST,
        f.mac,
        ETH_P_ARP,
        arp(mac or f.mac, getattr(f, claimed, claimed), getattr(f, asked), mark),
    )


def _tagged(frame: Frame, *tags: tuple[int, int]) -> Frame:
    return lambda f, mark: tagged(frame(f, mark), *tags)


NAMING = {
    "neighbour solicitation": NEIGHBOR_SOLICITATION,
    "neighbour advertisement": NEIGHBOR_ADVERTISEMENT,
    "router solicitation": ROUTER_SOLICITATION,
}
OTHER_MAC_INSIDE = tuple(
    Forgery(
        f"another MAC inside a {name}, {place}", _named(kind, EVIL, is_second=second), False, True
    )
    for name, kind in NAMING.items()
    for second, place in ((False, "first option"), (True, "second option"))
)
# The kernel takes a frame with the id 0 as one without a tag, whatever the number of such tags.
IN_VLAN = (ETH_P_8021Q, 5)
TAGS = {
    "priority tag": ((ETH_P_8021Q, 0),),
    "provider's tag": ((ETH_P_8021AD, 0),),
    "VLAN tag": (IN_VLAN,),
    "two tags": ((ETH_P_8021AD, 0), (ETH_P_8021Q, 0)),
}
OF_TAGS = tuple(
    forgery
    for name, tags in TAGS.items()
    for forgery in (
        Forgery(f"{name}: its own packet", _tagged(_udp4(), *tags), len(tags) == 1, False),
        Forgery(
            f"{name}: another MAC inside ARP",
            _tagged(_claim4("own4", EVIL), *tags),
            False,
            False,
        ),
        Forgery(
            f"{name}: another MAC inside a neighbour advertisement",
            _tagged(_named(NEIGHBOR_ADVERTISEMENT, EVIL, is_second=True), *tags),
            False,
            False,
        ),
    )
)

FORGERIES = (
    *OF_TAGS,
    *(
        Forgery(f"its own MAC inside a {name}", _named(kind, ""), True, True)
        for name, kind in NAMING.items()
    ),
    *OTHER_MAC_INSIDE,
    Forgery("its own IPv4 packet", _udp4(), True, True),
    Forgery("its own IPv6 packet", _udp6(), True, True),
    Forgery("from its link-local address", _udp6("local6"), True, True),
    Forgery("ARP for its own address", _claim4("own4"), True, True),
    Forgery("ARP probe of its own address", _claim4("0.0.0.0", asked="own4"), True, True),
    Forgery("advertisement of its own address", _claim6("own6"), True, True),
    Forgery("advertisement of its link-local address", _claim6("local6"), True, True),
    Forgery("solicitation of a sibling", _solicit("sibling6", "own6"), True, True),
    Forgery("detection of a duplicate of its own address", _solicit("own6", NOWHERE6), True, True),
    Forgery(
        "detection of a duplicate of its link-local address",
        _solicit("local6", NOWHERE6),
        True,
        True,
    ),
    Forgery(
        "report of a multicast group from ::",
        lambda f, mark: ethernet(
            f.to, f.mac, ETH_P_IPV6, icmpv6("::", "ff02::1", MLD_REPORT, bytes(20) + mark)
        ),
        True,
        True,
    ),
    Forgery("another MAC", _udp4(mac=EVIL), False, False),
    Forgery("another MAC inside ARP", _claim4("own4", EVIL), False, False),
    Forgery("another MAC, VLAN tag", _tagged(_udp4(mac=EVIL), IN_VLAN), False, False),
    Forgery("another IPv4 source", _udp4(OTHER4), True, False),
    Forgery("another IPv6 source", _udp6(OTHER6), True, False),
    Forgery("ARP for the gateway's address", _claim4("gateway4"), True, False),
    Forgery("ARP probe of a sibling's address", _claim4("0.0.0.0"), True, False),
    Forgery("another link-local source", _udp6(OTHER_LOCAL6), True, False),
    Forgery("a sibling's link-local source", _udp6("sibling_local6"), True, False),
    Forgery("a datagram from ::", _udp6(NOWHERE6), True, False),
    Forgery("advertisement of the gateway's address", _claim6("gateway6", "local6"), True, False),
    Forgery(
        "advertisement of a sibling's link-local address",
        _claim6("sibling_local6", "local6"),
        True,
        False,
    ),
    Forgery(
        "advertisement of a sibling's link-local address, from that address",
        _claim6("sibling_local6"),
        True,
        False,
    ),
    Forgery(
        "solicitation from a sibling's link-local address",
        _solicit("sibling6", "sibling_local6"),
        True,
        False,
    ),
    Forgery(
        "detection of a duplicate of a sibling's address",
        _solicit("sibling6", NOWHERE6),
        True,
        False,
    ),
    Forgery(
        "detection of a duplicate of a sibling's link-local address",
        _solicit("sibling_local6", NOWHERE6),
        True,
        False,
    ),
    Forgery("router advertisement", _router("local6"), True, False),
    Forgery("router advertisement of the gateway", _router("gateway6"), True, False),
    Forgery(
        "redirect",
        lambda f, mark: ethernet(
            f.to,
            f.mac,
            ETH_P_IPV6,
            redirect(f.local6, f.sibling6, f.local6, "2001:db8::9", mark),
        ),
        True,
        False,
    ),
    Forgery(
        "multicast router's query, IPv4",
        lambda f, mark: ethernet(f.to, f.mac, ETH_P_IP, igmp_query(f.own4, "224.0.0.1", mark)),
        True,
        False,
    ),
    Forgery(
        "multicast router's query, IPv6",
        lambda f, mark: ethernet(
            f.to, f.mac, ETH_P_IPV6, icmpv6(f.local6, "ff02::1", MLD_QUERY, bytes(20) + mark)
        ),
        True,
        False,
    ),
    Forgery("DHCP answer", _udp4(ports=(67, 68)), True, False),
    Forgery("DHCP answer from another port", _udp4(ports=(1234, 68)), True, False),
    Forgery("DHCPv6 answer from another port", _udp6(ports=(1234, 546)), True, False),
    Forgery("DHCPv6 answer", _udp6(ports=(547, 546)), True, False),
    Forgery("another IPv4 source, VLAN tag", _tagged(_udp4(OTHER4), IN_VLAN), True, False),
    Forgery(
        "an unknown ethertype",
        lambda f, mark: ethernet(f.to, f.mac, ETH_P_LOCAL_EXPERIMENT, bytes(40) + mark),
        True,
        False,
    ),
)


# What is about MACs alone is not for ipspoofchk to judge.
OF_MACS = (
    "another MAC",
    "another MAC inside ARP",
    *(each.about for each in OTHER_MAC_INSIDE),
)
KEYS: dict[str, tuple[Json, Callable[[Forgery], bool]]] = {
    "unchecked": ({}, lambda _: True),
    "mac": ({"macspoofchk": True}, lambda each: each.passes_mac),
    "ip": ({"ipspoofchk": True}, lambda each: each.passes_ip or each.about in OF_MACS),
    "mac and ip": (
        {"macspoofchk": True, "ipspoofchk": True},
        lambda each: each.passes_mac and each.passes_ip,
    ),
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
