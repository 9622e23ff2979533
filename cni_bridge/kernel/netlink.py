"""Netlink: a codec for messages by the tables in `messages`, and a socket that sends them.

Nothing here knows what a link or a route is, nor which errors matter.
"""

import posix
import time
from errno import ENOBUFS, ENODEV, errorcode
from posix import strerror

from cni_bridge.kernel.messages import (
    ERROR,
    NETLINK_EXT_ACK,
    NETLINK_GET_STRICT_CHK,
    NETLINK_ROUTE,
    NLM_F_ACK,
    NLM_F_ACK_TLVS,
    NLM_F_DUMP,
    NLM_F_DUMP_INTR,
    NLM_F_REQUEST,
    NLMSG_DONE,
    NLMSG_ERROR,
    NLMSG_HEADER,
    NLMSGERR_ATTR_MSG,
    SOL_NETLINK,
)
from cni_bridge.lean.csocket import csocket
from cni_bridge.lean.cstruct import Struct, calcsize, pack, unpack_from
from cni_bridge.lean.record import record

TYPE_CHECKING = False

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    Table = Mapping[int, str]  # attribute number: struct format, "text", "bytes" or "nested"
    Message = tuple[str, Table]  # struct format of the header; the attributes after it
    Value = int | str | bytes | tuple[int, ...] | None
    Answer = tuple[int, int, int, bytes]

NETLINK_CAP_ACK = 10  # linux/netlink.h
NLA_F_NESTED = 0x8000  # linux/netlink.h; nftables and conntrack insist on it
NLA_TYPE_MASK = 0x3FFF  # without NLA_F_NESTED and NLA_F_NET_BYTEORDER

HEADER_SIZE = 16
ATTRIBUTE_HEADER_SIZE = 4
RECEIVE_SIZE = 65536
BATCH_LIMIT = 100  # so that the answers fit in the default receive buffer
DUMP_ATTEMPTS = 5
# For the other process's request to be the first: it has written one byte, and is two system calls behind.
HEAD_START_S = 0.0005
unpack_attribute = Struct("HH").unpack_from
unpack_header = Struct(NLMSG_HEADER).unpack_from
MOST_DESCRIPTORS = 1 << 16  # closed at once, but one by one before Linux 5.9


@record
class Request:
    """One message to the kernel; `what` describes it in errors: `set interface cni0 up`."""

    what: str
    kind: int
    body: bytes
    flags: int = 0


class KernelError(OSError):
    """The kernel refused a request; `extack` is the kernel's explanation, often empty."""

    def __init__(self, number: int, request: Request, extack: str = "") -> None:
        super().__init__(number, strerror(number))
        self.request = request
        self.extack = extack

    def __str__(self) -> str:
        name = errorcode.get(self.errno or 0, self.errno)
        explanation = f": {self.extack}" if self.extack else ""
        return f"{self.request.what}: {name} ({self.strerror}){explanation}"


