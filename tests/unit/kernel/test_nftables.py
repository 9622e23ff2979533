"""pyroute2 reads in requests about nftables what was asked for; answers are understood."""

from collections.abc import Sequence
from typing import Any

import pytest

from cni_bridge.firewall.model import Element
from cni_bridge.kernel import nftables
from cni_bridge.kernel.netlink import KernelError, Request, encode
from cni_bridge.kernel.nfmessages import RULE
from tests.unit.kernel.oracle import elements, elements_in, nested, rule, table

INET = nftables.NFPROTO_INET
SUBSYSTEM = 10 << 8  # NFNL_SUBSYS_NFTABLES
CREATE = 0x400  # NLM_F_CREATE

MEMBER = Element(set_name="masq4", key=bytes((10, 88, 0, 2)))
SUBNET = Element(
    set_name="subnet4",
    key=b"cni0".ljust(16, b"\0") + bytes((10, 88, 0, 0)),
    key_end=b"cni0".ljust(16, b"\0") + bytes((10, 88, 255, 255)),
)
PORT = Element(set_name="port4", key=b"\6\0\0\0\0\x50\0\0", data=b"\x0a\x58\0\2\x1f\x90\0\0")


def expected(name: str, *listed: Element) -> bytes:
    attributes: list[tuple[str, Any]] = [
        ("NFTA_SET_ELEM_LIST_TABLE", "cni_bridge"),
        ("NFTA_SET_ELEM_LIST_SET", name),
    ]
    if listed:
        attributes.append(("NFTA_SET_ELEM_LIST_ELEMENTS", [_element(item) for item in listed]))
    return elements(*attributes, nfgen_family=INET)


def _element(item: Element) -> dict[str, Any]:
    values = (
        ("NFTA_SET_ELEM_KEY", item.key),
        ("NFTA_SET_ELEM_KEY_END", item.key_end),
        ("NFTA_SET_ELEM_DATA", item.data),
    )
    return nested(
        *((name, nested(("NFTA_DATA_VALUE", value))) for name, value in values if value is not None)
    )


@pytest.mark.parametrize("item", [MEMBER, SUBNET, PORT])
def test_pyroute2_reads_what_is_added_and_deleted(item: Element) -> None:
    (added,) = nftables.add(INET, "cni_bridge", [item])
    (deleted,) = nftables.delete(INET, "cni_bridge", [item])
    assert added.body == deleted.body
    assert elements_in(added.body) == elements_in(expected(item.set_name, item))
    assert (added.kind, added.flags) == (SUBSYSTEM | 12, CREATE)
    assert (deleted.kind, deleted.flags) == (SUBSYSTEM | 14, 0)


def test_the_elements_of_one_set_share_a_message() -> None:
    other = Element(set_name="masq4", key=bytes((10, 88, 0, 3)))
    requests = nftables.add(INET, "cni_bridge", [MEMBER, PORT, other])
    assert [elements_in(request.body) for request in requests] == [
        elements_in(expected("masq4", MEMBER, other)),
        elements_in(expected("port4", PORT)),
    ]


def test_many_elements_are_spread_over_messages() -> None:
    many = [Element(set_name="masq4", key=number.to_bytes(4, "big")) for number in range(1000)]
    requests = nftables.add(INET, "cni_bridge", many)
    assert [len(request.body) < 65536 for request in requests] == [True] * 3
    assert elements_in(requests[2].body) == elements_in(expected("masq4", *many[800:]))


def test_a_set_without_elements_is_emptied() -> None:
    assert nftables.flush(INET, "cni_bridge", "masq4").body == expected("masq4")


class Answering:
    """A socket with one answer, or a refusal."""

    def __init__(self, answer: "bytes | int", listed: Sequence[bytes] = ()) -> None:
        self.answer = answer
        self.listed = listed
        self.asked: list[Request] = []

    def ask(self, request: Request) -> bytes:
        self.asked.append(request)
        if isinstance(self.answer, int):
            raise KernelError(self.answer, request)
        return self.answer

    def dump(self, request: Request) -> list[bytes]:
        self.asked.append(request)
        return list(self.listed)


def contains(socket: Answering, item: Element) -> bool:
    return nftables.contains(socket, INET, "cni_bridge", item)  # type: ignore[arg-type]  # all it needs


def test_an_element_is_there_only_with_its_own_data() -> None:
    other = Element(set_name="port4", key=PORT.key, data=bytes(8))
    socket = Answering(expected("port4", PORT))
    assert (contains(socket, PORT), contains(socket, other)) == (True, False)
    assert not contains(Answering(2), MEMBER), "ENOENT"
    with pytest.raises(KernelError):
        contains(Answering(1), MEMBER)


def test_a_table_has_a_handle_that_tells_it_from_the_next_one() -> None:
    name = ("NFTA_TABLE_NAME", "cni_bridge")
    answer = table(name, ("NFTA_TABLE_HANDLE", 7), nfgen_family=INET)
    socket = Answering(answer)
    assert nftables.handle(socket, INET, "cni_bridge") == 7  # type: ignore[arg-type]  # all it needs
    assert socket.asked[0].body == table(name, nfgen_family=INET)
    assert nftables.handle(Answering(2), INET, "cni_bridge") is None  # type: ignore[arg-type]  # dito


def fingerprint(*rules: bytes) -> int:
    """Return the fingerprint of a table with these rules' expressions."""
    described = table(("NFTA_TABLE_NAME", "cni_bridge"), nfgen_family=INET)
    listed = [encode(RULE, (INET, 0, 0), {4: each}) for each in rules]
    socket = Answering(described, listed)
    found = nftables.fingerprint(socket, INET, "cni_bridge")  # type: ignore[arg-type]  # all it needs
    assert socket.asked[1].body == rule(("NFTA_RULE_TABLE", "cni_bridge"), nfgen_family=INET)
    return found


def test_rules_that_differ_have_another_fingerprint() -> None:
    assert fingerprint(b"drop", b"accept") != fingerprint(b"drop", b"drop  ")
    assert fingerprint(b"drop") != fingerprint(b"drop", b"drop")
    assert fingerprint(b"in __set1\0 ") == fingerprint(b"in __set27 "), "loaded again"
    assert 0 <= fingerprint(b"drop") < 2**63
