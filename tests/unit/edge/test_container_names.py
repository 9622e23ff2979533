"""The names that runtimes give a container: which are taken, which are refused, which are left out."""

import pytest

from cni_bridge.model_optional import Names
from tests.unit.edge.test_config import Json, parse, refusal

POD = "IgnoreUnknown=1;K8S_POD_NAME=web;K8S_POD_NAMESPACE=shop"


def aliases(listed: object) -> Json:
    return {"runtimeConfig": {"aliases": listed}}


def test_a_runtime_that_gives_no_name_leaves_none() -> None:
    assert parse({}).names is None
    assert parse(aliases([])).names is None
    assert parse({}, "IgnoreUnknown=1;K8S_POD_NAMESPACE=shop").names is None


def test_the_own_name_comes_with_its_namespace() -> None:
    assert parse({}, POD).names == Names(own="web", namespace="shop")


@pytest.mark.parametrize("listed", [["db", "sql"], {"net": ["db", "sql"], "other": ["no"]}])
def test_aliases_are_a_list_or_podmans_list_for_each_network(listed: object) -> None:
    assert parse(aliases(listed)).names == Names(aliases=("db", "sql"))


@pytest.mark.parametrize("listed", [{"other": ["no"]}, {"net": []}, {"net": None}, {}])
def test_aliases_of_other_networks_are_not_this_ones(listed: object) -> None:
    assert parse(aliases(listed), POD).names == Names(own="web", namespace="shop")


def test_a_name_is_recorded_once() -> None:
    wanted = aliases(["web", "db", "db"]) | {"args": {"cni": {"aliases": ["db", "sql"]}}}
    assert parse(wanted, "IgnoreUnknown=1;K8S_POD_NAME=web").names == Names(
        own="web", aliases=("db", "sql")
    )


@pytest.mark.parametrize(
    "bad", ["", "a b", "a\nb", "a\x1b[2J", "x" * 254, "\udcff", 7, None, ["db"]]
)
@pytest.mark.parametrize("for_network", [False, True])
def test_an_alias_that_is_no_name_is_refused_with_its_place(bad: object, for_network: bool) -> None:
    listed = ["db", bad]
    error = refusal(aliases({"net": listed} if for_network else listed))
    place = "runtimeConfig.aliases.net[1]" if for_network else "runtimeConfig.aliases[1]"
    assert (error.code, error.msg.startswith(f"{place}: expected a name")) == (7, True)
    assert error.msg.isprintable()


@pytest.mark.parametrize("bad", [7, "db", {"net": 1}, {"net": "db"}, {"net": {"db": 1}}])
def test_aliases_that_are_no_list_are_refused(bad: object) -> None:
    error = refusal(aliases(bad))
    assert error.code == 7
    assert "aliases" in error.msg


def test_a_thousand_aliases_are_refused() -> None:
    listed = [f"alias-{number}" for number in range(1000)]
    assert "at most 64" in refusal(aliases(listed)).msg
    assert parse(aliases(listed[:64])).names == Names(aliases=tuple(listed[:64]))


@pytest.mark.parametrize("bad", ["a\nb", "\x1b[31m", "x" * 254, "a b", "\udcff"])
def test_an_own_name_that_can_not_be_printed_is_left_out(bad: str) -> None:
    assert parse({}, f"IgnoreUnknown=1;K8S_POD_NAME={bad}").names == Names()
