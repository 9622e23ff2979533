"""The ledger: who gets which address, and what everybody else is told."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from cni_bridge import address, errors
from cni_bridge.lean.record import replace
from cni_bridge.ledger.store import Ledger
from cni_bridge.model import Holding, RangeSet
from tests.unit.ledger.wishes import (
    BOOT_ID,
    NETNS,
    NOW_MS,
    addresses,
    attachment,
    claim,
    free,
    one_set,
    quick,
    range_of,
)

POOL = one_set("10.1.0.0/24")
SMALL = one_set("10.1.0.0/29")  # five addresses beside the gateway
DUAL = (*SMALL, *one_set("fd00::/64"))


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    ledger = quick(tmp_path)
    yield ledger
    ledger.close()


def leased(ledger: Ledger, who: str, pool: tuple[RangeSet, ...], *requested: str) -> str:
    return " ".join(addresses(claim(ledger, who, pool, requested)))


# ---------------------------------------------------------------- what is recorded


def test_a_claim_is_found_with_everything_that_was_recorded(ledger: Ledger) -> None:
    made = claim(ledger, "web", DUAL)
    assert made == Holding(
        attachment=attachment("web"),
        host_name="veth-net-web-eth0",
        netns=NETNS,
        boot_id=BOOT_ID,
        created=NOW_MS,
        pid=4711,
        is_confirmed=False,
        leases=made.leases,
    )
    assert [(address.prefix_text(it.address), it.gateway) for it in made.leases] == [
        ("10.1.0.2/29", address.parse("10.1.0.1")),
        ("fd00::2/64", address.parse("fd00::1")),
    ]
    assert ledger.find(made.attachment) == made


def test_a_confirmed_claim_says_so(ledger: Ledger) -> None:
    made = claim(ledger, "web", POOL)
    ledger.confirm(made)
    assert ledger.find(made.attachment) == replace(made, is_confirmed=True)


def test_an_attachment_without_addresses_is_recorded_too(ledger: Ledger) -> None:
    made = claim(ledger, "web")
    assert made.leases == ()
    assert ledger.find(made.attachment) == made


def test_leases_come_back_in_the_order_of_the_range_sets(ledger: Ledger) -> None:
    made = claim(ledger, "web", DUAL[::-1])
    assert addresses(made) == ["fd00::2", "10.1.0.2"]
    assert ledger.find(made.attachment) == made


def test_holdings_are_those_of_one_network_or_all(ledger: Ledger) -> None:
    for network, container in (("b", "y"), ("a", "x"), ("a", "w")):
        claim(ledger, attachment(container, network), DUAL)
    keys = [(it.attachment.network, it.attachment.container) for it in ledger.holdings()]
    assert keys == [("a", "w"), ("a", "x"), ("b", "y")]
    assert [it.attachment.container for it in ledger.holdings("a")] == ["w", "x"]
    assert ledger.holdings("none") == ()


# ---------------------------------------------------------------- which address


def test_a_freed_address_rests_until_all_others_had_their_turn(ledger: Ledger) -> None:
    claim(ledger, "a", SMALL)
    ledger.release(attachment("a"))
    turns = [leased(ledger, who, SMALL) for who in "bcdef"]
    assert turns == [f"10.1.0.{n}" for n in (3, 4, 5, 6, 2)]


def test_an_address_freed_a_moment_ago_rests_while_there_is_another(ledger: Ledger) -> None:
    for who in "abcde":  # 2 to 6
        claim(ledger, who, SMALL)
    for who in "da":
        ledger.release(attachment(who))
    assert leased(ledger, "f", SMALL) == "10.1.0.5"  # it was freed first, though it is 2's turn
    ledger.release(attachment("b"))
    ledger.database.change("update resting set freed = freed - 31000 where address = x'0a010003'")
    assert leased(ledger, "g", SMALL) == "10.1.0.3"  # it has rested
    assert leased(ledger, "h", SMALL, "10.1.0.2") == "10.1.0.2"  # whoever asks for it gets it


def test_what_has_rested_is_forgotten(ledger: Ledger) -> None:
    for who in "abc":
        claim(ledger, who, DUAL)
        ledger.release(attachment(who))
    assert ledger.database.select("select count(*) from resting") == [(6,)]
    ledger.database.change("update resting set freed = freed - 31000")
    claim(ledger, "d", DUAL)
    ledger.release(attachment("d"))
    assert ledger.database.select("select count(*) from resting") == [(2,)]


def test_the_round_robin_goes_on_after_a_requested_address(ledger: Ledger) -> None:
    assert leased(ledger, "a", SMALL, "10.1.0.5") == "10.1.0.5"
    assert leased(ledger, "b", SMALL) == "10.1.0.6"


def test_a_requested_address_replaces_the_round_robin_in_its_own_set_only(ledger: Ledger) -> None:
    assert leased(ledger, "a", DUAL, "fd00::7") == "10.1.0.2 fd00::7"


def test_two_networks_may_lease_the_same_address(ledger: Ledger) -> None:
    assert addresses(claim(ledger, attachment("a", "one"), POOL)) == ["10.1.0.2"]
    assert addresses(claim(ledger, attachment("a", "two"), POOL)) == ["10.1.0.2"]


def test_an_ipv6_address_that_sorts_between_ipv4_addresses_takes_none_of_them(
    ledger: Ledger,
) -> None:
    leased(ledger, "six", one_set("2001:db8::/64"), "2001:db8::7")
    assert leased(ledger, "four", one_set("32.1.13.176/28"), "32.1.13.183") == "32.1.13.183"
    assert leased(ledger, "next", one_set("32.1.13.176/28")) == "32.1.13.184"


def test_a_set_goes_on_in_its_next_range(ledger: Ledger) -> None:
    pool = ((range_of("10.1.0.0/30"), range_of("10.1.1.0/30")),)
    made = [claim(ledger, who, pool) for who in "ab"]
    assert [address.text(it.leases[0].gateway or b"") for it in made] == ["10.1.0.1", "10.1.1.1"]


def test_a_crowded_ipv6_network_is_not_searched_address_by_address(ledger: Ledger) -> None:
    pool = one_set("fd00::/64")
    leased(ledger, "last", pool, "fd00::ffff:ffff:ffff:ffff")
    assert [leased(ledger, str(n), pool) for n in range(3)] == ["fd00::2", "fd00::3", "fd00::4"]
    assert free(ledger, "net", pool[0]) == 2**64 - 2 - 4


def test_free_counts_what_is_left_of_this_set_on_this_network(ledger: Ledger) -> None:
    assert free(ledger, "net", SMALL[0]) == 5
    claim(ledger, "a", SMALL)
    claim(ledger, attachment("b", "other"), SMALL)
    claim(ledger, "c", one_set("10.9.0.0/24"))
    assert free(ledger, "net", SMALL[0]) == 4


def test_an_address_that_became_the_gateway_is_not_counted_twice(ledger: Ledger) -> None:
    leased(ledger, "a", SMALL, "10.1.0.4")
    now = one_set("10.1.0.0/29", "10.1.0.1", "10.1.0.6", "10.1.0.4")
    assert free(ledger, "net", now[0]) == 5


# ---------------------------------------------------------------- what is refused


def refusal(kind: type[errors.CniError], ledger: Ledger, *args: object) -> errors.CniError:
    """Return the error of a claim that must change nothing."""
    before = ledger.holdings()
    with pytest.raises(kind) as caught:
        claim(ledger, *args)  # type: ignore[arg-type]  # each caller passes what claim takes
    assert ledger.holdings() == before
    return caught.value


def test_a_second_add_is_told_about_the_first(ledger: Ledger) -> None:
    claim(ledger, "web", POOL)
    error = refusal(errors.AttachmentExists, ledger, "web", POOL)
    assert error.msg == (
        "interface eth0 of container web on network net exists already, "
        "duplicate allocation is not allowed"
    )
    assert error.details == (
        "Since 2023-11-14T22:13:20Z, host end veth-net-web-eth0, addresses: 10.1.0.2/24. "
        "Send DEL for it first."
    )


def test_a_second_interface_is_another_attachment(ledger: Ledger) -> None:
    claim(ledger, "web", POOL)
    claim(ledger, attachment("web", ifname="eth1"), POOL)
    assert len(ledger.holdings()) == 2


def test_a_host_name_belongs_to_one_attachment(ledger: Ledger) -> None:
    claim(ledger, "web", host_name="veth1")
    error = refusal(errors.NameTaken, ledger, "db", (), (), "veth1")
    assert "veth1 is that of interface eth0 of container web on network net" in error.msg
    assert "addresses: none" in error.details


def test_a_requested_address_that_is_held_names_its_holder(ledger: Ledger) -> None:
    leased(ledger, "web", POOL, "10.1.0.9")
    error = refusal(errors.AddressInUse, ledger, "db", POOL, ("10.1.0.9",))
    assert error.msg == (
        "requested IP address 10.1.0.9 is not available in range set 10.1.0.1-10.1.0.254"
    )
    assert error.details.startswith(
        "It is held by interface eth0 of container web on network net. Since 2023-11-14T22:13:20Z,"
    )


def test_a_requested_gateway_is_refused(ledger: Ledger) -> None:
    error = refusal(errors.InvalidConfig, ledger, "web", POOL, ("10.1.0.1",))
    assert error.msg == "requested ip 10.1.0.1 is subnet's gateway"


def test_a_requested_address_of_no_set_is_refused(ledger: Ledger) -> None:
    error = refusal(errors.InvalidConfig, ledger, "web", POOL, ("10.7.7.7",))
    assert error.msg == "failed to allocate all requested IPs: 10.7.7.7"


def test_a_full_range_set_says_how_many_leases_each_range_has(ledger: Ledger) -> None:
    pool = ((range_of("10.1.0.0/30"), range_of("10.1.1.0/29", "10.1.1.2", "10.1.1.3")),)
    for who in "abc":
        claim(ledger, who, pool)
    error = refusal(errors.RangeExhausted, ledger, "d", pool)
    assert error.msg == (
        "failed to allocate for range 0: no IP addresses available in range set: "
        "10.1.0.1-10.1.0.2,10.1.1.2-10.1.1.3"
    )
    assert error.details.startswith(
        "10.1.0.1-10.1.0.2: 1 leased; 10.1.1.2-10.1.1.3: 2 leased. Delete containers of network net"
    )


def test_when_the_second_set_is_full_the_first_gives_nothing_and_moves_not(ledger: Ledger) -> None:
    full = one_set("10.9.0.0/30")
    claim(ledger, "a", (*SMALL, *full))
    error = refusal(errors.RangeExhausted, ledger, "b", (*SMALL, *full))
    assert "for range 1:" in error.msg
    assert leased(ledger, "c", SMALL) == "10.1.0.3"


def test_a_confirm_that_a_del_has_overtaken_fails(ledger: Ledger) -> None:
    made = claim(ledger, "web", POOL)
    ledger.release(made.attachment)
    with pytest.raises(errors.TryAgainLater, match=r"container web .* was deleted while"):
        ledger.confirm(made)


def test_a_confirm_does_not_take_the_claim_of_a_later_add_for_its_own(ledger: Ledger) -> None:
    early = claim(ledger, "web", POOL)
    ledger.release(early.attachment)
    claim(ledger, "web", POOL)
    with pytest.raises(errors.TryAgainLater):
        ledger.confirm(replace(early, pid=early.pid + 1))


def test_a_release_is_of_one_attachment_and_can_be_repeated(ledger: Ledger) -> None:
    claim(ledger, "web", DUAL)
    kept = claim(ledger, attachment("web", ifname="eth1"), DUAL)
    for _ in range(2):
        ledger.release(attachment("web"))
    ledger.release(attachment("never"))
    assert ledger.holdings() == (kept,)
    assert free(ledger, "net", SMALL[0]) == 4
