"""Attacks on what containers know of their neighbours: routers, MACs of addresses, duplicates.

Each says how often it got through, as those in `attacks`.
"""

from tests.lab import namespaces
from tests.lab.frames import (
    ETH_P_ARP,
    ETH_P_IPV6,
    NEIGHBOR_ADVERTISEMENT,
    NEIGHBOR_SOLICITATION,
    advertisement,
    arp,
    ethernet,
    link_local,
    naming,
    router_advertisement,
    send,
    solicitation,
)
from tests.lab.iproute import ip_json
from tests.lab.town import Town, sysctl
from tests.lab.waiting import wait_until

FOREIGN_MAC = "02:66:66:66:66:66"
ALL_NODES = "33:33:00:00:00:01"


def router_taken(town: Town, trials: int) -> int:
    """Let a1 advertise itself as a router; does a2 have a route or an address by it?"""
    forger, victim, taken = town.containers["a1"], town.containers["a2"], 0
    mac = forger.link()["address"]
    packet = router_advertisement(link_local(mac), "ff02::1", "fd66::")
    for _ in range(trials):
        send(forger.netns, ethernet(ALL_NODES, mac, ETH_P_IPV6, packet))
        has_address = any(each.startswith("fd66:") for each in victim.addresses())
        taken += has_address or "proto ra" in victim.ip("-6", "route")
        if has_address:
            victim.ip("-6", "addr", "flush", "to", "fd66::/64")
        victim.ip("-6", "route", "flush", "proto", "ra")
    return taken


def neighbour_replaced(town: Town, trials: int) -> int:
    """Let a1 answer for a3's link-local address, which a2 knows, or ask from there."""
    forger, victim, third = (town.containers[name] for name in ("a1", "a2", "a3"))
    mac, (to, right) = (
        forger.link()["address"],
        (each.link()["address"] for each in (victim, third)),
    )
    target, asked, replaced = link_local(right), link_local(to), 0
    forged = (
        advertisement(target, asked, target, mac, b"forged"),
        solicitation(target, asked, asked, b"forged", mac),
    )
    for number in range(trials):
        victim.ip("neigh", "replace", target, "lladdr", right, "dev", "eth0", "nud", "stale")
        send(forger.netns, ethernet(to, mac, ETH_P_IPV6, forged[number % 2]))
        listed = ip_json("-6", "neigh", "show", target, container="a2")
        replaced += any(entry.get("lladdr") != right for entry in listed)
    return replaced


def own_entry_forged(town: Town, trials: int) -> int:
    """Let a1 tell a2 that a1's own addresses are at a MAC that it has not."""
    forger, victim = town.containers["a1"], town.containers["a2"]
    mac, to = forger.link()["address"], victim.link()["address"]
    own, asked = town.address("a1", 6), town.address("a2", 6)
    frames = [
        ethernet(to, mac, ETH_P_IPV6, naming(kind, own, asked, FOREIGN_MAC, b"forged", is_second))
        for kind in (NEIGHBOR_SOLICITATION, NEIGHBOR_ADVERTISEMENT)
        for is_second in (False, True)
    ]
    frames.append(
        ethernet(
            to, mac, ETH_P_ARP, arp(FOREIGN_MAC, town.address("a1", 4), town.address("a2", 4), b"")
        )
    )
    forged = 0
    for number in range(trials):
        frame = frames[number % len(frames)]
        for address in (own, town.address("a1", 4)):
            entry = ("neigh", "replace", address, "lladdr", mac, "dev", "eth0", "nud", "stale")
            victim.ip(*entry)
        send(forger.netns, frame)
        forged += FOREIGN_MAC in victim.ip("neigh", "show", "dev", "eth0")
    return forged


def detection_failed(town: Town, trials: int) -> int:
    """Give a2 as many addresses, to be checked for duplicates; a1 claims to check them too."""
    forger, victim = town.containers["a1"], town.containers["a2"]
    with namespaces.visiting(victim.netns):
        sysctl("net/ipv6/conf/eth0/accept_dad", 1)
    mac, addresses = forger.link()["address"], [f"fd01::77:{n:x}" for n in range(1, trials + 1)]
    frames = [
        ethernet(
            f"33:33:ff:77:{number >> 8:02x}:{number & 255:02x}",
            mac,
            ETH_P_IPV6,
            solicitation("::", f"ff02::1:ff77:{number:x}", address, b"forged"),
        )
        for number, address in enumerate(addresses, 1)
    ]
    for address in addresses:
        victim.ip("addr", "add", f"{address}/64", "dev", "eth0")

    def found(state: str) -> int:
        return victim.ip("-6", "addr", "show", state).count("fd01::77:")

    def are_settled() -> bool:
        send(forger.netns, *frames)
        return found("tentative") == found("dadfailed")

    wait_until(are_settled)
    return found("dadfailed")
