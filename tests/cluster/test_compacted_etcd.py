"""An etcd that has forgotten changes which it could have told: others write there, and it is compacted."""

import subprocess
from collections.abc import Iterator

import pytest

from cni_bridge.cluster.etcd import Etcd
from cni_bridge.lean.record import replace
from tests.cluster.sizing import store as real
from tests.lab import namespaces
from tests.lab.iproute import ip
from tests.unit.cluster import views

ONE, TWO = views.host(1, "192.0.2.1"), views.host(2, "192.0.2.2")


@pytest.fixture
def endpoints() -> Iterator[tuple[str, ...]]:
    """Of a real one."""
    with namespaces.private_host():
        ip("link", "set", "lo", "up")
        with real.etcd("/run") as found:
            yield found


def ctl(endpoints: tuple[str, ...], *words: str) -> None:
    """Run etcdctl with these arguments."""
    line = ("etcdctl", "--endpoints", endpoints[0], *words)
    subprocess.run(line, check=True, capture_output=True, timeout=20)


def test_what_can_t_be_told_any_more_is_read_anew(endpoints: tuple[str, ...]) -> None:
    store = Etcd(replace(views.settings(), endpoints=endpoints))
    store.join(ONE, 60)
    view = store.view()
    other = Etcd(replace(views.settings(), endpoints=endpoints))
    other.join(TWO, 60)
    ctl(endpoints, "put", "/others/key", "value")
    ctl(endpoints, "compact", str(other.view().revision), "--physical")
    seen = store.watch(view, 5)
    assert (seen.members, seen.revision) == (frozenset({ONE.id, TWO.id}), other.view().revision)
    other.leave(other.join(TWO, 60))
    while TWO.id in seen.members:  # changes are told again
        seen = store.watch(seen, 5)
    for each in (store, other):
        each.close()
