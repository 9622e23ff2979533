"""The codec of attributes, and what a refusal says."""

import errno
from struct import pack

import pytest

from cni_bridge.kernel.netlink import Attributes, KernelError, Request, decode, encode, nest

TABLE = {1: "I", 2: "text", 3: "bytes", 4: "HH", 5: "nested", 6: ">H"}
REQUEST = Request(what="add address 10.1.2.3/24 to interface 5", kind=20, body=b"")


def test_an_attribute_is_padded_to_four_bytes_but_its_length_is_not() -> None:
    assert nest(TABLE, {2: "eth0"}) == pack("HH", 9, 2) + b"eth0\0" + bytes(3)


def test_attributes_keep_their_order_and_those_that_are_none_are_left_out() -> None:
    assert nest(TABLE, {3: b"1234", 2: None, 1: 7}) == (
        pack("HH", 8, 3) + b"1234" + pack("HHI", 8, 1, 7)
    )


def test_the_table_says_how_wide_a_number_is() -> None:
    assert nest(TABLE, {4: (1, 2)}) == pack("HHHH", 8, 4, 1, 2)
    assert nest(TABLE, {6: 80}) == pack("HH", 6, 6) + b"\0P" + bytes(2)


def test_what_was_encoded_is_decoded() -> None:
    inner = nest(TABLE, {2: "inner"})
    payload = encode(("Bxxx", TABLE), (9,), {1: 7, 2: "näme", 3: b"123", 5: inner})
    header, found = decode(("Bxxx", TABLE), payload)
    assert header == (9,)
    assert (found.number(1), found.text(2), found.raw(3)) == (7, "näme", b"123")
    assert found.nested(5, TABLE).text(2) == "inner"


def test_an_absent_attribute_is_none_or_empty() -> None:
    empty = Attributes(TABLE, b"")
    assert (empty.number(1), empty.text(2), empty.raw(3)) == (None, "", b"")
    assert empty.nested(5, TABLE).number(1) is None


def test_the_flags_of_an_attribute_number_are_ignored() -> None:
    nla_f_nested = 0x8000
    assert Attributes(TABLE, pack("HHI", 8, 1 | nla_f_nested, 7)).number(1) == 7


@pytest.mark.parametrize("rest", [b"\0", pack("HH", 0, 1), pack("HH", 3, 1)])
def test_a_broken_rest_ends_the_attributes(rest: bytes) -> None:
    assert Attributes(TABLE, nest(TABLE, {1: 7}) + rest).number(1) == 7


def test_a_name_that_is_not_utf8_survives() -> None:
    raw = nest(TABLE, {3: b"eth\xff\0"}).replace(pack("HH", 9, 3), pack("HH", 9, 2))
    assert nest(TABLE, {2: Attributes(TABLE, raw).text(2)}) == raw


def test_a_refusal_says_what_was_asked_and_why_it_was_refused() -> None:
    error = KernelError(errno.EEXIST, REQUEST, "Address already assigned")
    assert error.errno == errno.EEXIST
    assert str(error) == (
        "add address 10.1.2.3/24 to interface 5: EEXIST (File exists): Address already assigned"
    )


def test_a_refusal_without_the_kernels_words_ends_after_the_errno() -> None:
    assert str(KernelError(errno.ENODEV, REQUEST)).endswith(": ENODEV (No such device)")


def test_a_refusal_with_an_unknown_errno_has_its_number() -> None:
    assert ": 524 (Unknown error 524)" in str(KernelError(524, REQUEST))
