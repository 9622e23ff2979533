"""What one host makes of the names that others tell."""

from collections.abc import Mapping

from cni_bridge.address import parse
from cni_bridge.cluster import names, notation
from cni_bridge.cluster.model import Named, View
from cni_bridge.lean.record import replace
from cni_bridge.naming import hosts
from cni_bridge.naming.hosts import Entry
from tests.unit.cluster import views

DOMAIN = "cni.internal"
BLOCKS = {"10.64.1.0/26": 1, "10.64.2.0/26": 2, "fd64::200/122": 2, "10.64.3.0/26": 3}


def view(told: Mapping[int, tuple[Named, ...]], members: tuple[int, ...] = (1, 2, 3)) -> View:
    """Return a view of three hosts that tell these names."""
    known = views.view((views.host(each) for each in (1, 2, 3)), BLOCKS, members)
    return replace(known, names={f"id-{number}": each for number, each in told.items()})


def named(own: str, *addresses: str, aliases: tuple[str, ...] = ()) -> Named:
    """Return a container's names."""
    return Named(own=own, aliases=aliases, addresses=tuple(map(parse, addresses)))


def served(seen: View, *local: Entry) -> dict[str, list[str]]:
    """Return the addresses by name that host 1 serves of other hosts."""
    text = names.rendered(seen, "id-1", hosts.render(local, DOMAIN), DOMAIN)
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        if not line.startswith("#"):
            ip, *words = line.split(" ")
            for word in words:
                found.setdefault(word, []).append(ip)
    return found


def test_names_of_other_hosts_are_served_with_and_without_the_domain() -> None:
    found = served(view({2: (named("web", "10.64.2.2", "fd64::202", aliases=("www",)),)}))
    both = ["10.64.2.2", "fd64::202"]
    assert found == dict.fromkeys(("web", "web.cni.internal", "www", "www.cni.internal"), both)


def test_own_names_are_in_the_other_file() -> None:
    assert served(view({1: (named("web", "10.64.1.2"),)})) == {}


def test_a_host_that_is_no_member_has_no_names() -> None:
    told = {2: (named("web", "10.64.2.2"),), 3: (named("db", "10.64.3.2"),)}
    assert set(served(view(told, members=(1, 3)))) == {"db", "db.cni.internal"}


def test_an_address_outside_of_its_hosts_blocks_is_not_served() -> None:
    told = {2: (named("web", "10.64.1.2", "10.64.2.2", "192.0.2.1", "fd64::1"), named("x", "::1"))}
    assert served(view(told))["web"] == ["10.64.2.2"]
    assert "x" not in served(view(told))


def test_containers_of_this_host_come_first() -> None:
    told = {2: (named("web", "10.64.2.2", aliases=("db", "all")), named("www", "10.64.2.3"))}
    local = (
        Entry(host_name="veth1", container="a", addresses=("10.64.1.2",), own="web"),
        Entry(host_name="veth2", container="b", addresses=("10.64.1.3",), own="db"),
        Entry(host_name="veth3", container="c", addresses=("10.64.1.4",), aliases=("www", "all")),
    )
    assert served(view(told), *local) == {
        each: ["10.64.2.2"] for each in ("all", "all.cni.internal")
    }


def test_an_own_name_wins_over_aliases_of_other_hosts() -> None:
    told = {2: (named("", "10.64.2.2", aliases=("web",)),), 3: (named("web", "10.64.3.2"),)}
    assert served(view(told))["web"] == ["10.64.3.2"]


def test_the_domain_makes_no_other_name_of_one_that_is_owned() -> None:
    told = {2: (named("web", "10.64.2.2"),), 3: (named("web.cni.internal", "10.64.3.2"),)}
    assert served(view(told))["web.cni.internal"] == ["10.64.2.2"]
    local = Entry(host_name="veth1", container="a", addresses=("10.64.1.2",), own="web")
    assert served(view(told), local) == {}


def test_attachments_of_one_container_are_one() -> None:
    entries = (
        Entry(host_name="veth1", container="a", addresses=("10.64.1.2",), own="web"),
        Entry(host_name="veth2", container="a", addresses=("10.64.1.3",), aliases=("www",)),
        Entry(host_name="veth3", container="b", addresses=("10.64.1.4",)),
        Entry(host_name="veth4", container="c", addresses=(), own="no-address-yet"),
    )
    assert tuple(names.called(entries)) == (
        named("web", "10.64.1.2", "10.64.1.3", aliases=("www",)),
    )


def test_a_record_has_as_many_containers_as_fit() -> None:
    many = tuple(named(f"c{each}", "10.64.1.2", aliases=(f"{each:012x}",)) for each in range(2000))
    kept = notation.fitting(many)
    assert kept == many[: len(kept)]
    assert 500 < len(kept) < 1000
    text = notation.names_text(kept)
    assert len(text) <= notation.MAX_NAMES < len(notation.names_text(many[: len(kept) + 1]))
    assert notation.names(text) == kept
    assert notation.fitting(kept) == kept
