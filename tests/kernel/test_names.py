"""The names of containers in the ledger, as runtimes send them."""

import sqlite3

import pytest

from tests.lab import Host, Json, Network
from tests.lab.state import LEDGER

POD = {"CNI_ARGS": "IgnoreUnknown=1;K8S_POD_NAME=web;K8S_POD_NAMESPACE=shop"}
ALIASES: Json = {"runtimeConfig": {"aliases": {"testnet": ["db", "sql"]}}}


@pytest.fixture
def version() -> str:
    """Return names do not depend on the spec version."""
    return "1.1.0"


def names() -> list[tuple[str, str, int]]:
    """Return what the ledger has: name, namespace, whether it is an alias."""
    with sqlite3.connect(LEDGER) as ledger:
        return ledger.execute("select name, namespace, is_alias from name order by name").fetchall()


def test_names_come_and_go_with_their_attachment(host: Host, network: Network) -> None:
    container, other = host.container(), host.container()
    network.add(container, environment=POD, config=ALIASES).result()
    network.add(other).result()
    assert names() == [("db", "", 1), ("sql", "", 1), ("web", "shop", 0)]
    network.delete(container, environment=POD).assert_silent_success()
    assert names() == []
    network.delete(other).assert_silent_success()
    host.assert_as_before()


def test_gc_and_rollback_take_names_along(host: Host, network: Network) -> None:
    container, late = host.container(), host.container()
    network.add(container, environment=POD).result()
    network.config["ipam"]["routes"] = [{"dst": "10.99.0.0/16", "gw": "203.0.113.1"}]
    assert network.add(late, environment=POD, config=ALIASES).error()["code"]
    assert names() == [("web", "shop", 0)]
    network.do(
        "GC", container, "eth0", config={"cni.dev/valid-attachments": []}
    ).assert_silent_success()
    assert names() == []
    host.assert_as_before()


def test_a_thousand_aliases_are_refused_and_leave_nothing(host: Host, network: Network) -> None:
    many = {"runtimeConfig": {"aliases": [f"name-{number}" for number in range(1000)]}}
    error = network.add(host.container(), config=many).error()
    assert (error["code"], "at most 64" in error["msg"]) == (7, True)
    host.assert_as_before()
