"""Attacks that are tried many times: what a container with all capabilities, or a neighbour, does.

Each says how often it got through; it never should. How frames are made is in the laboratory.
"""

import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from tests.lab.echo import Conversation
from tests.lab.frames import (
    ETH_P_IP,
    ETH_P_IPV6,
    SYN,
    ethernet,
    heard,
    link_local,
    send,
    tcp,
    udp,
)
from tests.lab.iproute import bridge_json, ip_json
from tests.lab.plugin import Json
from tests.lab.stacks import Stack
from tests.lab.town import HOST_PORT, UPLINK, Town
from tests.traffic.neighbours import (
    detection_failed,
    neighbour_replaced,
    own_entry_forged,
    router_taken,
)
from tests.traffic.rows import published

CHECKED = {"macspoofchk": True, "ipspoofchk": True}
SERVICE_PORT = 9999
RESERVED = "01:80:c2:00:00:{:02x}"
QUIET = 0.4  # seconds without a datagram: none comes any more


@dataclass(frozen=True, eq=False)
class Attack:
    """What is tried in a town with these networks and containers."""

    about: str
    passed: Callable[[Town, int], int]  # of so many trials
    networks: Mapping[str, Json]
    containers: tuple[str, ...] = ("a1", "a2")
    publishes: tuple[Json, ...] = ()  # by the first container
    needs: str = ""  # a key that the attack itself uses

    def __str__(self) -> str:
        return self.about

    def run(self, town: Town, trials: int) -> int:
        """Build the networks, and return how many of the trials got through."""
        for letter, config in self.networks.items():
            town.network(letter, **config)
        for number, name in enumerate(self.containers):
            town.attach(name, *(self.publishes if number == 0 else ()))
        return self.passed(town, trials)

    def on(self, stack: Stack) -> "Attack | None":
        """Return the same for a stack that lacks ipspoofchk; None if it lacks another key."""
        networks = {
            letter: {key: value for key, value in config.items() if stack.offers({key: value})}
            for letter, config in self.networks.items()
        }
        lacks = {
            key for letter in networks for key in self.networks[letter].keys() - networks[letter]
        }
        if lacks - {"ipspoofchk"} or (self.needs and not stack.offers({self.needs: True})):
            return None
        return Attack(self.about, self.passed, networks, self.containers, self.publishes)


# ---------------------------------------------------------------- past the bridge


def traffic_stolen(town: Town, trials: int) -> int:
    """Let a1 name a2 as the sender of frames to reserved groups; then the host asks a2."""
    thief, victim = town.containers["a1"], town.containers["a2"].link()["address"]
    stolen = 0
    for number in range(trials):
        assert "saw" in town.ask("a2", "gateway-a", HOST_PORT, "udp")  # the bridge knows a2 again
        to = RESERVED.format(number % 16)
        send(thief.netns, ethernet(to, victim, ETH_P_IP, bytes(60)))
        is_moved = _port_of(town, victim) != _port_of(town, thief.link()["address"])
        stolen += not is_moved or "saw" not in town.ask("host", "a2", 80, "udp")
    return stolen


