"""Packs elements of nftables sets and maps, and sends them in transactions.

Rules and chains are never changed here, and what the sets mean is not known.
"""

from _blake2 import blake2b
from errno import ENOENT

from cni_bridge.firewall.model import Element
from cni_bridge.kernel.messages import NLM_F_ACK, NLM_F_CREATE, NLMSG_ERROR
from cni_bridge.kernel.netlink import (
    HEADER_SIZE,
    NLA_F_NESTED,
    KernelError,
    Request,
    Socket,
    decode,
    encode,
    failure,
)
from cni_bridge.kernel.nfmessages import (
    ELEMENTS,
    GENERATION,
    NETLINK_NETFILTER,
    NFGENMSG,
    NFNL_SUBSYS_NFTABLES,
    NFT_MSG_DELSETELEM,
    NFT_MSG_GETGEN,
    NFT_MSG_GETRULE,
    NFT_MSG_GETSETELEM,
    NFT_MSG_GETTABLE,
    NFT_MSG_NEWSETELEM,
    NFTA_DATA_VALUE,
    NFTA_GEN_ID,
    NFTA_RULE_CHAIN,
    NFTA_RULE_EXPRESSIONS,
    NFTA_RULE_TABLE,
    NFTA_SET_ELEM_DATA,
    NFTA_SET_ELEM_KEY,
    NFTA_SET_ELEM_KEY_END,
    NFTA_SET_ELEM_LIST_ELEMENTS,
    NFTA_SET_ELEM_LIST_SET,
    NFTA_SET_ELEM_LIST_TABLE,
    NFTA_TABLE_FLAGS,
    NFTA_TABLE_HANDLE,
    NFTA_TABLE_NAME,
    RULE,
    TABLE,
)
from cni_bridge.lean.csocket import csocket
from cni_bridge.lean.cstruct import pack

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

NFPROTO_INET = 1  # linux/netfilter.h
NFPROTO_BRIDGE = 7
NFNL_MSG_BATCH_BEGIN = 16  # linux/netfilter/nfnetlink.h
NFNL_MSG_BATCH_END = 17
NFTA_LIST_ELEM = 1  # linux/netfilter/nf_tables.h
SO_SNDBUFFORCE = 32  # asm-generic/socket.h

DIGEST_SIZE = 7  # fits into an integer of SQLite
UNNAMED_SET = b"__set"  # nft names them so, and the kernel numbers them

VALUE_OFFSET = 8  # of a key or data, after the headers of two attributes
FIRST_VALUE = 4 + VALUE_OFFSET  # where an element's key is
ELEMENTS_A_MESSAGE = 400  # an attribute's length has 16 bits
DEFAULT_SEND_BUFFER = 100_000  # safely below net.core.wmem_default, which counts overhead too


class Netfilter(Socket):
    """A socket to netfilter in the namespace that the process is in.

    Closing it after a deletion waits for a grace period of the kernel, so close it last.
    """

    def __init__(self) -> None:
        super().__init__(NETLINK_NETFILTER)
        self.commits = 0  # each increments the generation

    def commit(self, *requests: Request) -> None:
        """Carry out all requests or, if one fails, none; raises KernelError for the first.

        A failing transaction costs ten milliseconds: never send one to find something out.
        """
        if not requests:
            return
        size = sum(HEADER_SIZE + len(request.body) for request in requests)
        if size > DEFAULT_SEND_BUFFER:
            self._socket.setsockopt(csocket.SOL_SOCKET, SO_SNDBUFFORCE, 2 * size)
        # The last one alone is acknowledged; kernels differ in what they say of begin and end.
        *others, last = requests
        acknowledged = Request(
            what=last.what, kind=last.kind, body=last.body, flags=last.flags | NLM_F_ACK
        )
        batch = (_BEGIN, *others, acknowledged, _END)
        self._send(batch, 0)
        while True:
            for answer, flags, sequence, payload in self._answers():
                request = batch[sequence - self._first]
                if answer == NLMSG_ERROR:
                    if refusal := failure(request, flags, payload):
                        raise refusal
                    if request is acknowledged:
                        self.commits += 1
                        return


def add(family: int, table: str, elements: "Iterable[Element]") -> "list[Request]":
    """Return requests that add elements; one that exists with the same data is not an error.

    A map element that exists with other data is: EEXIST.
    """
    return _changes("add", NFT_MSG_NEWSETELEM, (family, table), elements, NLM_F_CREATE)


def delete(family: int, table: str, elements: "Iterable[Element]") -> "list[Request]":
    """Return requests that delete elements by key, whatever their data. A missing one fails: ENOENT."""
    return _changes("delete", NFT_MSG_DELSETELEM, (family, table), elements)


def flush(family: int, table: str, set_name: str) -> Request:
    """Return the request that empties a set."""
    return Request(
        what=f"empty nftables set {set_name}",
        kind=kind(NFT_MSG_DELSETELEM),
        body=elements_body(family, table, set_name, None),
    )


def contains(socket: Socket, family: int, table: str, element: Element) -> bool:
    """Return whether the kernel has that element, with that data."""
    try:
        answer = socket.ask(
            Request(
                what=f"look up an element of nftables set {element.set_name}",
                kind=kind(NFT_MSG_GETSETELEM),
                body=elements_body(family, table, element.set_name, (element,)),
            )
        )
    except KernelError as error:
        if error.errno == ENOENT:
            return False
        raise
    return element.data is None or element.data in answer


