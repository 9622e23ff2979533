"""Ranges: host-local's defaults and words, and the order in which addresses are tried."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cni_bridge import address, errors
from cni_bridge.ledger import ranges
from cni_bridge.model import Lease, RangeSet
from tests.unit.ledger.wishes import one_set, range_of


def texts(range_set: RangeSet, last: str | None = None) -> list[str]:
    """Return the addresses of a sweep, one by one."""
    width = len(range_set[0].start)
    return [
        address.text(number.to_bytes(width, "big"))
        for low, high in ranges.sweep(range_set, address.parse(last) if last else None)
        for number in range(low, high + 1)
    ]


# ---------------------------------------------------------------- one range


@pytest.mark.parametrize(
    ("subnet", "first", "last", "gateway"),
    [
        ("10.1.2.0/24", "10.1.2.1", "10.1.2.254", "10.1.2.1"),
        ("10.1.2.4/30", "10.1.2.5", "10.1.2.6", "10.1.2.5"),
        ("fd00::/120", "fd00::1", "fd00::ff", "fd00::1"),
        ("fd00::/64", "fd00::1", "fd00::ffff:ffff:ffff:ffff", "fd00::1"),
    ],
)
def test_a_subnet_alone_is_enough(subnet: str, first: str, last: str, gateway: str) -> None:
    made = range_of(subnet)
    assert ranges.range_text(made) == f"{first}-{last}"
    assert address.text(made.gateway) == gateway
    assert address.prefix_text(made.subnet) == subnet


def test_start_end_and_gateway_are_taken_as_given() -> None:
    made = range_of("10.1.2.0/24", "10.1.2.10", "10.1.2.20", "10.1.2.9")
    assert ranges.range_text(made) == "10.1.2.10-10.1.2.20"
    assert address.text(made.gateway) == "10.1.2.9"


def test_a_link_local_gateway_is_outside_of_every_subnet() -> None:
    made = range_of("fd00:1::/64", None, None, "fe80::1")
    assert address.text(made.gateway) == "fe80::1"


def test_the_gateway_is_the_first_address_even_outside_of_the_range() -> None:
    assert address.text(range_of("10.1.2.0/24", "10.1.2.10").gateway) == "10.1.2.1"


def test_network_and_broadcast_address_can_be_asked_for() -> None:
    made = range_of("10.1.2.0/24", "10.1.2.0", "10.1.2.255")
    assert ranges.range_text(made) == "10.1.2.0-10.1.2.255"


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["10.0.0.0/24", None, None, "10.0.1.1"], "gateway 10.0.1.1 not in network 10.0.0.0/24"),
        (["fd00::/64", None, None, "fd00:1::1"], "gateway fd00:1::1 not in network fd00::/64"),
        (["10.0.0.0/24", None, None, "fe80::1"], "gateway fe80::1 not in network 10.0.0.0/24"),
        (["10.0.0.0/31"], "Network 10.0.0.0/31 too small to allocate from"),
        (["fd00::/127"], "Network fd00::/127 too small to allocate from"),
        (
            ["10.1.2.3/24"],
            "Network has host bits set. For a subnet mask of length 24 "
            "the network address is 10.1.2.0",
        ),
        (["10.1.2.0/24", "10.1.3.1"], "RangeStart 10.1.3.1 not in network 10.1.2.0/24"),
        (["10.1.2.0/24", "fd00::1"], "RangeStart fd00::1 not in network 10.1.2.0/24"),
        (["10.1.2.0/24", "10.1.2.9", "10.1.2.8"], "RangeStart 10.1.2.9 not in network 10.1.2.0/24"),
        (["10.1.2.0/24", "10.1.2.255"], "RangeStart 10.1.2.255 not in network 10.1.2.0/24"),
        (["10.1.2.0/24", "", "10.1.3.1"], "RangeEnd 10.1.3.1 not in network 10.1.2.0/24"),
        (["10.1.2.0/24", "", "10.1.2.0"], "RangeEnd 10.1.2.0 not in network 10.1.2.0/24"),
    ],
)
def test_an_impossible_range_is_refused_in_the_words_of_host_local(
    args: list[str], words: str
) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the whole text is compared
        range_of(*args)
    assert str(caught.value) == words


# ---------------------------------------------------------------- sets


A, B = range_of("10.0.0.0/24"), range_of("10.0.1.0/24")
A_LOW = range_of("10.0.0.0/24", "10.0.0.1", "10.0.0.99")
A_HIGH = range_of("10.0.0.0/24", "10.0.0.100", "10.0.0.200")
SIX = range_of("fd00::/64")


def test_disjoint_ranges_of_one_subnet_are_fine_in_one_set_and_in_two() -> None:
    ranges.check_sets(((A_LOW, A_HIGH, B), (SIX,)))
    ranges.check_sets(((A_LOW,), (A_HIGH,)))


@pytest.mark.parametrize(
    ("range_sets", "words"),
    [
        ((), "no IP ranges specified"),
        (((),), "invalid range set 0: empty range set"),
        (((A,), (B, SIX)), "invalid range set 1: mixed address families"),
        (
            ((A, A_HIGH),),
            "invalid range set 0: subnets 10.0.0.1-10.0.0.254 and 10.0.0.100-10.0.0.200 overlap",
        ),
        (
            ((A_HIGH, B, A),),
            "invalid range set 0: subnets 10.0.0.100-10.0.0.200 and 10.0.0.1-10.0.0.254 overlap",
        ),
        (((A_LOW,), (SIX,), (B, A)), "range set 0 overlaps with 2"),
    ],
)
def test_impossible_sets_are_refused_in_the_words_of_host_local(
    range_sets: tuple[RangeSet, ...], words: str
) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the whole text is compared
        ranges.check_sets(range_sets)
    assert str(caught.value) == words


def test_a_lease_has_the_prefix_length_and_gateway_of_the_range_that_holds_it() -> None:
    lease = ranges.lease((A, B), address.parse("10.0.1.7"))
    assert lease == Lease(
        address=address.parse_prefix("10.0.1.7/24"), gateway=address.parse("10.0.1.1")
    )


# ---------------------------------------------------------------- requested addresses


def assigned(range_sets: tuple[RangeSet, ...], *requested: str) -> list[str | None]:
    chosen = ranges.assign(range_sets, tuple(map(address.parse, requested)))
    return [address.text(ip) if ip else None for ip in chosen]


def test_a_requested_address_goes_to_the_set_that_holds_it() -> None:
    assert assigned(((A,), (SIX,)), "fd00::7") == [None, "fd00::7"]
    assert assigned(((A,), (SIX,)), "fd00::7", "10.0.0.9") == ["10.0.0.9", "fd00::7"]
    assert assigned(((A,), (SIX,))) == [None, None]


def test_an_address_requested_twice_is_one_request() -> None:
    assert assigned(((A,),), "10.0.0.9", "10.0.0.9") == ["10.0.0.9"]


@pytest.mark.parametrize(
    ("range_sets", "requested", "unmet"),
    [
        (((A,),), ["10.7.7.7"], "10.7.7.7"),
        (((A,),), ["10.0.0.8", "10.0.0.9", "10.7.7.7"], "10.0.0.9 10.7.7.7"),
        ((), ["10.0.0.8"], "10.0.0.8"),
        (one_set("10.0.0.0/24", "10.0.0.10"), ["10.0.0.1"], "10.0.0.1"),
    ],
)
def test_a_requested_address_without_a_set_is_refused(
    range_sets: tuple[RangeSet, ...], requested: list[str], unmet: str
) -> None:
    with pytest.raises(errors.InvalidConfig) as caught:
        assigned(range_sets, *requested)
    assert caught.value.msg == f"failed to allocate all requested IPs: {unmet}"
    assert (ranges.set_text(range_sets[0]) if range_sets else "none") in caught.value.details


def test_a_requested_gateway_is_refused() -> None:
    with pytest.raises(errors.InvalidConfig) as caught:
        assigned(((A,),), "10.0.0.1")
    assert caught.value.msg == "requested ip 10.0.0.1 is subnet's gateway"


# ---------------------------------------------------------------- the order of addresses


def test_a_sweep_begins_after_the_last_address_and_ends_with_it() -> None:
    (pool,) = one_set("10.0.0.0/29")  # .1 is the gateway
    assert texts(pool) == [f"10.0.0.{n}" for n in (2, 3, 4, 5, 6)]
    assert texts(pool, "10.0.0.4") == [f"10.0.0.{n}" for n in (5, 6, 2, 3, 4)]
    assert texts(pool, "10.0.0.6") == [f"10.0.0.{n}" for n in (2, 3, 4, 5, 6)]


def test_a_sweep_goes_through_the_ranges_in_the_order_of_the_config() -> None:
    pool = (range_of("10.0.1.0/29"), range_of("10.0.0.0/30"))
    assert texts(pool, "10.0.1.5") == [
        "10.0.1.6", "10.0.0.2", "10.0.1.2", "10.0.1.3", "10.0.1.4", "10.0.1.5"
    ]  # fmt: skip


def test_a_last_address_that_no_range_holds_any_more_is_ignored() -> None:
    (pool,) = one_set("10.0.0.0/29")
    assert texts(pool, "10.9.9.9") == texts(pool, "fd00::1") == texts(pool)


def test_a_last_address_that_became_the_gateway_still_says_where_to_go_on() -> None:
    (pool,) = one_set("10.0.0.0/29", "10.0.0.1", "10.0.0.6", "10.0.0.4")
    assert texts(pool, "10.0.0.4") == [f"10.0.0.{n}" for n in (5, 6, 1, 2, 3)]


def test_every_gateway_of_the_set_is_skipped_in_all_of_its_ranges() -> None:
    pool = (
        range_of("10.0.0.0/24", "10.0.0.10", "10.0.0.12", "10.0.0.21"),
        range_of("10.0.0.0/24", "10.0.0.20", "10.0.0.22", "10.0.0.12"),
    )
    assert texts(pool) == [f"10.0.0.{n}" for n in (10, 11, 20, 22)]
    assert ranges.size(pool) == 4


@pytest.mark.parametrize(
    ("subnet", "count"), [("10.0.0.0/24", 253), ("10.0.0.0/30", 1), ("fd00::/64", 2**64 - 2)]
)
def test_the_size_counts_what_can_be_leased(subnet: str, count: int) -> None:
    assert ranges.size(one_set(subnet)[0]) == count


def test_a_range_of_nothing_but_its_gateway_is_empty() -> None:
    (pool,) = one_set("10.0.0.0/24", "10.0.0.1", "10.0.0.1")
    assert ranges.size(pool) == 0
    assert ranges.first_free(ranges.sweep(pool), lambda low, high: 0) is None


# ---------------------------------------------------------------- the first free address


SPANS = st.lists(
    st.tuples(st.integers(0, 60), st.integers(0, 30)).map(lambda it: (it[0], it[0] + it[1])),
    max_size=3,
)


@given(SPANS, st.sets(st.integers(0, 90)))
def test_the_first_free_address_is_the_one_that_a_plain_search_finds(
    spans: list[tuple[int, int]], held: set[int]
) -> None:
    want = next((n for low, high in spans for n in range(low, high + 1) if n not in held), None)
    have = ranges.first_free(spans, lambda low, high: len(held & set(range(low, high + 1))))
    assert have == want


def test_a_long_run_of_taken_addresses_costs_few_questions() -> None:
    asked = []

    def taken(low: int, high: int) -> int:
        asked.append((low, high))
        return min(high + 1, 60_000) - min(low, 60_000)

    assert ranges.first_free([(0, 2**64)], taken) == 60_000
    assert len(asked) < 50
