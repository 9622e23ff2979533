"""What is Kubernetes' own: nodes with their subnets, changes that are forgotten, and what RBAC allows."""

import functools
import json
import os
from pathlib import Path

import pytest
import yaml

from cni_bridge.address import parse, parse_prefix
from cni_bridge.cluster import kube_api
from cni_bridge.cluster import kube_objects as objects
from cni_bridge.cluster.kube_nodes import KubernetesNodes
from cni_bridge.cluster.kube_objects import RECORD
from cni_bridge.cluster.kubernetes import Kubernetes
from cni_bridge.cluster.model import Settings
from cni_bridge.cluster.store import MembershipLost, Unreachable
from cni_bridge.lean.record import replace
from tests.cluster.apiserver import ApiServer, kubeconfig, serving
from tests.unit.cluster import views

ROOT = Path(__file__).resolve().parents[2]
ONE = views.host(1, "192.0.2.1")
SUBNET = parse_prefix("10.244.1.0/24")
SUBNET_OF_BLOCK = parse_prefix("10.64.0.0/26")


def settings(server: ApiServer, directory: Path, *, pools: bool = True, **user: object) -> Settings:
    """Of a network whose store this API server is."""
    file = kubeconfig(server, directory, **user)
    found = replace(views.settings(), store="kubernetes", kubeconfig=file, node="n1")
    return found if pools else replace(found, pools=())


def test_nodes_have_the_subnets_that_kubernetes_gave_them(tmp_path: Path) -> None:
    with serving() as server:
        server.node("n1", "10.244.1.0/24", "fd44:1::/64", address="192.0.2.1")
        server.node("n2", "10.244.2.0/24", address="192.0.2.2")
        store = KubernetesNodes(settings(server, tmp_path, pools=False))
        mine = store.join(ONE, 60)
        assert (mine.host.id, mine.host.boot_id) == ("n1", ONE.boot_id)
        view = store.view()
        assert {block.host for block in view.blocks.values()} == {"n1", "n2"} == view.members
        assert view.blocks[SUBNET].boot_id == ONE.boot_id  # whatever the kubelet has told by now
        block = store.lease(mine, SUBNET, view.blocks[SUBNET])
        assert block
        assert block.boot_id == ONE.boot_id
        assert store.lease(mine, parse_prefix("10.244.2.0/24"), None) is None
        server.node("n3", "10.244.3.0/24", address="192.0.2.3")
        changed = store.watch(view, 5)
        assert set(changed.hosts) == {"n1", "n2", "n3"}
        assert store.renew(mine).until >= mine.until
        store.close()


def test_records_are_not_read_again_while_nothing_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those of a thousand hosts cost an agent a fifth of a processor."""
    with serving() as server:
        server.node("n1", "10.244.1.0/24", address="192.0.2.1")
        for store in (
            Kubernetes(settings(server, tmp_path)),
            KubernetesNodes(settings(server, tmp_path, pools=False)),
        ):
            store.join(ONE, 60)
            view = store.watch(store.view(), 0.1)
            monkeypatch.setattr(store, "_seen", None)
            assert store.watch(view, 0.1) is view
            store.close()


def test_an_answer_of_another_server_is_no_decision(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What stands between may answer for it: the membership is not lost by that."""
    with serving() as server:
        store = Kubernetes(settings(server, tmp_path))
        mine = store.join(ONE, 60)
        answers: tuple[object, ...] = (
            *({"kind": "x"}, {"items": []}, ["x"], 7),
            {"kind": "Lease", "metadata": {"name": "x"}},
        )
        for answer in answers:
            monkeypatch.setattr(
                server, "objects", {"leases": dict.fromkeys(server.objects["leases"], answer)}
            )
            monkeypatch.setattr(server, "listed", lambda *_, told=answer: told)
            for ask in (store.view, lambda: store.renew(mine)):
                with pytest.raises(Unreachable, match="the API server: "):
                    ask()
        store.close()


def test_a_node_that_is_none_is_no_member(tmp_path: Path) -> None:
    with serving() as server:
        store = KubernetesNodes(settings(server, tmp_path, pools=False))
        with pytest.raises(MembershipLost, match=r"cluster\.node"):
            store.join(ONE, 60)
        store.close()


def test_changes_that_are_forgotten_are_not_passed_over(tmp_path: Path) -> None:
    with serving() as server:
        store = Kubernetes(settings(server, tmp_path))
        view = store.view()
        store.join(ONE, 60)
        server.forget_changes()
        later = Kubernetes(settings(server, tmp_path))
        later._stream = later._api.stream(type(store._api.lease(store._root)), store._labels, "0")
        with pytest.raises(Unreachable, match="too old"):
            later.watch(view, 5)
        for each in (store, later):
            each.close()


