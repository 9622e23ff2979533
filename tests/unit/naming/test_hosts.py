"""The text of a hosts file: whatever comes and goes, it is what rendering all entries gives."""

from hypothesis import given
from hypothesis import strategies as st

from cni_bridge.naming import hosts
from cni_bridge.naming.hosts import Entry

NAMES = st.sampled_from(["web", "db", "api", "a.b", "eb", "w"])
DOMAIN = "cni.internal"
ENTRIES = st.builds(
    lambda number, own, aliases: Entry(
        host_name=f"veth{number}",
        container=f"c{number % 5}",
        addresses=(f"10.0.0.{number}", f"fd00::{number}"),
        own=own,
        aliases=tuple(sorted(aliases - {own})),
    ),
    st.integers(1, 12),
    st.one_of(st.just(""), NAMES),
    st.frozensets(NAMES),
)


@given(st.lists(st.one_of(ENTRIES, st.integers(1, 12))))
def test_putting_and_taking_is_as_good_as_rendering_all(steps: "list[Entry | int]") -> None:
    content = ""
    known: dict[str, Entry] = {}
    for step in steps:
        if isinstance(step, Entry):
            content = hosts.put(content, step, DOMAIN)
            known.pop(step.host_name, None)
            known[step.host_name] = step
        else:
            content = hosts.take(content, [f"veth{step}"])
            known.pop(f"veth{step}", None)
        assert hosts.entries(content) == tuple(known.values())
        if content:
            assert content == hosts.render(known.values(), DOMAIN)


def test_another_domain_writes_everything_again() -> None:
    one = Entry(host_name="v1", container="c", addresses=("10.0.0.1",), own="web")
    content = hosts.put("", one, "old")
    two = Entry(host_name="v2", container="d", addresses=("10.0.0.2",), own="db")
    assert hosts.put(content, two, "new") == hosts.render((one, two), "new")
    assert hosts.domain_of(hosts.put(content, two, "new")) == "new"


def test_a_name_with_the_domain_is_the_name_without_it() -> None:
    """Else a container called web.cni.internal would answer for the one called web."""
    one = Entry(host_name="v1", container="c", addresses=("10.0.0.1",), own="web")
    two = Entry(
        host_name="v2",
        container="d",
        addresses=("10.0.0.2",),
        own=f"web.{DOMAIN}",
        aliases=(f"web.{DOMAIN}.{DOMAIN}", f"db.{DOMAIN}", "db", f"localhost.{DOMAIN}"),
    )
    content = hosts.put(hosts.put("", one, DOMAIN), two, DOMAIN)
    lines = [each for each in content.splitlines() if not each.startswith("#")]
    assert lines == [f"10.0.0.1 web.{DOMAIN} web", f"10.0.0.2 db.{DOMAIN} db"]
    assert hosts.render(hosts.entries(content), DOMAIN) == content
