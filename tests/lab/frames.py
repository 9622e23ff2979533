"""Frames made by hand, as an attacker in a container makes them, and who hears them.

Bytes only; which frames are forged and who should hear them is decided by the callers.
"""

import socket
import struct
import time
from collections.abc import Iterable
from ipaddress import ip_address
from pathlib import Path

from tests.lab import namespaces

ETH_P_ALL = 0x0003  # linux/if_ether.h
ETH_P_IP = 0x0800
ETH_P_ARP = 0x0806
ETH_P_8021Q = 0x8100
ETH_P_8021AD = 0x88A8
ETH_P_IPV6 = 0x86DD
BROADCAST = "ff:ff:ff:ff:ff:ff"
# linux/icmpv6.h, net/ndisc.h
MLD_QUERY, MLD_REPORT = 130, 131
ROUTER_SOLICITATION, ROUTER_ADVERTISEMENT = 133, 134
NEIGHBOR_SOLICITATION, NEIGHBOR_ADVERTISEMENT, REDIRECT = 135, 136, 137
SYN, RST, FIN_ACK = 0x02, 0x04, 0x11  # of TCP
NONCE = 14  # an option that receivers don't mind
PATIENCE = 0.4  # seconds


def ethernet(to: str, source: str, kind: int, payload: bytes) -> bytes:
    """Return a frame."""
    return _mac(to) + _mac(source) + struct.pack("!H", kind) + payload


def tagged(frame: bytes, *tags: tuple[int, int]) -> bytes:
    """Return a frame with VLAN tags, the outer one first: a protocol and an id."""
    return frame[:12] + b"".join(struct.pack("!HH", *tag) for tag in tags) + frame[12:]


def udp(source: str, to: str, port: int, data: bytes, source_port: int = 0) -> bytes:
    """Return an IP packet with one datagram to `port`, from the same one unless another is given."""
    unsummed = struct.pack("!HHHH", source_port or port, port, 8 + len(data), 0) + data
    summed = _with_checksum(unsummed, 6, source, to, socket.IPPROTO_UDP)
    return _ip(source, to, socket.IPPROTO_UDP, summed)


def tcp(source: str, to: str, ports: tuple[int, int], flags: int, data: bytes = b"") -> bytes:
    """Return an IP packet with one TCP segment of these flags, from the first port to the second."""
    head = struct.pack("!HHIIBBHHH", *ports, 1, 1, 0x50, flags, 1024, 0, 0)
    summed = _with_checksum(head + data, 16, source, to, socket.IPPROTO_TCP)
    return _ip(source, to, socket.IPPROTO_TCP, summed)


def advertisement(source: str, to: str, claimed: str, hardware: str, nonce: bytes) -> bytes:
    """Return a neighbour advertisement: the holder of `claimed` has this hardware address."""
    solicited_override = struct.pack("!I", 0x60000000)
    target_address = _option(2, _mac(hardware))
    body = solicited_override + _packed(claimed) + target_address + _option(NONCE, nonce)
    return icmpv6(source, to, NEIGHBOR_ADVERTISEMENT, body)


def solicitation(source: str, to: str, wanted: str, nonce: bytes, hardware: str = "") -> bytes:
    """Return a neighbour solicitation of `wanted`; from `::` it is a duplicate address detection."""
    body = bytes(4) + _packed(wanted)
    body += (_option(1, _mac(hardware)) if hardware else b"") + _option(NONCE, nonce)
    return icmpv6(source, to, NEIGHBOR_SOLICITATION, body)


def naming(
    kind: int, source: str, to: str, hardware: str, nonce: bytes, is_second: bool = False
) -> bytes:
    """Return a solicitation or advertisement whose option gives `source` this hardware address."""
    is_advertisement = kind == NEIGHBOR_ADVERTISEMENT
    body = struct.pack("!I", 0x20000000 if is_advertisement else 0)
    if kind != ROUTER_SOLICITATION:
        body += _packed(source if is_advertisement else to)
    options = [_option(2 if is_advertisement else 1, _mac(hardware)), _option(NONCE, nonce)]
    return icmpv6(source, to, kind, body + b"".join(reversed(options) if is_second else options))


def router_advertisement(
    source: str, to: str, prefix: str = "2001:db8:1::", nonce: bytes = b"router"
) -> bytes:
    """Advertise a router that is everybody's default gateway, and a /64 for addresses."""
    head = struct.pack("!BBHII", 64, 0, 1800, 0, 0)
    on_link_autonomous = struct.pack("!BBBBIII", 3, 4, 64, 0xC0, 86400, 14400, 0)
    body = head + on_link_autonomous + _packed(prefix) + _option(NONCE, nonce)
    return icmpv6(source, to, ROUTER_ADVERTISEMENT, body)


