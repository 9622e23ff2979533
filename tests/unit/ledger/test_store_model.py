"""The ledger against a plain model: whatever is asked in whatever order, both say the same."""

from collections.abc import Iterator
from itertools import count

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cni_bridge import address, errors
from cni_bridge.ledger.store import Ledger
from cni_bridge.model import RangeSet
from tests.unit.ledger.wishes import attachment, claim, free, one_set, quick, range_of

POOLS = st.sampled_from(
    [
        one_set("10.1.0.0/29"),
        ((range_of("10.1.1.0/29"), range_of("10.1.0.0/29", "10.1.0.3", "10.1.0.5")),),
        ((range_of("10.1.0.0/28", "10.1.0.2", "10.1.0.4", "10.1.0.3"),),),
        ((range_of("fd00::/126"), range_of("fd00::8/125")), ((range_of("10.1.0.0/29")),)),
    ]
)
WISHES = st.lists(
    st.one_of(
        st.tuples(st.just("claim"), st.integers(0, 11), st.none()),
        st.tuples(st.just("claim"), st.integers(0, 11), st.integers(0, 6)),
        st.tuples(st.just("release"), st.integers(0, 11), st.none()),
    ),
    max_size=40,
)
NETWORKS = count()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ledger]:
    ledger = quick(tmp_path_factory.mktemp("shared"))
    yield ledger
    ledger.close()


class Model:
    """What the ledger should do, address by address."""

    def __init__(self, pool: tuple[RangeSet, ...]) -> None:
        self.orders = [
            [
                ip
                for each in range_set
                for n in range(address.number(each.start), address.number(each.end) + 1)
                if (ip := n.to_bytes(len(each.start), "big"))
                not in [other.gateway for other in range_set]
            ]
            for range_set in pool
        ]
        self.held: dict[str, list[bytes]] = {}
        self.last: list[bytes | None] = [None for _ in pool]
        self.freed: list[bytes] = []  # all in the last seconds, the first one first

    def release(self, who: str) -> None:
        for ip in self.held.pop(who, []):
            self.freed = [*(other for other in self.freed if other != ip), ip]

    def claim(self, who: str, requested: bytes | None) -> list[bytes] | type[errors.CniError]:
        if who in self.held:
            return errors.AttachmentExists
        taken = {ip for ips in self.held.values() for ip in ips}
        chosen = []
        for order, last in zip(self.orders, self.last, strict=True):
            at = order.index(last) + 1 if last else 0
            turns = [ip for ip in order[at:] + order[:at] if ip not in taken]
            if requested in order:
                if requested in taken:
                    return errors.AddressInUse
                turns = [requested]
            if not turns:
                return errors.RangeExhausted
            rested = [ip for ip in turns if ip not in self.freed or ip == requested]
            chosen.append((rested or [ip for ip in self.freed if ip in turns])[0])
        self.held[who] = chosen
        self.last = list(chosen)
        return chosen


@settings(deadline=None)  # files on a busy disk
@given(POOLS, WISHES)
def test_the_ledger_gives_what_a_plain_model_gives(
    shared: Ledger,
    pool: tuple[RangeSet, ...],
    wishes: list[tuple[str, int, int | None]],
) -> None:
    network, model = f"net{next(NETWORKS)}", Model(pool)
    for verb, number, wish in wishes:
        who = attachment(str(number), network)
        if verb == "release":
            shared.release(who)
            model.release(who.container)
            continue
        order = model.orders[0]
        requested = None if wish is None else order[wish % len(order)]
        want = model.claim(who.container, requested)
        wanted = () if requested is None else (address.text(requested),)
        if isinstance(want, list):
            assert [it.address.ip for it in claim(shared, who, pool, wanted).leases] == want
        else:
            with pytest.raises(want):
                claim(shared, who, pool, wanted)
    assert {
        it.attachment.container: [lease.address.ip for lease in it.leases]
        for it in shared.holdings(network)
    } == model.held
    for range_set, order in zip(pool, model.orders, strict=True):
        held = {ip for ips in model.held.values() for ip in ips}
        assert free(shared, network, range_set) == len(set(order) - held)
