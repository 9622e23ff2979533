"""Views of etcd's keys, with records that no agent wrote: none ends an agent, and none is anybody's."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cni_bridge.address import parse_prefix
from cni_bridge.cluster import etcd_view, notation
from cni_bridge.cluster.etcd_json import Entry
from tests.unit.cluster import views

ROOT = "/cni-bridge/pods/"
SUBNET = parse_prefix("10.64.1.0/26")
HOST = notation.host_document(views.host(2, "192.0.2.2"))
BLOCK = {"host": "id-2", "boot_id": "boot"}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)


def entry(name: str, value: str, revision: int = 5, *, is_deleted: bool = False) -> Entry:
    """Return a key of the network as etcd has it."""
    return Entry(key=ROOT + name, value=value, revision=revision, lease=0, is_deleted=is_deleted)


BAD_NAMES: list[object] = ["", "x" * 254, "a\nb", 7, []]
MALFORMED_HOSTS = [
    "spoilt",
    "",
    "[]",
    "[" * 100_000,
    *(json.dumps({key: HOST[key] for key in HOST if key != missing}) for missing in HOST),
    *(json.dumps(HOST | {"mtu": mtu}) for mtu in (-1, 1, 49, 67, 65536, 1e9, True, "1500", None)),
    json.dumps(HOST).replace(f'"mtu": {HOST["mtu"]}', '"mtu": Infinity'),
    *(json.dumps(HOST | {"name": name}) for name in BAD_NAMES),
    *(json.dumps(HOST | {"addresses": each}) for each in (["x"], [7], "::1", ["::1"] * 3, None)),
    json.dumps(HOST | {"addresses": ["192.0.2.2", "192.0.2.3"]}),
    json.dumps(HOST | {"boot_id": "x" * 65}),
]
MALFORMED_BLOCKS = ["spoilt", "{}", "null", '{"host": 7, "boot_id": ""}', "[" * 100_000]


@pytest.mark.parametrize("value", MALFORMED_HOSTS)
def test_a_malformed_host_is_no_host_until_its_record_is_repaired(value: str) -> None:
    good = entry("hosts/id-2", json.dumps(HOST))
    before = etcd_view.folded(ROOT, [good, entry("hosts/id-3", json.dumps(HOST))])
    spoilt = etcd_view.folded(ROOT, [entry("hosts/id-2", value, 6)], before)
    assert (set(spoilt.hosts), spoilt.malformed) == ({"id-3"}, {"hosts/id-2": None})
    repaired = etcd_view.folded(ROOT, [entry("hosts/id-2", json.dumps(HOST), 7)], spoilt)
    assert (set(repaired.hosts), repaired.malformed) == ({"id-2", "id-3"}, {})


@pytest.mark.parametrize("value", MALFORMED_BLOCKS)
def test_a_malformed_block_is_no_hosts_and_not_free_until_it_is_deleted(value: str) -> None:
    name = "blocks/10.64.1.0-26"
    before = etcd_view.folded(ROOT, [entry(name, json.dumps(BLOCK))])
    assert before.blocks[SUBNET].host == "id-2"
    spoilt = etcd_view.folded(ROOT, [entry(name, value, 6)], before)
    assert (spoilt.blocks, spoilt.malformed) == ({}, {name: SUBNET})
    gone = etcd_view.folded(ROOT, [entry(name, "", 7, is_deleted=True)], spoilt)
    assert (gone.blocks, gone.malformed) == ({}, {})


NAMES = '{"names":[["web",["www"],["10.64.1.2","fd64::2"]]]}'
MALFORMED_NAMES = [
    "spoilt",
    "{}",
    '{"names":{}}',
    '{"names":["web"]}',
    '{"names":[["web",[],[]],["db"]]}',
    *(f'{{"names":[["{name}",[],["10.64.1.2"]]]}}' for name in ("Web", "a b", "x" * 64, "a\\n#")),
    '{"names":[["",["localhost"],["10.64.1.2"]]]}',
    '{"names":[["web",[7],["10.64.1.2"]]]}',
    '{"names":[["web",[],["10.64.1"]]]}',
    '{"names":[["web",[],[7]]]}',
    f'{{"names":[["web",[],{["10.64.1.2"] * 65}]]}}'.replace("'", '"'),
    f'{{"names":[["web",{["www"] * 65},[]]]}}'.replace("'", '"'),
    '{"names":[]}' + " " * (32 << 10),
    "[" * 30_000,
]


@pytest.mark.parametrize("value", MALFORMED_NAMES)
def test_malformed_names_are_none_until_they_are_written_again(value: str) -> None:
    before = etcd_view.folded(ROOT, [entry("names/id-2", NAMES)])
    (web,) = before.names["id-2"]
    assert (web.own, web.aliases, len(web.addresses)) == ("web", ("www",), 2)
    spoilt = etcd_view.folded(ROOT, [entry("names/id-2", value, 6)], before)
    assert (spoilt.names, spoilt.malformed) == ({}, {"names/id-2": None})
    again = etcd_view.folded(ROOT, [entry("names/id-2", NAMES, 7)], spoilt)
    assert (again.names, again.malformed) == (before.names, {})
    gone = etcd_view.folded(ROOT, [entry("names/id-2", "", 8, is_deleted=True)], again)
    assert gone.names == {}


@pytest.mark.parametrize(
    "name",
    [
        *("x", "10.64.1.0", "10.64.1.7-26", "10.64.1.0-99", "", "a-b-c"),
        *("FD64::-122", "fd64:0::-122", "10.64.1.0/26", "::ffff:10.64.1.0-122"),
    ],
)
def test_a_block_whose_name_is_no_subnet_as_agents_write_it_is_malformed(name: str) -> None:
    """Another spelling of a block would hide whose it is."""
    view = etcd_view.folded(ROOT, [entry(f"blocks/{name}", json.dumps(BLOCK))])
    assert (view.blocks, view.malformed) == ({}, {f"blocks/{name}": None})


@given(
    name=st.sampled_from(["hosts/", "blocks/", "names/", "members/", "pools", ""]).flatmap(
        lambda kind: st.text(max_size=20).map(lambda rest: kind + rest)
    ),
    value=st.text(max_size=40) | JSON.map(json.dumps),
)
@settings(max_examples=300, deadline=None)
def test_whatever_is_in_the_store_makes_a_view(name: str, value: str) -> None:
    etcd_view.folded(ROOT, [entry(name, value), entry("hosts/id-2", value), entry(name, "", 6)])