class Socket:
    """A netlink socket in the network namespace that the process is in when it is created.

    With `groups` (RTMGRP_*) use it for `wait` only: notifications could displace answers.
    """

    def __init__(self, protocol: int = NETLINK_ROUTE, groups: int = 0) -> None:
        kind = csocket.SOCK_RAW | csocket.SOCK_CLOEXEC
        try:
            self._socket = csocket.socket(csocket.AF_NETLINK, kind, protocol)
        except OSError as error:
            raise OSError(error.errno, f"can't open a netlink socket ({error.strerror})") from None
        for option in (NETLINK_EXT_ACK, NETLINK_CAP_ACK, NETLINK_GET_STRICT_CHK):
            self._socket.setsockopt(SOL_NETLINK, option, 1)
        self._socket.bind((0, groups))
        self._port: int = self._socket.getsockname()[0]
        self._sequence = 0

    def run(self, *requests: Request, tolerate: int = 0) -> None:
        """Send all requests; raise KernelError for the first that failed.

        `tolerate` is an errno that does not count as a failure. The kernel does not stop at a
        failure: it has processed the requests after it too.
        """
        for refusal in self.attempt(*requests):
            if refusal and refusal.errno != tolerate:
                raise refusal

    def attempt(self, *requests: Request) -> "list[KernelError | None]":
        """Send all requests; return the outcome of each."""
        outcomes: list[KernelError | None] = []
        for start in range(0, len(requests), BATCH_LIMIT):
            batch = requests[start : start + BATCH_LIMIT]
            self._send(batch, NLM_F_ACK)
            answers: list[Answer] = []
            while len(answers) < len(batch):
                answers += self._answers()
            for request, (_, flags, _, payload) in zip(batch, answers, strict=False):
                outcomes.append(failure(request, flags, payload))
        return outcomes

    def begin_apart(self, *requests: Request, kept: "Socket | None" = None) -> None:
        """Have another process send requests, and close `kept` after them; return when it begins.

        It waits for what the kernel does after a request, so that this process need not. Whether it
        gets that far is not known, so send the requests again: what it has done is then refused at
        once. It keeps nothing else of this process open, and outlives it by some 15 ms.
        """
        data = self._encoded(requests, 0)
        used = {socket._socket.fileno() for socket in (self, kept) if socket}
        try:
            reader, writer = posix.pipe()
            try:
                if not posix.fork():
                    _finish_apart(self._socket.fileno(), data, writer, used | {writer})
            finally:
                posix.close(writer)
            if posix.read(reader, 1):
                time.sleep(HEAD_START_S)
            posix.close(reader)
        except OSError:  # no more descriptors or processes, say: it only saves time
            pass

    def ask(self, request: Request) -> bytes:
        """Return the one answer to a request; raise KernelError."""
        self._send((request,), 0)
        kind, flags, _, payload = self._answers()[0]
        if kind == NLMSG_ERROR and (refusal := failure(request, flags, payload)):
            raise refusal
        return payload

    def find(self, request: Request) -> "bytes | None":
        """Return the one answer to a request, or None if the interface does not exist."""
        try:
            return self.ask(request)
        except KernelError as error:
            if error.errno != ENODEV:
                raise
            return None

    def dump(self, request: Request) -> list[bytes]:
        """Return every answer to a request.

        Read a list that changed in the meantime again, up to DUMP_ATTEMPTS times in all; then
        return the last one.
        """
        answers: list[bytes] = []
        for _ in range(DUMP_ATTEMPTS):
            answers, is_consistent = self._dump(request)
            if is_consistent:
                break
        return answers

    def stream(self, request: Request, needles: "Collection[bytes]" = ()) -> "Iterator[bytes]":
        """Yield the answers to a request one by one: for lists too long to be held.

        Given `needles`, whole datagrams without any of them are skipped.
        """
        self._send((request,), NLM_F_DUMP)
        while True:
            try:
                data = self._receive(csocket.MSG_DONTWAIT)
            except BlockingIOError:
                return  # the kernel continues within recv: there is no more
            is_last = unpack_from("H", data, 4)[0] in (NLMSG_DONE, NLMSG_ERROR)
            if needles and not is_last and not any(needle in data for needle in needles):
                continue
            for kind, flags, _, _, payload in _messages(data):
                if kind in (NLMSG_DONE, NLMSG_ERROR):
                    echoed = 0 if kind == NLMSG_DONE else HEADER_SIZE
                    if refusal := failure(request, flags, payload, echoed):
                        raise refusal
                    return
                yield payload

    def wait(self, timeout_ms: int) -> list[bytes]:
        """Return the next notifications of the socket's groups.

        Empty after the timeout, or when the kernel had to drop some: the caller must look then.
        """
        self._socket.settimeout(timeout_ms / 1000)
        try:
            data = self._receive()
        except TimeoutError:
            return []
        finally:
            self._socket.settimeout(None)
        return [payload for _, _, _, _, payload in _messages(data)]

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()

    def _dump(self, request: Request) -> tuple[list[bytes], bool]:
        self._send((request,), NLM_F_DUMP)
        answers: list[bytes] = []
        is_consistent = True
        while True:
            for kind, flags, _, payload in self._answers():
                if flags & NLM_F_DUMP_INTR:
                    is_consistent = False
                if kind in (NLMSG_DONE, NLMSG_ERROR):
                    echoed = 0 if kind == NLMSG_DONE else HEADER_SIZE
                    if refusal := failure(request, flags, payload, echoed):
                        raise refusal
                    return answers, is_consistent
                answers.append(payload)

    def _send(self, requests: tuple[Request, ...], flags: int) -> None:
        self._socket.send(self._encoded(requests, flags))

    def _encoded(self, requests: tuple[Request, ...], flags: int) -> bytes:
        self._first = self._sequence + 1
        parts: list[bytes] = []
        for request in requests:
            self._sequence += 1
            parts += (
                pack(
                    NLMSG_HEADER,
                    HEADER_SIZE + len(request.body),
                    request.kind,
                    request.flags | flags | NLM_F_REQUEST,
                    self._sequence,
                    self._port,
                ),
                request.body,
            )
        return b"".join(parts)

    def _answers(self) -> "list[Answer]":
        """Return the answers to the last requests that come together: kind, flags, sequence, payload.

        The kernel answers before `send` returns, or continues a dump within `recv`. An answer that
        is not there now never comes, so it is an error (EAGAIN) and not a hang. No generator: to
        leave one before its end costs more than to read a message.
        """
        answers: list[Answer] = []
        while not answers:
            answers = [
                (kind, flags, sequence, payload)
                for kind, flags, sequence, port, payload in _messages(
                    self._receive(csocket.MSG_DONTWAIT)
                )
                if port == self._port and self._first <= sequence <= self._sequence
            ]
        return answers

    def _receive(self, flags: int = 0) -> bytes:
        try:
            return self._socket.recv(RECEIVE_SIZE, flags)
        except OSError as error:
            if error.errno != ENOBUFS:
                raise
            return b""  # the queue was full, and notifications were dropped