def test_no_lease_that_another_program_wrote_ends_or_blinds_an_agent(tmp_path: Path) -> None:
    """Without annotations, without JSON, of another host, with a holder or without."""
    with serving() as server:
        store = Kubernetes(settings(server, tmp_path))
        mine = store.join(ONE, 60)
        block = store.lease(mine, parse_prefix("10.64.0.0/26"), None)
        spoilt = {"host-x": {}, "host-y": {RECORD: "[" * 100_000}, "host-z": {RECORD: "{}"}}
        spoilt |= {"block-zz-26": {}, "block-0a400040-26": {}, "block-0a400080-26": {RECORD: "7"}}
        for name, annotations in spoilt.items():
            made = objects.made(f"{store._root}-{name}", store._labels, "x", {}, 60)
            made.metadata.annotations = annotations or None
            assert store._api.create(made)
        for view in (store.view(), store.watch(store.view(), 0)):
            assert set(view.malformed) == {f"{store._root}-{name}" for name in spoilt}
            assert list(view.blocks.values()) == [block]
            assert view.members == {ONE.id}
        assert store.lease(mine, parse_prefix("10.64.0.64/26"), None) is None
        own = store._api.lease(store._host(ONE.id))
        assert own
        own.metadata.annotations = None
        assert store._api.replace(own)
        with pytest.raises(MembershipLost):
            store.renew(mine)
        again = store.join(ONE, 60)
        assert again.token == "1"
        assert ONE.id in store.view().members
        store.close()


def test_a_lease_that_the_library_can_not_read_hides_no_other(tmp_path: Path) -> None:
    """A time before the year 1, and a character at which the library would end a watch's line."""
    with serving() as server:
        store = Kubernetes(settings(server, tmp_path))
        store.join(ONE, 60)
        view = store.view()
        item = objects.made(f"{store._root}-host-x", store._labels, "x", {}, 60).to_dict()
        item["metadata"]["annotations"] = {"note": "a\x85b\u2028c"}
        item["spec"]["renewTime"] = "0000-01-01T00:00:00.000000Z"
        server.put("leases", item)
        seen = store.watch(view, 5)
        for each in (seen, store.view()):
            assert set(each.malformed) == {f"{store._root}-host-x"}
            assert each.members == {ONE.id}
        store.close()


def test_a_copy_of_a_lease_under_another_name_or_holder_is_malformed(tmp_path: Path) -> None:
    with serving() as server:
        store = Kubernetes(settings(server, tmp_path))
        mine = store.join(ONE, 60)
        block = store.lease(mine, parse_prefix("10.64.0.0/26"), None)
        name = store._host(ONE.id)
        copy = json.loads(json.dumps(server.objects["leases"][name]))
        copy["metadata"]["name"] = f"{name}2"
        server.put("leases", copy)
        held = json.loads(json.dumps(server.objects["leases"][store._block(SUBNET_OF_BLOCK)]))
        held["spec"]["holderIdentity"] = "another"
        twin = json.loads(json.dumps(held))
        twin["metadata"]["name"] = f"{store._root}-block-0a400000-026"
        server.put("leases", twin)
        view = store.view()
        assert set(view.malformed) == {f"{name}2", twin["metadata"]["name"]}
        assert view.blocks == {SUBNET_OF_BLOCK: block}
        server.put("leases", held)
        assert store.view().malformed[store._block(SUBNET_OF_BLOCK)] == SUBNET_OF_BLOCK
        store.close()


def test_a_lease_whose_label_was_removed_is_written_again_by_its_host(tmp_path: Path) -> None:
    """It is in no list and no watch; its host asked for the block four times a second, for ever."""
    with serving() as server:
        store = Kubernetes(settings(server, tmp_path))
        mine = store.join(ONE, 60)
        store.lease(mine, SUBNET_OF_BLOCK, None)
        for name in (store._block(SUBNET_OF_BLOCK), store._host(ONE.id)):
            server.objects["leases"][name]["metadata"]["labels"] = {}
            view = store.view()
            assert not (view.blocks and view.members)
            store.lease(store.join(ONE, 60), SUBNET_OF_BLOCK, None)
            view = store.view()
            assert view.blocks[SUBNET_OF_BLOCK].host == ONE.id
            assert view.members == {ONE.id}
        store.close()