def redirect(source: str, to: str, target: str, destination: str, nonce: bytes) -> bytes:
    """Return a redirect: `destination` is better reached by `target`."""
    body = bytes(4) + _packed(target) + _packed(destination) + _option(NONCE, nonce)
    return icmpv6(source, to, REDIRECT, body)


def icmpv6(source: str, to: str, kind: int, body: bytes) -> bytes:
    """Return an IP packet with one ICMPv6 message, which no router has forwarded."""
    unsummed = struct.pack("!BBH", kind, 0, 0) + body
    summed = _with_checksum(unsummed, 2, source, to, socket.IPPROTO_ICMPV6)
    return _ip(source, to, socket.IPPROTO_ICMPV6, summed, hops=255)


def igmp_query(source: str, to: str, data: bytes) -> bytes:
    """Return the question of an IPv4 multicast router: who is in a group."""
    query = struct.pack("!BBHI", 0x11, 100, 0, 0) + data
    summed = query[:2] + struct.pack("!H", checksum(query)) + query[4:]
    return _ip(source, to, socket.IPPROTO_IGMP, summed)


def link_local(mac: str) -> str:
    """Return the address that the kernel derives from a MAC."""
    packed = _mac(mac)
    host = bytes((packed[0] ^ 2, *packed[1:3], 0xFF, 0xFE, *packed[3:]))
    return str(ip_address(b"\xfe\x80" + bytes(6) + host))


def arp(hardware: str, sender: str, target: str, data: bytes) -> bytes:
    """Return a request: the holder of `sender`, with this hardware address, asks for `target`."""
    head = struct.pack("!HHBBH", 1, ETH_P_IP, 6, 4, 1)
    return head + _mac(hardware) + _packed(sender) + bytes(6) + _packed(target) + data


def heard(
    frames: Iterable[bytes], speaker: Path, listener: Path, marks: Iterable[bytes]
) -> set[bytes]:
    """Which of the marks arrive at the listener's eth0 when the speaker sends all frames."""
    marks = tuple(marks)
    found: set[bytes] = set()
    with _wire(listener, ETH_P_ALL) as receiving:
        send(speaker, *frames)
        deadline = time.monotonic() + PATIENCE
        while (rest := deadline - time.monotonic()) > 0:
            receiving.settimeout(rest)
            try:
                frame = receiving.recv(2048)
            except TimeoutError:
                break
            found.update(mark for mark in marks if mark in frame)
    return found


def send(speaker: Path, *frames: bytes) -> None:
    """Send frames from the speaker's eth0."""
    with _wire(speaker, 0) as sending:
        for frame in frames:
            sending.send(frame)


def heard_by(listening: socket.socket) -> str:
    """Return the source of the next datagram; nothing where none comes."""
    listening.settimeout(PATIENCE)
    try:
        return str(listening.recvfrom(2048)[1][0])
    except TimeoutError:
        return ""


def checksum(data: bytes) -> int:
    """Return the Internet checksum."""
    data += b"\0" * (len(data) % 2)
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total & 0xFFFF) + (total >> 16)
    return ~(total + (total >> 16)) & 0xFFFF


def _wire(netns: Path, kind: int) -> socket.socket:
    with namespaces.visiting(netns):
        wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(kind))
        wire.bind(("eth0", kind))
    return wire


def _ip(source: str, to: str, protocol: int, payload: bytes, hops: int = 64) -> bytes:
    pair = _packed(source) + _packed(to)
    if len(pair) == 32:
        head = struct.pack("!IHBB", 6 << 28, len(payload), protocol, hops)
        return head + pair + payload
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(payload), 1, 0, hops, protocol, 0) + pair
    return head[:10] + struct.pack("!H", checksum(head)) + head[12:] + payload


def _with_checksum(body: bytes, at: int, source: str, to: str, protocol: int) -> bytes:
    """`body` with the checksum over it and the pseudo-header in its place."""
    pseudo = _packed(source) + _packed(to) + struct.pack("!II", len(body), protocol)
    return body[:at] + struct.pack("!H", checksum(pseudo + body)) + body[at + 2 :]


def _option(kind: int, content: bytes) -> bytes:
    """Return an option of neighbour discovery, six bytes long."""
    return struct.pack("!BB6s", kind, 1, content)


def _mac(text: str) -> bytes:
    return bytes.fromhex(text.replace(":", ""))


def _packed(address: str) -> bytes:
    return ip_address(address).packed
