"""pyroute2 reads in requests about tracked connections what was asked for; entries are understood."""

from collections.abc import Collection
from socket import AF_INET, AF_INET6
from typing import Any

import pytest

from cni_bridge.address import parse
from cni_bridge.kernel import conntrack
from cni_bridge.kernel.conntrack import Connection
from cni_bridge.kernel.netlink import Request
from tests.unit.kernel.oracle import connection, connection_in, nested

UDP = 17
DELETE = 1 << 8 | 2  # NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_DELETE
CONTAINER: dict[int, str] = {AF_INET: "10.88.0.2", AF_INET6: "fd00:88::2"}
CLIENT: dict[int, str] = {AF_INET: "192.0.2.7", AF_INET6: "2001:db8::7"}
HOST: dict[int, str] = {AF_INET: "192.0.2.1", AF_INET6: "2001:db8::1"}


def entry(family: int, port: int = 53) -> bytes:
    """Return a client's connection to a published port, as the kernel lists it."""
    return connection(
        ("CTA_TUPLE_ORIG", side(family, CLIENT[family], HOST[family], 4711, port)),
        ("CTA_TUPLE_REPLY", side(family, CONTAINER[family], CLIENT[family], 53, 4711)),
        nfgen_family=family,
    )


def side(family: int, source: str, destination: str, sport: int, dport: int) -> dict[str, Any]:
    version = "V6" if family == AF_INET6 else "V4"
    return nested(
        (
            "CTA_TUPLE_IP",
            nested((f"CTA_IP_{version}_SRC", source), (f"CTA_IP_{version}_DST", destination)),
        ),
        (
            "CTA_TUPLE_PROTO",
            nested(
                ("CTA_PROTO_NUM", UDP),
                ("CTA_PROTO_SRC_PORT", sport),
                ("CTA_PROTO_DST_PORT", dport),
            ),
        ),
    )


class Listing:
    """A socket that lists entries and takes requests."""

    def __init__(self, *entries: bytes) -> None:
        self.entries = entries
        self.listed: list[Request] = []
        self.done: list[Request] = []

    def stream(self, request: Request, _needles: Collection[bytes]) -> tuple[bytes, ...]:
        self.listed.append(request)
        return self.entries

    def attempt(self, *requests: Request) -> None:
        self.done += requests

    def run(self, *requests: Request) -> None:
        self.done += requests


def forget(socket: Listing, family: int, answerer: str, **wanted: Any) -> int:
    return conntrack.forget(
        socket,  # type: ignore[arg-type]  # all it needs
        family,
        lambda found: found.answerer == parse(answerer),
        **wanted,
    )


@pytest.mark.parametrize("family", [AF_INET, AF_INET6])
def test_an_entry_says_where_it_goes_and_who_answers(family: int) -> None:
    assert conntrack.parse(family, entry(family)) == Connection(
        protocol=UDP,
        source=parse(CLIENT[family]),
        destination=parse(HOST[family]),
        port=53,
        answerer=parse(CONTAINER[family]),
        answered=parse(CLIENT[family]),
    )


@pytest.mark.parametrize("family", [AF_INET, AF_INET6])
def test_only_stale_entries_are_deleted_by_their_tuple(family: int) -> None:
    socket = Listing(entry(family))
    assert forget(socket, family, HOST[family]) == 0
    assert forget(socket, family, CONTAINER[family]) == 1
    original = side(family, CLIENT[family], HOST[family], 4711, 53)
    (deletion,) = socket.done
    wanted = connection(("CTA_TUPLE_ORIG", original), nfgen_family=family)
    assert connection_in(deletion.body) == connection_in(wanted)
    assert deletion.kind == DELETE


@pytest.mark.parametrize(("port", "flags"), [(53, 8 | 32), (0, 8)])
def test_the_kernel_is_asked_for_udp_and_for_a_port_if_it_is_one(port: int, flags: int) -> None:
    socket = Listing()
    forget(socket, AF_INET, "10.88.0.2", udp_port=port, only_udp=True)
    values: list[tuple[str, Any]] = [("CTA_PROTO_NUM", UDP)]
    if port:
        values.append(("CTA_PROTO_DST_PORT", port))
    wanted = nested(("CTA_FILTER_ORIG_FLAGS", flags), ("CTA_FILTER_REPLY_FLAGS", 0))
    expected = connection(
        ("CTA_TUPLE_ORIG", nested(("CTA_TUPLE_PROTO", nested(*values)))),
        ("CTA_FILTER", wanted),
        nfgen_family=AF_INET,
    )
    assert connection_in(socket.listed[0].body) == connection_in(expected)


def test_the_kernel_deletes_what_an_ipv4_address_began_or_answers() -> None:
    socket = Listing()
    conntrack.forget_ipv4(socket, parse("10.88.0.2"))  # type: ignore[arg-type]  # all it needs
    by_source = nested(("CTA_TUPLE_IP", nested(("CTA_IP_V4_SRC", "10.88.0.2"))))
    for deletion, name, flags in zip(
        socket.done, ("CTA_TUPLE_ORIG", "CTA_TUPLE_REPLY"), ((1, 0), (0, 1)), strict=True
    ):
        original, reply = flags
        wanted = connection(
            (name, by_source),
            (
                "CTA_FILTER",
                nested(("CTA_FILTER_ORIG_FLAGS", original), ("CTA_FILTER_REPLY_FLAGS", reply)),
            ),
            nfgen_family=AF_INET,
        )
        assert connection_in(deletion.body) == connection_in(wanted)
        assert deletion.kind == DELETE
