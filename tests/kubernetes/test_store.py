"""The store's contract on a real API server, with the permissions of conf/kubernetes/rbac.yaml and nothing else."""

import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from cni_bridge.address import parse_prefix
from cni_bridge.cluster import kube_objects as objects
from cni_bridge.cluster.kubernetes import Kubernetes
from cni_bridge.cluster.model import Membership, Settings
from cni_bridge.cluster.store import Store, Unreachable
from cni_bridge.lean.record import replace
from tests.cluster import test_store_contract as contract
from tests.kubernetes.control import Control
from tests.kubernetes.surroundings import Surroundings
from tests.lab import namespaces
from tests.lab.iproute import ip
from tests.unit.cluster import views

ADDRESS = "192.0.2.100"
ACCOUNT = "system:serviceaccount:cni-bridge:agent"
SHORT = timedelta(seconds=12)
ONE = contract.ONE

stores = contract.stores
globals().update(  # pytest finds them here, with this module's driver
    {
        name: each
        for name, each in vars(contract).items()
        if "stores" in getattr(each, "__annotations__", ())
    }
)


@contextmanager
def api_server(directory: Path) -> Iterator[Control]:
    """Yield a control plane without controllers in the calling thread's network."""
    ip("address", "add", f"{ADDRESS}/32", "dev", "lo")
    here = Surroundings(directory)
    try:
        control = Control(here, ADDRESS)
        control.start_api_server(control.start_etcd())
        yield control
    finally:
        here.close()


@pytest.fixture(scope="module")
def control(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Control]:
    """Yield an API server, on a host of its own."""
    with namespaces.private_host():
        ip("link", "set", "lo", "up")
        with api_server(tmp_path_factory.mktemp("control")) as found:
            yield found


@pytest.fixture(scope="module")
def driver(control: Control) -> Callable[[Settings], Store]:
    """Return how stores are opened, by the agents' account."""
    file = control.allow_agents()
    return lambda settings: Kubernetes(replace(settings, kubeconfig=file))


def test_what_an_api_server_accepts_hides_no_record(
    control: Control, driver: Callable[[Settings], Store]
) -> None:
    """Its own checks let these pass."""
    settings = views.settings()
    with closing(driver(settings)) as store:
        assert isinstance(store, Kubernetes)
        mine = store.join(ONE, 60)
        block = store.lease(mine, parse_prefix("10.64.0.0/26"), None)
        view = store.view()
        odd = objects.made(f"{store._root}-host-odd", store._labels, "odd", {}, 60).to_dict()
        odd["metadata"]["annotations"] = {"note": "a\x85b\u2028c", objects.RECORD: "[" * 10_000}
        odd["spec"]["renewTime"] = "0000-01-01T00:00:00.000000Z"
        control.apply({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", **odd})
        seen = contract.awaited(store, view, lambda view: bool(view.malformed))
        for each in (seen, store.view()):
            assert set(each.malformed) == {f"{store._root}-host-odd"}
            assert each.members == {ONE.id}
            assert list(each.blocks.values()) == [block]


def test_a_renewed_certificate_is_read_again(control: Control) -> None:
    keys = control.keys
    keys.issue("short", ACCOUNT, lifetime=SHORT)
    settings = replace(views.settings(), network="short", kubeconfig=keys.kubeconfig("short"))
    with closing(Kubernetes(settings)) as store:
        mine = store.join(ONE, 60)
        view = store.view()
        assert "Unauthorized" in _until_it_ends(store, mine)
        keys.issue("short", ACCOUNT)
        assert store.renew(mine).until > mine.until
        view = store.view()
        other = Kubernetes(replace(settings, kubeconfig=keys.kubeconfig("admin")))
        with closing(other):
            other.join(contract.TWO, 60)
        contract.awaited(store, view, lambda view: contract.TWO.id in view.members)


def _until_it_ends(store: Store, mine: Membership) -> str:
    """Renew a membership until that fails, and return how."""
    end = time.monotonic() + 2 * SHORT.total_seconds()
    while time.monotonic() < end:
        try:
            mine = store.renew(mine)
        except Unreachable as problem:
            return str(problem)
        time.sleep(0.5)
    return "it did not fail"
