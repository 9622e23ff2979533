"""What is asked of etcd and what it answers, by the bytes of its JSON."""

from cni_bridge.cluster import etcd_json


def test_an_entry_is_read_as_etcd_writes_it() -> None:
    document = {"key": "L2E=", "value": "Yg==", "mod_revision": "7", "lease": "42"}
    found = etcd_json.entry(document)
    assert (found.key, found.value, found.revision, found.lease) == ("/a", "b", 7, 42)


def test_what_has_no_value_and_no_lease_has_none() -> None:
    found = etcd_json.event({"type": "DELETE", "kv": {"key": "L2E=", "mod_revision": "8"}})
    assert (found.value, found.lease, found.is_deleted) == ("", 0, True)


def test_all_below_a_slash_ends_before_what_comes_after_it() -> None:
    assert etcd_json.below("/a/") == {"key": "L2EvCg==".replace("Cg==", ""), "range_end": "L2Ew"}


def test_conditions_name_what_they_compare() -> None:
    assert etcd_json.is_at("/a", 0) == {
        "key": "L2E=",
        "target": "MOD",
        "result": "EQUAL",
        "mod_revision": "0",
    }
    assert etcd_json.is_leased("/a", "42")["lease"] == "42"
    assert etcd_json.is_value("/a", "b")["value"] == "Yg=="
    assert etcd_json.none_below("/a/")["create_revision"] == "0"