class Attributes:
    """Attributes of a message, decoded by its table on access."""

    def __init__(self, table: "Table", data: bytes, offset: int = 0) -> None:
        self._table = table
        self._data = data
        offsets: dict[int, int] = {}
        last = len(data) - ATTRIBUTE_HEADER_SIZE
        # No calls of functions, and no copies: few are read of the hundreds that a link has.
        while offset <= last:
            length, number = unpack_attribute(data, offset)
            if length < ATTRIBUTE_HEADER_SIZE:
                break
            offsets[number & NLA_TYPE_MASK] = offset
            offset += length + 3 & ~3
        self._offsets = offsets

    def number(self, attribute: int) -> "int | None":
        """Return an integer, or None if the kernel sent none."""
        offset = self._offsets.get(attribute)
        if offset is None:
            return None
        value: int = unpack_from(
            self._table[attribute], self._data, offset + ATTRIBUTE_HEADER_SIZE
        )[0]
        return value

    def text(self, attribute: int) -> str:
        """Return a string without its terminator, empty if the kernel sent none."""
        return self.raw(attribute).rstrip(b"\0").decode(errors="surrogateescape")

    def raw(self, attribute: int) -> bytes:
        """Return the bytes, empty if the kernel sent none."""
        offset = self._offsets.get(attribute)
        if offset is None:
            return b""
        (length,) = unpack_from("H", self._data, offset)
        return self._data[offset + ATTRIBUTE_HEADER_SIZE : offset + length]

    def nested(self, attribute: int, table: "Table") -> "Attributes":
        """Return the nested attributes, empty if the kernel sent none."""
        return Attributes(table, self.raw(attribute))


def encode(message: "Message", header: tuple[int, ...], values: "Mapping[int, Value]") -> bytes:
    """Encode the body of a message: its fixed header, then its attributes."""
    return pack(message[0], *header) + nest(message[1], values)


def nest(table: "Table", values: "Mapping[int, Value]") -> bytes:
    """Encode attributes in the given order, without those that are None."""
    encoded = b""
    for number, value in values.items():
        if value is None:
            continue
        if isinstance(value, bytes):
            payload = value
        elif isinstance(value, str):
            payload = value.encode(errors="surrogateescape") + b"\0"
        elif isinstance(value, tuple):
            payload = pack(table[number], *value)
        else:
            payload = pack(table[number], value)
        length = ATTRIBUTE_HEADER_SIZE + len(payload)
        encoded += pack("HH", length, number) + payload + bytes(-length & 3)
    return encoded


def decode(message: "Message", payload: bytes) -> tuple[tuple[int, ...], Attributes]:
    """Decode the header's fields and the attributes."""
    header = message[0]
    return unpack_from(header, payload), Attributes(message[1], payload, calcsize(header))


def _finish_apart(socket: int, data: bytes, begun: int, kept: set[int]) -> None:
    """Be the other process of `begin_apart`: a runtime waits until its pipes are closed."""
    try:
        low = 0
        for descriptor in sorted(kept):
            posix.closerange(low, descriptor)
            low = descriptor + 1
        posix.closerange(low, MOST_DESCRIPTORS)
        posix.write(begun, b"1")
        posix.close(begun)
        posix.write(socket, data)
    finally:
        posix._exit(0)


def _messages(data: bytes) -> "list[tuple[int, int, int, int, bytes]]":
    """Return kind, flags, sequence, port and payload of each message in a datagram."""
    messages = []
    offset = 0
    while offset < len(data):
        length, kind, flags, sequence, port = unpack_header(data, offset)
        messages.append((kind, flags, sequence, port, data[offset + HEADER_SIZE : offset + length]))
        offset += length + 3 & ~3
    return messages


def failure(
    request: Request, flags: int, payload: bytes, echoed: int = HEADER_SIZE
) -> "KernelError | None":
    """Return the error in NLMSG_ERROR or NLMSG_DONE, or None; `echoed` bytes precede its extack."""
    (number,) = unpack_from(ERROR[0], payload)
    if not number:
        return None
    extack = ""
    if flags & NLM_F_ACK_TLVS:
        extack = Attributes(ERROR[1], payload, calcsize(ERROR[0]) + echoed).text(NLMSGERR_ATTR_MSG)
    return KernelError(-number, request, extack)