def addresses_learned(town: Town, trials: int) -> int:
    """Let a1 send from as many MACs, to its gateway and to reserved groups."""
    frames = []
    for number in range(trials):
        source = f"02:66:66:66:{number >> 8:02x}:{number & 255:02x}"
        to = RESERVED.format(number // 2 % 16) if number % 2 else town.bridge_mac("a")
        frames.append(ethernet(to, source, ETH_P_IP, bytes(60)))
    send(town.containers["a1"].netns, *frames)
    listed = bridge_json("fdb", "show", "br", "br-a")
    return sum(entry["mac"].startswith("02:66:66:66:") for entry in listed)


def host_reached_past_the_bridge(town: Town, trials: int) -> int:
    """Let a1 send datagrams to a service of the host in frames to reserved groups."""

    def packet(number: int, mark: bytes) -> bytes:
        family = 4 if number // 15 % 2 else 6
        return udp(
            town.address("a1", family), town.address("gateway-a", family), SERVICE_PORT, mark
        )

    with _service("::") as service:
        send(town.containers["a1"].netns, *_in_reserved_groups(town, "a1", trials, packet).values())
        return _heard(service)


def world_reached_past_the_bridge(town: Town, trials: int) -> int:
    """Let a1 of an internal network send to the world in frames to reserved groups."""

    def packet(number: int, mark: bytes) -> bytes:
        family = 4 if number // 15 % 2 else 6
        return udp(town.address("a1", family), town.address("world", family), SERVICE_PORT, mark)

    frames = _in_reserved_groups(town, "a1", trials, packet)
    speaker, world = town.containers["a1"].netns, town.containers["world"].netns
    return len(heard(frames.values(), speaker, world, frames))


def host_reached_by_ipv6(town: Town, trials: int) -> int:
    """Let a1 of an internal network without IPv6 send to the bridge's link-local address."""
    speaker, bridge = town.containers["a1"], town.bridge_mac("a")
    mac = speaker.link()["address"]
    frames = [
        ethernet(
            bridge,
            mac,
            ETH_P_IPV6,
            udp(link_local(mac), link_local(bridge), SERVICE_PORT, b"mark%06d" % number),
        )
        for number in range(trials)
    ]
    with _service("::") as service:
        send(speaker.netns, *frames)
        return _heard(service)


def host_reached_elsewhere(town: Town, trials: int) -> int:
    """Let a1 of an internal network send to other addresses of the host."""
    speaker, bridge = town.containers["a1"], town.bridge_mac("a")
    mac, frames = speaker.link()["address"], []
    for number in range(trials):
        family = 4 if number % 2 else 6
        to = town.address(("host", "gateway-b")[number // 2 % 2], family)
        packet = udp(town.address("a1", family), to, SERVICE_PORT, b"mark%06d" % number)
        frames.append(ethernet(bridge, mac, ETH_P_IPV6 if family == 6 else ETH_P_IP, packet))
    with _service("::") as service:
        send(speaker.netns, *frames)
        return _heard(service)


# ---------------------------------------------------------------- 127.0.0.1


def loopback_port_reached(town: Town, trials: int) -> int:
    """Let a neighbour send to 127.0.0.1 at the host's MAC, where a1 publishes a port."""
    (uplink,) = ip_json("link", "show", UPLINK)
    world, frames = town.containers["world"], {}
    pair = (town.address("world", 4), "127.0.0.1")
    for number in range(trials):
        mark = b"mark%06d" % number
        packet = (
            tcp(*pair, (20000 + number, 8082), SYN, mark)
            if number % 2
            else udp(*pair, 8082, mark, 20000 + number)
        )
        frames[mark] = ethernet(uplink["address"], world.link()["address"], ETH_P_IP, packet)
    return len(heard(frames.values(), world.netns, town.containers["a1"].netns, frames))


def loopback_of_the_host_reached(town: Town, trials: int) -> int:
    """Let a1 send to a service on the host's 127.0.0.1, where its bridge has published ports."""
    speaker, frames = town.containers["a1"], []
    for number in range(trials):
        source = "127.0.0.5" if number % 2 else town.address("a1", 4)
        to = RESERVED.format(number // 4 % 16) if number // 2 % 2 else town.bridge_mac("a")
        packet = udp(source, "127.0.0.1", SERVICE_PORT, b"mark%06d" % number)
        frames.append(ethernet(to, speaker.link()["address"], ETH_P_IP, packet))
    with _service("127.0.0.1") as service:
        send(speaker.netns, *frames)
        return _heard(service)


# ---------------------------------------------------------------- connections that were open


def open_connections_kept(town: Town, trials: int) -> int:
    """Open connections of a1 to the world, then make its network internal."""
    talks = [
        Conversation(town.question("a1", "world", 80, family=6 if number % 2 else 4))
        for number in range(trials)
    ]
    opened = [talk.say(patience=4.0) for talk in talks]
    assert all("saw" in answer for answer in opened), opened
    town.networks["a"].config["internal"] = True
    town.attach("a9")
    kept = sum("saw" in talk.say(patience=0.05) for talk in talks)
    for talk in talks:
        talk.close()
    return kept


def _in_reserved_groups(
    town: Town, name: str, trials: int, packet: Callable[[int, bytes], bytes]
) -> dict[bytes, bytes]:
    """Return a frame for each trial by its mark; not to 00, which a bridge without STP forwards."""
    speaker, frames = town.containers[name].link()["address"], {}
    for number in range(trials):
        mark = b"mark%06d" % number
        data = packet(number, mark)
        kind = ETH_P_IPV6 if data[0] >> 4 == 6 else ETH_P_IP
        frames[mark] = ethernet(RESERVED.format(1 + number % 15), speaker, kind, data)
    return frames


def _port_of(town: Town, mac: str) -> str:
    """Where the bridge of network a believes a MAC to be."""
    listed = bridge_json("fdb", "show", "br", town.networks["a"].bridge)
    ports = {entry["ifname"] for entry in listed if entry["mac"] == mac}
    return ", ".join(sorted(ports))


def _service(address: str) -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    service = socket.socket(family, socket.SOCK_DGRAM)
    service.bind((address, SERVICE_PORT))
    service.settimeout(QUIET)
    return service


def _heard(service: socket.socket) -> int:
    """How many different datagrams arrive until it is quiet."""
    datagrams, deadline = set(), time.monotonic() + 5
    while time.monotonic() < deadline:
        try:
            datagrams.add(service.recv(2048))
        except TimeoutError:
            break
    return len(datagrams)


ATTACKS = (
    Attack(
        "a sibling's traffic is stolen: its MAC in frames to 01:80:c2:00:00:00…0f",
        traffic_stolen,
        {"a": CHECKED},
    ),
    Attack("made-up MACs are learned", addresses_learned, {"a": CHECKED}),
    Attack(
        "a service of the host is reached past the bridge",
        host_reached_past_the_bridge,
        {"a": {"ipMasq": True}},
    ),
    Attack(
        "the same, from a container with spoof checks", host_reached_past_the_bridge, {"a": CHECKED}
    ),
    Attack(
        "packets leave an internal network past the bridge",
        world_reached_past_the_bridge,
        {"a": {"internal": True}},
    ),
    Attack(
        "a port published on 127.0.0.1 is reached from the link",
        loopback_port_reached,
        {"a": {}},
        publishes=published(8082, at="127.0.0.1"),
    ),
    Attack(
        "the host's own 127.0.0.1 is reached by a container",
        loopback_of_the_host_reached,
        {"a": {}},
        publishes=published(8082),
    ),
    Attack("a container becomes a sibling's router", router_taken, {"a": CHECKED}),
    Attack("the same, on a network without spoof checks", router_taken, {"a": {}}),
    Attack(
        "a sibling's link-local neighbour is replaced",
        neighbour_replaced,
        {"a": CHECKED},
        ("a1", "a2", "a3"),
    ),
    Attack(
        "a container gives its neighbours another MAC for its address",
        own_entry_forged,
        {"a": {"macspoofchk": True}},
    ),
    Attack("a sibling's duplicate address detection fails", detection_failed, {"a": CHECKED}),
    Attack(
        "another address of the host is reached from an internal network",
        host_reached_elsewhere,
        {"a": {"internal": True}, "b": {}},
        ("a1", "b1"),
    ),
    Attack(
        "the host's IPv6 is reached from an internal network without IPv6",
        host_reached_by_ipv6,
        {
            "a": {
                "internal": True,
                "ipam": {"type": "cni-bridge", "ranges": [[{"subnet": "10.1.0.0/24"}]]},
            }
        },
    ),
    Attack(
        "an open connection survives `internal`",
        open_connections_kept,
        {"a": {"ipMasq": True}},
        needs="internal",
    ),
)
