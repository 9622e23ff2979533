"""What every store has to offer, asked of each driver: etcd is real, the API server is ours."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from cni_bridge.address import parse, parse_prefix
from cni_bridge.cluster.etcd import Etcd
from cni_bridge.cluster.kubernetes import Kubernetes
from cni_bridge.cluster.model import Host, Named, Pool, Settings, View
from cni_bridge.cluster.store import MembershipLost, OtherNetwork, Store, Unreachable
from cni_bridge.lean.record import replace
from tests.cluster.apiserver import kubeconfig, serving
from tests.cluster.sizing import store as real
from tests.lab import namespaces
from tests.lab.iproute import ip
from tests.unit.cluster import views

TTL = 2
FIRST, SECOND = parse_prefix("10.64.0.0/26"), parse_prefix("10.64.0.64/26")
POOLS = (Pool(subnet=parse_prefix("10.64.0.0/24"), length=26),)
OTHER_POOLS = (Pool(subnet=parse_prefix("10.64.0.0/24"), length=27),)
ONE, TWO = views.host(1, "192.0.2.1"), views.host(2, "192.0.2.2", "2001:db8::2")
Open = Callable[..., Store]


@contextmanager
def kubernetes(directory: Path) -> Iterator[Callable[[Settings], Store]]:
    """Yield an API server, and who opens a store on it."""
    with serving() as server:
        file = kubeconfig(server, directory)
        yield lambda settings: Kubernetes(replace(settings, kubeconfig=file))


@contextmanager
def etcd(_directory: Path) -> Iterator[Callable[[Settings], Store]]:
    """Yield a real etcd, and who opens a store on it."""
    with namespaces.private_host():
        ip("link", "set", "lo", "up")
        with real.etcd("/run") as endpoints:
            yield lambda settings: Etcd(replace(settings, endpoints=endpoints))


@pytest.fixture(scope="module", params=[etcd, kubernetes])
def driver(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[Settings], Store]]:
    """Each driver, on a store of its own."""
    with request.param(tmp_path_factory.mktemp("store")) as found:
        yield found


@pytest.fixture
def stores(driver: Callable[[Settings], Store], request: pytest.FixtureRequest) -> Iterator[Open]:
    """Open stores on a network of this test's own."""
    settings = replace(views.settings(), network=request.node.name[:60], pools=POOLS)
    with ExitStack() as opened:

        def make(pools: tuple[Pool, ...] = POOLS) -> Store:
            found = driver(replace(settings, pools=pools))
            opened.callback(found.close)
            return found

        yield make


def awaited(store: Store, view: View, condition: Callable[[View], bool]) -> View:
    """Return the view when it is so."""
    end = time.monotonic() + 15
    while not condition(view):
        assert time.monotonic() < end, view
        view = store.watch(view, 0.2)
    return view


def test_who_joins_is_seen_by_all(stores: Open) -> None:
    one, two = stores(), stores()
    view = two.view()
    assert view.hosts == {}
    membership = one.join(ONE, TTL)
    assert membership.host == ONE
    seen = awaited(two, view, lambda view: ONE.id in view.members)
    assert seen.hosts == {ONE.id: ONE} == one.view().hosts


def test_a_leased_block_is_one_host_s_alone(stores: Open) -> None:
    one, two = stores(), stores()
    mine, theirs = one.join(ONE, 60), two.join(TWO, 60)
    view = two.view()
    block = one.lease(mine, FIRST, None)
    assert block
    assert (block.subnet, block.host, block.boot_id) == (FIRST, ONE.id, ONE.boot_id)
    assert two.lease(theirs, FIRST, None) is None
    assert one.lease(mine, FIRST, None) == block  # whose answer was lost
    seen = awaited(two, view, lambda view: FIRST in view.blocks)
    assert seen.blocks[FIRST] == block


def test_a_released_block_can_be_leased_by_another(stores: Open) -> None:
    one, two = stores(), stores()
    mine, theirs = one.join(ONE, 60), two.join(TWO, 60)
    block = one.lease(mine, FIRST, None)
    assert block
    view = awaited(two, two.view(), lambda view: FIRST in view.blocks)
    one.release(mine, block)
    awaited(two, view, lambda view: FIRST not in view.blocks)
    found = two.lease(theirs, FIRST, None)
    assert found
    assert found.host == TWO.id
    one.release(mine, block)  # too late, and not ours any more
    assert two.view().blocks[FIRST] == found


def test_a_release_that_comes_late_does_not_free_what_was_leased_anew(stores: Open) -> None:
    one = stores()
    mine = one.join(ONE, 60)
    block = one.lease(mine, FIRST, None)
    assert block
    anew = one.lease(mine, FIRST, block)
    assert anew
    assert anew.revision > block.revision
    one.release(mine, block)
    assert one.view().blocks[FIRST] == anew


def test_a_membership_is_renewed(stores: Open) -> None:
    one = stores()
    membership = one.join(ONE, TTL)
    time.sleep(0.1)
    assert one.renew(membership).until > membership.until


def test_who_does_not_renew_is_no_member_but_stays_known_with_his_blocks(stores: Open) -> None:
    one, two = stores(), stores()
    mine, _ = one.join(ONE, TTL), two.join(TWO, 60)
    one.lease(mine, FIRST, None)
    view = awaited(two, two.view(), lambda view: ONE.id not in view.members)
    assert (view.hosts[ONE.id], view.blocks[FIRST].host) == (ONE, ONE.id)


def test_a_block_of_a_member_is_not_taken(stores: Open) -> None:
    one, two = stores(), stores()
    mine, theirs = one.join(ONE, 60), two.join(TWO, 60)
    block = one.lease(mine, FIRST, None)
    assert two.lease(theirs, FIRST, block) is None


