"""What a host does about its blocks: decided from what it sees, without store, ledger or clock."""

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from cni_bridge.address import Prefix, parse_prefix
from cni_bridge.cluster import member
from cni_bridge.cluster.member import Decision
from cni_bridge.cluster.model import View
from cni_bridge.lean.record import replace
from cni_bridge.ledger.block_leases import Leased
from tests.unit.cluster import views

SMALL = {"10.64.0.0/24": 26}  # four blocks
FIRST, SECOND, THIRD, FOURTH = (parse_prefix(f"10.64.0.{each}/26") for each in (0, 64, 128, 192))
ME, OTHER = views.host(1, "192.0.2.1"), views.host(2, "192.0.2.2")
SETTINGS = views.settings(pools=SMALL)


def row(subnet: Prefix, used: int = 0, boot_id: str = "boot") -> Leased:
    """Return a block in the ledger."""
    return Leased(subnet=subnet, boot_id=boot_id, until=1, mtu=1500, used=used, size=61)


def view(blocks: dict[Prefix, int], members: tuple[int, ...] = (1, 2)) -> View:
    """Whose the blocks are, by number."""
    texts = {f"10.64.0.{each.ip[3]}/26": number for each, number in blocks.items()}
    return views.view([ME, OTHER], texts, members)


def decide(seen: View, *rows: Leased, ripe: frozenset[str] = frozenset()) -> Decision:
    """Return what host 1 does."""
    return member.decide(ME, seen, rows, SETTINGS, ripe=ripe, random=Random(1))


def test_a_new_host_leases_a_block_that_nobody_has() -> None:
    (claim,) = decide(view({FIRST: 2, SECOND: 2, THIRD: 2})).claims
    assert (claim.subnet, claim.seen) == (FOURTH, None)


def test_a_block_with_a_malformed_record_is_not_leased() -> None:
    seen = replace(view({FIRST: 2, SECOND: 2, THIRD: 2}), malformed={"blocks/x": FOURTH})
    decision = decide(seen)
    assert (decision.claims, len(decision.exhausted)) == ((), 1)


def test_a_block_in_use_whose_record_is_malformed_is_not_leased_again() -> None:
    seen = replace(view({SECOND: 1}), malformed={"blocks/x": FIRST})
    decision = decide(seen, row(FIRST, used=3), row(SECOND, used=3))
    assert (decision.claims, decision.kept, decision.lost) == ((), (SECOND,), ())


def test_a_block_of_another_size_that_the_store_has_as_this_hosts_is_not_used() -> None:
    whole = parse_prefix("10.64.0.0/24")
    seen = views.view([ME, OTHER], {"10.64.0.0/24": 1, "10.64.0.0/26": 1}, (1, 2))
    assert whole in seen.blocks
    decision = decide(seen, row(FIRST))
    assert (decision.kept, decision.claims) == ((FIRST,), ())


def test_a_host_with_enough_free_addresses_keeps_what_it_has() -> None:
    decision = decide(view({FIRST: 1}), row(FIRST, used=45))
    assert (decision.kept, decision.claims, decision.surplus) == ((FIRST,), (), ())


def test_one_more_block_is_leased_before_the_addresses_are_gone() -> None:
    (claim,) = decide(view({FIRST: 1}), row(FIRST, used=46)).claims
    assert claim.subnet != FIRST


def test_an_empty_block_is_given_back_when_its_going_leaves_enough() -> None:
    decision = decide(view({FIRST: 1, SECOND: 1}), row(FIRST, used=1), row(SECOND))
    assert [each.subnet for each in decision.surplus] == [SECOND]


def test_an_empty_block_is_kept_where_it_would_soon_be_leased_again() -> None:
    decision = decide(view({FIRST: 1, SECOND: 1}), row(FIRST, used=30), row(SECOND))
    assert decision.surplus == ()


def test_a_block_that_the_ledger_does_not_know_is_leased_anew_before_it_is_used() -> None:
    decision = decide(view({FIRST: 1}))
    assert [(each.subnet, each.seen) for each in decision.claims] == [
        (FIRST, view({FIRST: 1}).blocks[FIRST])
    ]
    assert decision.kept == ()


