"""IP addresses as packed bytes and prefixes of them.

The length (4 or 16 bytes) is the family. The kernel, the ledger and comparisons all use the packed
form, so nothing is converted on the way; importing `ipaddress` would cost half of a whole ADD.
"""

from cni_bridge.lean.csocket import csocket
from cni_bridge.lean.record import record

AF_INET: int = csocket.AF_INET
AF_INET6: int = csocket.AF_INET6

IPV6_MINIMUM_MTU = 1280  # RFC 8200, section 5: the kernel has no IPv6 on a smaller link

_V4_MAPPED = bytes(10) + b"\xff\xff"


@record
class Prefix:
    """An address with a prefix length: a subnet, or an interface's address inside one."""

    ip: bytes
    length: int


def parse(text: str) -> bytes:
    """Return the packed form of an address; an IPv4-mapped one is IPv4, as in Go's net.ParseIP.

    Raises ValueError for anything else, zones and leading zeros included.
    """
    try:
        if ":" not in text:
            return csocket.inet_pton(AF_INET, text)
        packed = csocket.inet_pton(AF_INET6, text)
    except (OSError, ValueError):
        raise ValueError(f"{text!r} is not an IP address") from None
    return packed[12:] if packed.startswith(_V4_MAPPED) else packed


def parse_prefix(text: str) -> Prefix:
    """Parse `10.1.2.3/24`, keeping the host bits. Raises ValueError."""
    address, slash, digits = text.partition("/")
    if not slash or not digits.isdecimal() or not digits.isascii() or len(digits) > 3:
        raise ValueError(f"{text!r} is not an address with a prefix length, like 10.1.2.0/24")
    ip = parse(address)
    length = int(digits) - (96 if len(ip) == 4 and ":" in address else 0)
    if not 0 <= length <= bits(ip) or (digits[0] == "0" and digits != "0"):
        raise ValueError(f"{text!r}: the prefix length must be between 0 and {bits(ip)}")
    return Prefix(ip=ip, length=length)


def parse_mac(text: str) -> bytes:
    """Parse a MAC in any notation of Go's net.ParseMAC. Raises ValueError."""
    try:
        mac = bytes.fromhex("".join(letter for letter in text if letter not in ":-."))
    except ValueError:
        mac = b""
    notations = (mac.hex(":"), mac.hex("-"), mac.hex(".", 2), mac.hex())
    if len(mac) != 6 or text.lower() not in notations:
        raise ValueError("like 02:00:00:00:00:05")
    if mac[0] & 1 or not any(mac):
        raise ValueError("multicast, or all zero")
    return mac


def text(ip: bytes) -> str:
    """Return the usual text form: `10.1.2.3`, `fd00::1`."""
    return csocket.inet_ntop(family(ip), ip)


def prefix_text(prefix: Prefix) -> str:
    """Return the text form of a prefix: `10.1.2.3/24`."""
    return f"{text(prefix.ip)}/{prefix.length}"


def family(ip: bytes) -> int:
    """Return AF_INET or AF_INET6."""
    return AF_INET if len(ip) == 4 else AF_INET6


def bits(ip: bytes) -> int:
    """Return the number of bits in the address: 32 or 128."""
    return len(ip) * 8


def number(ip: bytes) -> int:
    """Return the address as an integer, for arithmetic."""
    return int.from_bytes(ip, "big")


def offset(ip: bytes, distance: int) -> bytes:
    """Return the address `distance` after this one (before, if negative). Raises OverflowError."""
    return (number(ip) + distance).to_bytes(len(ip), "big")


def first(prefix: Prefix) -> bytes:
    """Return the lowest address of the subnet: its network address."""
    host_bits = bits(prefix.ip) - prefix.length
    return (number(prefix.ip) >> host_bits << host_bits).to_bytes(len(prefix.ip), "big")


def last(prefix: Prefix) -> bytes:
    """Return the highest address of the subnet: its broadcast address in IPv4."""
    host_bits = bits(prefix.ip) - prefix.length
    return (number(prefix.ip) | (1 << host_bits) - 1).to_bytes(len(prefix.ip), "big")


def subnet(prefix: Prefix) -> Prefix:
    """Return the subnet of an interface's address."""
    return Prefix(ip=first(prefix), length=prefix.length)


def contains(prefix: Prefix, ip: bytes) -> bool:
    """Tell whether the address lies in the subnet; false for another family."""
    return len(prefix.ip) == len(ip) and first(prefix) <= ip <= last(prefix)


def overlap(one: Prefix, other: Prefix) -> bool:
    """Tell whether two subnets share an address."""
    return contains(one, first(other)) or contains(other, first(one))


def link_local(mac: bytes) -> bytes:
    """Return the IPv6 link-local address that the kernel derives from a MAC (RFC 4291, EUI-64)."""
    return bytes((0xFE, 0x80, *bytes(6), mac[0] ^ 2, *mac[1:3], 0xFF, 0xFE, *mac[3:]))


def special(ip: bytes) -> str:
    """Return what kind of address it is if no interface can be reached at it; empty otherwise.

    All zeros, which often means any address, is not judged.
    """
    if (ip[0] == 0xFF and len(ip) == 16) or (ip[0] >> 4 == 0xE and len(ip) == 4):
        return "a multicast address"
    if ip == b"\xff" * 4:
        return "the broadcast address"
    if len(ip) == 4 and not ip[0] and any(ip):
        return "an address of 0.0.0.0/8"
    return ""


def is_link_local(ip: bytes) -> bool:
    """Tell whether the address is valid on its own link only: in 169.254.0.0/16 or fe80::/10."""
    return ip[:2] == b"\xa9\xfe" if len(ip) == 4 else ip[0] == 0xFE and ip[1] & 0xC0 == 0x80
