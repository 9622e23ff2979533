"""The filter that keeps 127.0.0.0/8 out, as pyroute2 reads it and as a small machine runs it."""

import struct
from ipaddress import ip_address
from typing import Any

import pytest
from pyroute2.netlink.rtnl.tcmsg import tcmsg

from cni_bridge.kernel import loopback
from tests.unit.kernel.oracle import HEADER_SIZE

SHOT, UNSPECIFIED = 2, 0xFFFFFFFF
IPV4, IPV6 = 0x0800, 0x86DD


def program() -> list[tuple[int, int, int, int]]:
    """Read the instructions out of the request."""
    body = loopback.drop(5).body
    cls: Any = tcmsg
    message = cls(struct.pack("IHHII", HEADER_SIZE + len(body), 44, 0, 0, 0) + body)
    message.decode()
    assert (message["index"], message["parent"]) == (5, 0xFFFFFFF2)
    assert message.get_attr("TCA_KIND") == "bpf"
    first = struct.pack("HBBI", 0x01, 0, 0, 0)
    start = body.index(first)
    (size,) = struct.unpack_from("H", body, start - 4)
    return list(struct.iter_unpack("HBBI", body[start : start + size - 4]))


def verdict(
    kind: int, source: str, destination: str, mark: int = 0, tags: tuple[int, ...] = ()
) -> int:
    """Run the program on a frame; its outer VLAN tag is not among these."""
    packed = ip_address(source).packed + ip_address(destination).packed
    inner = b"".join(struct.pack("!HH", each, 0) for each in tags)
    frame = bytes(12) + inner + struct.pack("!H", kind) + bytes(12) + packed
    accumulator = position = index = 0
    instructions = program()
    while True:
        code, if_true, if_false, value = instructions[position]
        position += 1
        if code == 0x28:
            (accumulator,) = struct.unpack_from("!H", frame, value)
        elif code == 0x20:
            is_mark = value == 0xFFFFF000 + 20
            accumulator = mark if is_mark else struct.unpack_from("!I", frame, value)[0]
        elif code == 0x01:
            index = value
        elif code == 0x40:
            (accumulator,) = struct.unpack_from("!I", frame, value + index)
        elif code == 0x54:
            accumulator &= value
        elif code == 0x15:
            position += if_true if accumulator == value else if_false
        else:
            assert code == 0x06
            return value


@pytest.mark.parametrize(
    ("source", "destination", "mark", "expected"),
    [
        ("10.88.0.2", "127.0.0.1", 0, SHOT),
        ("10.88.0.2", "127.255.1.1", 0x10, SHOT),
        ("127.0.0.1", "10.88.0.1", 0, SHOT),
        ("10.88.0.2", "127.0.0.1", 0x1010, UNSPECIFIED),
        ("10.88.0.2", "10.88.0.1", 0, UNSPECIFIED),
        ("126.0.0.1", "128.0.0.1", 0, UNSPECIFIED),
    ],
)
def test_what_is_from_or_to_the_loopback_network_is_dropped_unless_it_has_the_mark(
    source: str, destination: str, mark: int, expected: int
) -> None:
    assert verdict(IPV4, source, destination, mark) == expected


@pytest.mark.parametrize("tag", [0x8100, 0x88A8])
def test_a_second_vlan_tag_hides_nothing(tag: int) -> None:
    assert verdict(IPV4, "10.88.0.2", "127.0.0.1", tags=(tag,)) == SHOT
    assert verdict(IPV4, "127.0.0.1", "10.88.0.1", tags=(tag,)) == SHOT
    assert verdict(IPV4, "10.88.0.2", "10.88.0.1", tags=(tag,)) == UNSPECIFIED
    assert verdict(IPV4, "10.88.0.2", "10.88.0.1", tags=(0x8100, tag)) == SHOT, "a third"


def test_other_protocols_pass() -> None:
    assert verdict(IPV6, "127.0.0.1", "127.0.0.1") == UNSPECIFIED
    assert verdict(IPV6, "127.0.0.1", "127.0.0.1", tags=(0x8100,)) == UNSPECIFIED


def test_the_filter_is_found_among_others() -> None:
    assert loopback.is_among([b"another", loopback.drop(5).body])
    assert not loopback.is_among([b"another"])