def test_a_block_of_who_does_not_renew_is_taken_and_he_is_told(stores: Open) -> None:
    one, two = stores(), stores()
    mine, theirs = one.join(ONE, TTL), two.join(TWO, 60)
    block = one.lease(mine, FIRST, None)
    awaited(two, two.view(), lambda view: ONE.id not in view.members)
    found = two.lease(theirs, FIRST, block)
    assert found
    assert found.host == TWO.id
    with pytest.raises(MembershipLost):
        one.renew(mine)
    with pytest.raises(MembershipLost):
        one.lease(mine, SECOND, None)
    again = one.join(ONE, TTL)
    assert one.lease(again, FIRST, None) is None
    assert one.lease(again, SECOND, None)


def test_who_comes_back_in_time_keeps_his_blocks_from_who_was_about_to_take_them(
    stores: Open,
) -> None:
    one, two = stores(), stores()
    mine, theirs = one.join(ONE, TTL), two.join(TWO, 60)
    block = one.lease(mine, FIRST, None)
    assert block
    awaited(two, two.view(), lambda view: ONE.id not in view.members)
    again = one.join(ONE, 60)
    assert two.lease(theirs, FIRST, block) is None
    kept = one.view().blocks[FIRST]
    assert one.lease(again, FIRST, kept)


def test_an_agent_that_is_started_anew_goes_on(stores: Open) -> None:
    one = stores()
    mine = one.join(ONE, 60)
    one.lease(mine, FIRST, None)
    again = stores().join(ONE, 60)
    assert again.token == mine.token
    assert one.renew(mine).token == mine.token


def test_a_host_that_was_started_anew_has_its_blocks(stores: Open) -> None:
    one = stores()
    one.lease(one.join(ONE, 60), FIRST, None)
    booted = replace(ONE, boot_id="another")
    mine = stores().join(booted, 60)
    seen = one.view().blocks[FIRST]
    block = one.lease(mine, FIRST, seen)
    assert block
    assert (block.host, block.boot_id) == (ONE.id, "another")


def test_another_machine_with_the_id_is_refused_unless_it_takes_over(stores: Open) -> None:
    one, two = stores(), stores()
    one.join(ONE, 60)
    clone: Host = replace(ONE, boot_id="another", addresses=(parse("192.0.2.9"),))
    with pytest.raises(MembershipLost, match="--take-over"):
        two.join(clone, 60)
    assert two.join(clone, 60, take_over=True).host == clone


def test_other_subnets_are_refused_while_anybody_has_blocks(stores: Open) -> None:
    one = stores()
    mine = one.join(ONE, 60)
    block = one.lease(mine, FIRST, None)
    assert block
    with pytest.raises(OtherNetwork, match="/27"):
        stores(OTHER_POOLS).join(TWO, 60)
    one.release(mine, block)
    stores(OTHER_POOLS).join(TWO, 60)
    with pytest.raises(OtherNetwork):
        one.lease(mine, FIRST, None)
    assert FIRST not in one.view().blocks


def test_who_leaves_without_blocks_is_forgotten(stores: Open) -> None:
    one = stores()
    mine = one.join(ONE, 60)
    view = one.view()
    one.leave(mine)
    seen = awaited(one, view, lambda view: ONE.id not in view.hosts)
    assert seen.members == frozenset()
    with pytest.raises(MembershipLost):
        one.renew(mine)


def test_a_host_is_evicted_when_it_is_no_member_or_by_force(stores: Open) -> None:
    one, two = stores(), stores()
    one.lease(one.join(ONE, 60), FIRST, None)
    two.join(TWO, 60)
    assert not two.evict(ONE.id)
    assert FIRST in two.view().blocks
    assert two.evict(ONE.id, by_force=True)
    view = two.view()
    assert (view.blocks, set(view.hosts)) == ({}, {TWO.id})


def test_names_are_seen_by_all_while_their_host_is_a_member(stores: Open) -> None:
    one, two = stores(), stores()
    mine, view = one.join(ONE, 60), two.view()
    web = Named(own="web", aliases=("www",), addresses=(parse("10.64.0.2"), parse("fd64::2")))
    one.name(mine, (web,))
    view = awaited(two, view, lambda view: view.names.get(ONE.id) == (web,))
    assert one.view().names == {ONE.id: (web,)}
    mine = one.renew(mine)
    assert two.view().names == {ONE.id: (web,)}
    one.name(mine, ())
    view = awaited(two, view, lambda view: not view.names.get(ONE.id))
    one.name(mine, (web,))
    one.leave(mine)
    awaited(two, view, lambda view: not view.names.get(ONE.id))
    with pytest.raises(MembershipLost):
        one.name(mine, (web,))


def test_names_end_with_a_membership_that_is_not_renewed(stores: Open) -> None:
    one, two = stores(), stores()
    mine, _theirs = one.join(ONE, TTL), two.join(TWO, 60)
    view = two.view()
    one.name(mine, (Named(own="web", aliases=(), addresses=(parse("10.64.0.2"),)),))
    view = awaited(two, view, lambda view: ONE.id in view.names)
    awaited(two, view, lambda view: ONE.id not in view.names)


def test_a_clock_that_is_right_is_not_skewed(stores: Open) -> None:
    one = stores()
    one.view()
    skew = one.skew()
    assert skew is not None
    assert abs(skew) < 5


def test_nothing_new_is_the_same_view(stores: Open) -> None:
    one = stores()
    one.join(ONE, 60)
    view = one.view()
    assert one.watch(view, 0.2) is view


def test_a_store_that_is_not_there_is_unreachable() -> None:
    nowhere = replace(views.settings(), endpoints=("http://127.0.0.1:9",))
    with pytest.raises(Unreachable, match=r"127\.0\.0\.1:9"):
        Etcd(nowhere).view()