def handle(socket: Socket, family: int, table: str) -> "int | None":
    """Return the handle, unique among tables of one name over time; None if there is no such table."""
    try:
        answer = socket.ask(_table(family, table))
    except KernelError as error:
        if error.errno == ENOENT:
            return None
        raise
    return decode(TABLE, answer)[1].number(NFTA_TABLE_HANDLE)


def generation(socket: Socket) -> int:
    """Return the number that nftables increments with every change of any table in this namespace."""
    answer = socket.ask(_GET_GENERATION)
    found = decode(GENERATION, answer)[1].number(NFTA_GEN_ID)
    assert found is not None, "every kernel with nftables reports its generation"
    return found


def fingerprint(socket: Socket, family: int, table: str) -> int:
    """Return a number that differs for every other content of the table's chains, or flag of it.

    The same rules, loaded again, have the same: handles and the numbers of unnamed sets don't count.
    """
    listing = Request(
        what=f"list the rules of nftables table {table}",
        kind=kind(NFT_MSG_GETRULE),
        body=encode(RULE, (family, 0, 0), {NFTA_RULE_TABLE: table}),
    )
    digest = blake2b(digest_size=DIGEST_SIZE)
    answer = socket.ask(_table(family, table))
    digest.update(b"%d" % (decode(TABLE, answer)[1].number(NFTA_TABLE_FLAGS) or 0))
    for payload in socket.dump(listing):
        rule = decode(RULE, payload)[1]
        first, *parts = rule.raw(NFTA_RULE_EXPRESSIONS).split(UNNAMED_SET)
        digest.update(rule.raw(NFTA_RULE_CHAIN) + first)
        for part in parts:
            digest.update(part.lstrip(b"0123456789\0"))
    return int.from_bytes(digest.digest(), "big")


def _table(family: int, table: str) -> Request:
    return Request(
        what=f"look up nftables table {table}",
        kind=kind(NFT_MSG_GETTABLE),
        body=encode(TABLE, (family, 0, 0), {NFTA_TABLE_NAME: table}),
    )


def _changes(
    verb: str,
    message: int,
    where: tuple[int, str],
    elements: "Iterable[Element]",
    flags: int = 0,
) -> "list[Request]":
    by_set: dict[str, list[Element]] = {}
    for element in elements:
        by_set.setdefault(element.set_name, []).append(element)
    return [
        Request(
            what=f"{verb} {len(some)} elements, nftables set {set_name}",
            kind=kind(message),
            flags=flags,
            body=elements_body(*where, set_name, some),
        )
        for set_name, all_of_set in by_set.items()
        for some in _slices(all_of_set)
    ]


def _slices(elements: "list[Element]") -> "Iterator[list[Element]]":
    for start in range(0, len(elements), ELEMENTS_A_MESSAGE):
        yield elements[start : start + ELEMENTS_A_MESSAGE]


def elements_body(
    family: int, table: str, set_name: str, elements: "Sequence[Element] | None"
) -> bytes:
    """Pack a message about elements of a set; None means all of them."""
    head = encode(
        ELEMENTS,
        (family, 0, 0),
        {NFTA_SET_ELEM_LIST_TABLE: table, NFTA_SET_ELEM_LIST_SET: set_name},
    )
    if elements is None:
        return head
    return head + _nested(NFTA_SET_ELEM_LIST_ELEMENTS, _packed(elements))


def _packed(elements: "Sequence[Element]") -> bytes:
    """Return the elements of a set, one after another; there can be thousands.

    A set's keys are of one size, and so are a map's data: single ones have the same headers.
    """
    first = elements[0]
    if first.data is None or first.key_end is not None:
        return b"".join(map(_element, elements))
    before_key, before_data, rest = _headers(first)
    return b"".join(
        [before_key + each.key + before_data + (each.data or b"") + rest for each in elements]
    )


def _headers(element: Element) -> tuple[bytes, bytes, bytes]:
    """Return what is before the key of a map's element, between key and data, and after these."""
    whole, data = _element(element), _data(NFTA_SET_ELEM_DATA, element.data or b"")
    value = len(whole) - len(data) + VALUE_OFFSET
    end = value + len(element.data or b"")
    return whole[:FIRST_VALUE], whole[FIRST_VALUE + len(element.key) : value], whole[end:]


def _element(element: Element) -> bytes:
    body = _data(NFTA_SET_ELEM_KEY, element.key)
    if element.key_end is not None:
        body += _data(NFTA_SET_ELEM_KEY_END, element.key_end)
    if element.data is not None:
        body += _data(NFTA_SET_ELEM_DATA, element.data)
    return _nested(NFTA_LIST_ELEM, body)


def _data(number: int, value: bytes) -> bytes:
    size = len(value) + (-len(value) & 3)
    head = pack("HHHH", VALUE_OFFSET + size, number | NLA_F_NESTED, 4 + len(value), NFTA_DATA_VALUE)
    return head + value.ljust(size, b"\0")


def _nested(number: int, content: bytes) -> bytes:
    return pack("HH", 4 + len(content), number | NLA_F_NESTED) + content


def kind(message: int) -> int:
    """Return the netlink type of an nftables message."""
    return NFNL_SUBSYS_NFTABLES << 8 | message


def _boundary(what: str, kind: int) -> Request:
    return Request(what=what, kind=kind, body=pack(NFGENMSG, 0, 0, NFNL_SUBSYS_NFTABLES))


_GET_GENERATION = Request(
    what="ask for the generation of nftables",
    kind=kind(NFT_MSG_GETGEN),
    body=encode(GENERATION, (0, 0, 0), {}),
)
_BEGIN = _boundary("begin an nftables transaction", NFNL_MSG_BATCH_BEGIN)
_END = _boundary("commit an nftables transaction", NFNL_MSG_BATCH_END)