def test_whatever_a_kubelet_reports_is_a_node(tmp_path: Path) -> None:
    """Only addresses and boot ids that make sense are kept: others would hide all nodes."""
    with serving() as server:
        server.node("n1", "10.244.1.0/24", address="192.0.2.1")
        server.node("n2", "10.244.2.7/24", address="nowhere")
        status = server.objects["nodes"]["n2"]["status"]
        status["addresses"] += [
            {"type": "InternalIP", "address": each} for each in ("192.0.2.2", "192.0.2.3", "::")
        ]
        status["nodeInfo"]["bootID"] = "\n" * 99
        status["conditions"] = [{"type": "Ready", "lastHeartbeatTime": "0000-01-01T00:00:00Z"}]
        server.put("nodes", {"metadata": {"name": "n3"}, "spec": {}})
        server.node("n4", "10.244.004.0/24", "nowhere", address="192.0.2.004")
        store = KubernetesNodes(settings(server, tmp_path, pools=False))
        view = store.view()
        assert view.hosts["n2"].addresses == (parse("192.0.2.2"), parse("::"))
        assert [view.hosts[each].boot_id for each in ("n2", "n3")] == ["", ""]
        assert view.blocks[parse_prefix("10.244.2.0/24")].host == "n2"
        assert view.blocks[parse_prefix("10.244.4.0/24")].host == "n4"
        assert view.hosts["n4"].addresses == (parse("192.0.2.4"),)
        assert view.members == {"n1", "n2", "n3", "n4"}
        store.close()


def test_a_watch_that_dies_without_a_word_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kube_api, "SILENCE_S", 1 - kube_api.STREAM_S)
    with serving() as server:
        store = Kubernetes(settings(server, tmp_path))
        store.join(ONE, 60)
        view = store.view()
        with pytest.raises(Unreachable, match="watch of the API server ended: ReadTimeout"):
            functools.reduce(store.watch, [1.0] * 10, view)
        store.close()


def test_a_watch_goes_on_when_credentials_change(tmp_path: Path) -> None:
    """Its connection was closed under the thread that read it, whose reads then took another one's bytes."""
    with serving() as server:
        given = settings(server, tmp_path)
        store = Kubernetes(given)
        mine = store.join(ONE, 60)
        view = store.view()
        os.utime(given.kubeconfig, (1, 1))
        store.renew(mine)
        server.put("leases", objects.made("x", store._labels, "", {}, 0).to_dict())
        store.watch(store.watch(view, 5), 1)
        store.close()


@pytest.mark.parametrize("way", ["file", "exec"])
def test_a_token_that_was_empty_for_a_moment_is_read_again(tmp_path: Path, way: str) -> None:
    """The library keeps what it has read until it is refused, and with an empty token it does not even ask."""
    token = tmp_path / "token"
    token.write_text('{"status": {"token": ""}}' if way == "exec" else "")
    plugin = {"apiVersion": kube_api.EXEC_V1, "command": "cat", "args": [str(token)]}
    user = {"exec": plugin} if way == "exec" else {"tokenFile": str(token)}
    with serving() as server:
        server.token = "right"
        store = Kubernetes(settings(server, tmp_path, **user))
        with pytest.raises(Unreachable, match="the token is empty"):
            store.view()
        token.write_text('{"status": {"token": "right"}}' if way == "exec" else "right\n")
        mine = store.join(ONE, 60)
        assert store.view().members == {ONE.id}
        store.renew(mine)
        store.close()


def test_a_server_that_can_not_decide_is_unreachable(tmp_path: Path) -> None:
    with serving() as server:
        store = Kubernetes(settings(server, tmp_path))
        mine = store.join(ONE, 60)
        server.is_down = True
        for ask in (store.view, lambda: store.renew(mine), lambda: store.lease(mine, SUBNET, None)):
            with pytest.raises(Unreachable, match="no leader"):
                ask()
        store.close()


def test_the_role_allows_what_the_driver_asks_for_and_nothing_else(tmp_path: Path) -> None:
    with serving() as server:
        server.node("n1", "10.244.1.0/24", address="192.0.2.1")
        store = Kubernetes(settings(server, tmp_path))
        mine = store.join(ONE, 60)
        view = store.view()
        block = store.lease(mine, parse_prefix("10.64.0.0/26"), None)
        assert block
        store.watch(view, 5)
        store.release(mine, block)
        store.leave(store.renew(mine))
        nodes = KubernetesNodes(settings(server, tmp_path, pools=False))
        nodes.join(ONE, 60)
        nodes.watch(nodes.view(), 0.5)
        asked = set(server.asked)
        for each in (store, nodes):
            each.close()
    documents = yaml.safe_load_all((ROOT / "conf/kubernetes/rbac.yaml").read_text())
    roles = [each for each in documents if each["kind"] in ("Role", "ClusterRole")]
    allowed = {
        (verb, resource)
        for role in roles
        for rule in role["rules"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }
    assert allowed == asked
