"""Trials of packets that no ordinary client sends: to groups, to 127.0.0.1, to the wrong MAC, by SCTP.

Each says in a few words what came of it; whether that is right stands in `trials`.
"""

import socket
import struct

from tests.lab import namespaces
from tests.lab.frames import (
    ETH_P_8021AD,
    ETH_P_8021Q,
    ETH_P_IP,
    ETH_P_IPV6,
    FIN_ACK,
    RST,
    SYN,
    ethernet,
    heard,
    heard_by,
    send,
    tagged,
    tcp,
    udp,
)
from tests.lab.iproute import ip_json
from tests.lab.town import FAMILIES, OUTSIDE, UPLINK, Town
from tests.traffic.rows import KEPT_OUT, fits, published

PORT = 8080
NOT_HEARD = "not heard"


def group_message(group: str, town: Town) -> str:
    """Return the source that a2 sees of what a1 sends to a group, or to everybody."""
    town.attach("a1")
    town.attach("a2")
    town.filter_bridged(True)  # the rules are shown what is bridged
    family = 6 if ":" in group else 4
    with namespaces.visiting_if(town.netns("a2")):
        listening = _datagrams(family)
        listening.bind(("", 7777))
        _join(listening, group, town.address("a2", family))
    with namespaces.visiting_if(town.netns("a1")):
        speaking = _datagrams(family)
        speaking.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        target = (group, 7777) if family == 4 else (group, 7777, 0, socket.if_nametoindex("eth0"))
        speaking.sendto(b"x", target)
    with listening, speaking:
        source = heard_by(listening)
    return "a1" if source == town.address("a1", family) else source or NOT_HEARD


def guarded_loopback(source: str, town: Town) -> str:
    """Return a service on the host's 127.0.0.1, where the kernel routes that for a published port."""
    town.attach("a1", *published(PORT))
    return service_on_loopback(town, source)


def service_on_loopback(town: Town, source: str = "") -> str:
    """Return what a container sends to 127.0.0.1, addressed to the bridge, while a service listens there.

    The kernel takes a VLAN tag with the id 0 off, and the next one too.
    """
    plain = ethernet(
        town.bridge_mac("a"),
        town.containers["a1"].link()["address"],
        ETH_P_IP,
        udp(source or town.address("a1", 4), "127.0.0.1", 9999, b"secret"),
    )
    with _datagrams(4) as service:
        service.bind(("127.0.0.1", 9999))
        tags = ((ETH_P_8021Q, 0), (ETH_P_8021AD, 0), (ETH_P_8021Q, 0))
        frames = (tagged(plain, *tags[:number]) for number in range(len(tags) + 1))
        send(town.containers["a1"].netns, *frames)
        return "heard" if heard_by(service) else NOT_HEARD


def loopback_from_outside(asker: str, town: Town) -> str:
    """Frames for 127.0.0.1 from outside of the host, to ports that are published there or everywhere."""
    ports = {8082: published(8082, at="127.0.0.1"), 8083: published(8083)}
    town.attach("a1", *ports[8082], *ports[8083])
    if asker != "world":
        town.network(asker[0])  # without a key of the firewall's
        town.attach(asker)
    speaker = town.containers[asker]
    to = _link_address(UPLINK) if asker == "world" else town.bridge_mac(asker[0])
    pair, marks = (town.address(asker, 4), "127.0.0.1"), {}
    for port in ports:
        over_udp, over_tcp = b"udp %d" % port, b"tcp %d" % port
        marks[over_udp] = udp(*pair, port, over_udp)
        marks[over_tcp] = tcp(*pair, (40000, port), SYN, over_tcp)
    frames = [
        ethernet(to, speaker.link()["address"], ETH_P_IP, packet) for packet in marks.values()
    ]
    arrived = heard(frames, speaker.netns, town.containers["a1"].netns, marks)
    return ", ".join(sorted(mark.decode() for mark in arrived)) or NOT_HEARD


def leaving_late(town: Town) -> str:
    """List the sources of segments that leave a masqueraded container after their connection ended."""
    town.attach("a1")
    speaker, world = town.containers["a1"], town.containers["world"]
    marks = {}
    for family, kind in zip(FAMILIES, (ETH_P_IP, ETH_P_IPV6), strict=True):
        pair = (town.address("a1", family), town.address("world", family))
        for flags, name in ((RST, "RST"), (FIN_ACK, "FIN")):
            mark = f"late {name}, IPv{family}".encode()
            packet = tcp(*pair, (80, 45020), flags, mark)
            marks[mark] = ethernet(town.bridge_mac("a"), speaker.link()["address"], kind, packet)
    arrived = heard(marks.values(), speaker.netns, world.netns, marks)
    return ", ".join(sorted(mark.decode() for mark in arrived)) or NOT_HEARD


def detour(family: int, town: Town) -> str:
    """Siblings that may not talk send to each other by way of the bridge's MAC."""
    for name in ("a1", "a2"):
        town.attach(name)
    for name, other in (("a1", "a2"), ("a2", "a1")):
        words = ("replace", town.address(other, family), "lladdr", town.bridge_mac("a"))
        town.containers[name].ip("neigh", *words, "dev", "eth0", "nud", "permanent")
    answer = town.ask("a1", "a2", 80, "tcp", family)
    return KEPT_OUT if fits(answer, KEPT_OUT) else answer


def sctp(town: Town) -> str:
    """Return an SCTP INIT from the world; the port and the source with which it arrives."""
    town.attach("a1", {"hostPort": PORT, "containerPort": 80, "protocol": "sctp"})
    arriving, leaving = (_sctp_socket(town, name) for name in ("a1", "world"))
    init = struct.pack("!BBHIIHHI", 1, 0, 20, 42, 65536, 1, 1, 42)
    packet = struct.pack("!HHII", 5555, PORT, 0, 0) + init
    packet = packet[:8] + struct.pack("<I", _crc32c(packet)) + packet[12:]
    with arriving, leaving:
        leaving.sendto(packet, (OUTSIDE["host"][0], 0))
        arriving.settimeout(0.5)
        try:
            arrived, (source, _) = arriving.recvfrom(2000)
        except TimeoutError:
            return "no answer"
    (port,) = struct.unpack_from("!H", arrived, 22)
    return f"a1:{port} saw {'world' if source == OUTSIDE['world'][0] else source}"


def _crc32c(data: bytes) -> int:
    """SCTP's checksum."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def _link_address(device: str) -> str:
    (link,) = ip_json("link", "show", device)
    return str(link["address"])


def _sctp_socket(town: Town, name: str) -> socket.socket:
    with namespaces.visiting_if(town.netns(name)):
        return socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_SCTP)


def _datagrams(family: int) -> socket.socket:
    kind = socket.AF_INET6 if family == 6 else socket.AF_INET
    return socket.socket(kind, socket.SOCK_DGRAM)


def _join(listening: socket.socket, group: str, own: str) -> None:
    if ":" in group:
        index = struct.pack("@I", socket.if_nametoindex("eth0"))
        member = socket.inet_pton(socket.AF_INET6, group) + index
        listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, member)
    elif group != "255.255.255.255":
        member = socket.inet_aton(group) + socket.inet_aton(own)
        listening.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, member)