def test_so_is_a_block_of_an_earlier_boot() -> None:
    seen = view({FIRST: 1})
    earlier = replace(
        seen, blocks={FIRST: replace(seen.blocks[FIRST], boot_id="before")}, revision=2
    )
    decision = decide(earlier, row(FIRST, boot_id="before"))
    assert ([each.subnet for each in decision.claims], decision.kept) == ([FIRST], ())


def test_a_block_in_use_that_the_store_has_forgotten_is_leased_again() -> None:
    decision = decide(view({}), row(FIRST, used=1))
    assert (decision.claims[0].subnet, decision.claims[0].seen, decision.lost) == (FIRST, None, ())


def test_a_block_in_use_that_another_host_has_is_lost() -> None:
    decision = decide(view({FIRST: 2}), row(FIRST, used=1))
    assert decision.lost == (FIRST,)
    assert FIRST not in [each.subnet for each in decision.claims]


def test_an_empty_block_that_another_host_has_is_forgotten() -> None:
    assert decide(view({FIRST: 2}), row(FIRST)).stale == (FIRST,)


def test_so_is_an_empty_block_of_an_earlier_boot_where_the_ledger_outlives_boots() -> None:
    assert decide(view({FIRST: 2}), row(FIRST, boot_id="before")).stale == (FIRST,)


def test_nobody_s_block_is_taken_while_he_may_come_back() -> None:
    full = view({FIRST: 2, SECOND: 2, THIRD: 2, FOURTH: 2}, members=(1,))
    decision = decide(full)
    assert (decision.claims, len(decision.exhausted)) == ((), 1)


def test_a_lost_host_s_block_is_taken_when_there_is_no_other() -> None:
    full = view({FIRST: 2, SECOND: 2, THIRD: 2, FOURTH: 2}, members=(1,))
    (claim,) = decide(full, ripe=frozenset({OTHER.id})).claims
    assert claim.seen == full.blocks[claim.subnet]
    some = view({FIRST: 2, SECOND: 2, THIRD: 2}, members=(1,))
    (claim,) = decide(some, ripe=frozenset({OTHER.id})).claims
    assert claim.subnet == FOURTH


def test_without_pools_nothing_is_leased() -> None:
    """Where each host is told its blocks."""
    settings = views.settings(pools={})
    decision = member.decide(
        ME, view({FIRST: 1}), [row(FIRST, used=61)], settings, ripe=(), random=Random(1)
    )
    assert (decision.claims, decision.kept) == ((), (FIRST,))


def test_an_absence_begins_when_it_is_seen_and_ends_with_a_membership() -> None:
    seen = view({FIRST: 2}, members=(1,))
    absent = member.absences(seen, {}, 10.0)
    assert absent == {OTHER.id: 10.0}
    assert member.absences(seen, absent, 20.0) == absent
    assert member.ripe(absent, 10, 19.9) == frozenset()
    assert member.ripe(absent, 10, 20.0) == {OTHER.id}
    assert member.absences(view({FIRST: 2}), absent, 30.0) == {}


@given(
    owners=st.dictionaries(
        st.sampled_from([FIRST, SECOND, THIRD, FOURTH]), st.sampled_from([1, 2])
    ),
    used=st.dictionaries(st.sampled_from([FIRST, SECOND, THIRD, FOURTH]), st.integers(0, 61)),
    seed=st.integers(0, 9),
)
def test_what_is_published_or_leased_is_never_another_member_s(
    owners: dict[Prefix, int], used: dict[Prefix, int], seed: int
) -> None:
    rows = [row(subnet, count) for subnet, count in used.items()]
    found = member.decide(
        ME, view(owners), rows, SETTINGS, ripe=frozenset({"x"}), random=Random(seed)
    )
    touched = {*found.kept, *(each.subnet for each in found.claims)}
    assert not [each for each in touched if owners.get(each) == 2]
    assert not {each.subnet for each in found.surplus} & {s for s, count in used.items() if count}
