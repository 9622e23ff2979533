"""Reads the elements of nftables sets and maps, for use where the ledger is not available.

What the elements mean is not known here.
"""

from errno import ENOENT

from cni_bridge.firewall.model import Element
from cni_bridge.kernel.netlink import (
    ATTRIBUTE_HEADER_SIZE,
    Attributes,
    KernelError,
    Request,
    decode,
)
from cni_bridge.kernel.nfmessages import (
    ELEMENT,
    ELEMENT_DATA,
    ELEMENTS,
    NFT_MSG_GETSETELEM,
    NFTA_DATA_VALUE,
    NFTA_SET_ELEM_DATA,
    NFTA_SET_ELEM_KEY,
    NFTA_SET_ELEM_KEY_END,
    NFTA_SET_ELEM_LIST_ELEMENTS,
)
from cni_bridge.kernel.nftables import elements_body, kind
from cni_bridge.lean.cstruct import unpack_from

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from cni_bridge.kernel.netlink import Socket


def elements(socket: "Socket", family: int, table: str, set_name: str) -> list[Element]:
    """Return all elements of a set; [] if there is no such set."""
    listed = _listed(socket, family, table, set_name)
    return [_element(set_name, Attributes(ELEMENT, item)) for item in listed]


def count(socket: "Socket", family: int, table: str, set_name: str) -> int:
    """Return how many elements a set has; 0 if there is no such set."""
    return sum(1 for _ in _listed(socket, family, table, set_name))


def _listed(socket: "Socket", family: int, table: str, set_name: str) -> "Iterator[bytes]":
    listing = Request(
        what=f"list nftables set {set_name}",
        kind=kind(NFT_MSG_GETSETELEM),
        body=elements_body(family, table, set_name, None),
    )
    try:
        answers = socket.dump(listing)
    except KernelError as error:
        if error.errno != ENOENT:
            raise
        return
    for answer in answers:
        yield from _items(decode(ELEMENTS, answer)[1].raw(NFTA_SET_ELEM_LIST_ELEMENTS))


def _items(content: bytes) -> "Iterator[bytes]":
    """Yield the packed entries of a list."""
    offset = 0
    while offset + ATTRIBUTE_HEADER_SIZE <= len(content):
        (length,) = unpack_from("H", content, offset)
        yield content[offset + ATTRIBUTE_HEADER_SIZE : offset + length]
        offset += max(length, ATTRIBUTE_HEADER_SIZE) + 3 & ~3


def _element(set_name: str, item: Attributes) -> Element:
    def value(number: int) -> bytes:
        return item.nested(number, ELEMENT_DATA).raw(NFTA_DATA_VALUE)

    return Element(
        set_name=set_name,
        key=value(NFTA_SET_ELEM_KEY),
        key_end=value(NFTA_SET_ELEM_KEY_END) or None,
        data=value(NFTA_SET_ELEM_DATA) or None,
    )
