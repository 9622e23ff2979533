"""What an agent knows, written and read again."""

from pathlib import Path

from cni_bridge.cluster import snapshot
from cni_bridge.cluster.snapshot import Snapshot
from tests.unit.cluster import views


def shot() -> Snapshot:
    """One with something in every field."""
    hosts = [views.host(1, "192.0.2.1", "2001:db8::1"), views.host(2, "192.0.2.2")]
    return Snapshot(
        network="pods",
        backend="host-gw",
        pools=("10.64.0.0/12 in /26",),
        store="etcd",
        endpoints=("http://192.0.2.11:2379",),
        me=hosts[0],
        view=views.view(hosts, {"10.64.0.0/26": 1, "fd64::/122": 2}, members=[1]),
        absent={"id-2": 5},
        lost=("10.64.1.0/26",),
        problems=("something",),
        error="no answer",
        skew=0.5,
        written=10,
        heard=9,
        until=20,
        mtu=1450,
        pid=1,
    )


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    snapshot.save(str(tmp_path), shot())
    assert snapshot.all_of(str(tmp_path)) == (shot(),)
    assert [each.name for each in tmp_path.iterdir()] == ["cluster-pods.json"]


def test_a_host_that_has_left_has_none(tmp_path: Path) -> None:
    snapshot.save(str(tmp_path), shot())
    snapshot.remove(str(tmp_path), "pods")
    snapshot.remove(str(tmp_path), "pods")
    assert snapshot.load(snapshot.path(str(tmp_path), "pods")) is None


def test_what_can_not_be_read_is_none(tmp_path: Path) -> None:
    file = snapshot.path(str(tmp_path), "pods")
    for text in ("", "{", "[]", '{"network": "pods"}'):
        file.write_text(text)
        assert snapshot.load(file) is None
