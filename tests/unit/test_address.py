"""Addresses as packed bytes: text in, bytes out, and the arithmetic between."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cni_bridge import address
from cni_bridge.address import Prefix

NETWORKS = st.one_of(
    st.builds(lambda ip, length: (ip, length), st.ip_addresses(v=4), st.integers(0, 32)),
    st.builds(lambda ip, length: (ip, length), st.ip_addresses(v=6), st.integers(0, 128)),
)


def prefix(text: str) -> Prefix:
    return address.parse_prefix(text)


@given(st.ip_addresses())
def test_text_and_packed_form_are_those_of_the_standard_library(
    ip: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> None:
    if isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped:
        ip = ip.ipv4_mapped
    assert address.parse(str(ip)) == ip.packed
    assert ipaddress.ip_address(address.text(ip.packed)) == ip


@given(NETWORKS)
def test_a_subnet_ends_where_the_standard_library_says(
    drawn: tuple[ipaddress.IPv4Address | ipaddress.IPv6Address, int],
) -> None:
    ip, length = drawn
    want = ipaddress.ip_network(f"{ip}/{length}", strict=False)
    have = Prefix(ip=ip.packed, length=length)
    assert address.first(have) == want.network_address.packed
    assert address.last(have) == want.broadcast_address.packed
    assert address.subnet(have) == Prefix(ip=want.network_address.packed, length=length)


@pytest.mark.parametrize(
    "text",
    ["", "10.1.2", "10.1.2.256", "010.1.2.3", "10.1.2.3 ", "fe80::1%eth0", "x", "1.2.3.4\0", ":"],
)
def test_what_is_no_address_is_refused_by_name(text: str) -> None:
    with pytest.raises(ValueError, match="is not an IP address"):
        address.parse(text)


@pytest.mark.parametrize(
    "text",
    ["10.0.0.0", "10.0.0.0/", "/24", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/024", "10.0.0.0/٣",
     "fd00::/129", "::ffff:10.0.0.0/24", "10.0.0.0/0000"],
)  # fmt: skip
def test_what_is_no_prefix_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not an|prefix length"):
        address.parse_prefix(text)


def test_host_bits_are_kept() -> None:
    assert address.prefix_text(prefix("10.1.2.3/24")) == "10.1.2.3/24"


def test_an_ipv4_mapped_address_is_ipv4_with_its_own_prefix_length() -> None:
    assert prefix("::ffff:10.1.2.3/120") == prefix("10.1.2.3/24")


def test_the_family_is_the_length() -> None:
    v4, v6 = address.parse("10.0.0.1"), address.parse("fd00::1")
    assert (address.family(v4), address.bits(v4)) == (address.AF_INET, 32)
    assert (address.family(v6), address.bits(v6)) == (address.AF_INET6, 128)


def test_an_offset_stays_inside_the_address_space() -> None:
    assert address.offset(address.parse("10.0.0.255"), 1) == address.parse("10.0.1.0")
    assert address.offset(address.parse("10.0.1.0"), -1) == address.parse("10.0.0.255")
    with pytest.raises(OverflowError):
        address.offset(address.parse("255.255.255.255"), 1)
    with pytest.raises(OverflowError):
        address.offset(address.parse("::"), -1)


def test_a_subnet_contains_both_of_its_ends_and_nothing_of_another_family() -> None:
    net = prefix("10.1.2.0/24")
    assert address.contains(net, address.parse("10.1.2.0"))
    assert address.contains(net, address.parse("10.1.2.255"))
    assert not address.contains(net, address.parse("10.1.3.0"))
    assert not address.contains(prefix("::/0"), address.parse("10.1.2.0"))


@pytest.mark.parametrize(
    ("one", "other", "do"),
    [
        ("10.0.0.0/8", "10.1.0.0/16", True),
        ("10.1.0.0/16", "10.0.0.0/8", True),
        ("10.1.0.0/16", "10.2.0.0/16", False),
        ("0.0.0.0/0", "::/0", False),
    ],
)
def test_subnets_overlap_when_one_lies_in_the_other(one: str, other: str, do: bool) -> None:
    assert address.overlap(prefix(one), prefix(other)) is do


def test_the_link_local_address_follows_from_the_mac() -> None:
    made = address.link_local(bytes.fromhex("02420a580002"))
    assert address.text(made) == "fe80::42:aff:fe58:2"
