"""Wires when calls come at once, are killed, or meet what somebody else has changed."""

import json
import os
import sqlite3
import subprocess
from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest

from tests.lab import Attachment, Container, Host, Network, Plugin
from tests.lab.state import LEDGER
from tests.lab.wire import assert_joined, host_ends, wait_until_joined, wire


@pytest.fixture
def network(host: Host, plugin: Plugin) -> Network:
    """Return a wire."""
    return host.network(plugin, wire(plugin))


def test_two_that_come_at_once_find_each_other(host: Host, network: Network) -> None:
    for _ in range(5):
        pair = [host.container() for _ in range(2)]
        for run in network.do_all("ADD", pair):
            run.result()
        wait_until_joined(network, *pair)
        assert_joined(network, *pair)
        for run in network.do_all("DEL", pair):
            run.assert_silent_success()


def test_of_many_that_come_at_once_two_are_joined_and_the_rest_refused(
    host: Host, network: Network
) -> None:
    containers = [host.container() for _ in range(5)]
    runs = network.do_all("ADD", containers)
    codes = [0 if run.status == 0 else run.error()["code"] for run in runs]
    assert set(codes) <= {0, 104}
    assert 1 <= codes.count(0) <= 2
    winners = [each.container for each in network.results]
    if len(winners) == 1:  # all others were in each other's way, and are gone
        winners.append(next(each for each in containers if each not in winners))
        network.add(winners[1]).result()
    wait_until_joined(network, *winners)
    assert_joined(network, *winners)


def kill(network: Network, victim: Container, number: int) -> None:
    """Run an ADD that is killed at the n-th message to the kernel or change of namespace."""
    words = ("strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=sendto,setns")
    injection = f"--inject=sendto,setns:signal=KILL:when={number}"
    environment, stdin = network.call("ADD", Attachment(victim))
    subprocess.run(
        (*words, injection, str(network.plugin.path)),
        env={"PATH": os.environ["PATH"], **environment},
        input=stdin,
        text=True,
        capture_output=True,
    )


@pytest.mark.parametrize("number", range(1, 12, 2))
def test_whatever_the_first_leaves_when_it_is_killed_del_removes(
    host: Host, network: Network, number: int
) -> None:
    one, two = host.container(), host.container()
    kill(network, one, number)
    network.delete(one).assert_silent_success()
    assert one.links() == {"lo"}
    network.add(one).result()
    network.add(two).result()
    assert_joined(network, one, two)


@pytest.mark.parametrize("number", range(1, 20, 2))
def test_whatever_the_second_leaves_when_it_is_killed_del_removes_and_spares_the_first(
    host: Host, network: Network, number: int
) -> None:
    one, two = host.container(), host.container()
    network.add(one).result()
    kill(network, two, number)
    network.delete(two).assert_silent_success()
    assert two.links() == {"lo"}
    network.check(one).assert_silent_success()
    network.add(two).result()
    assert_joined(network, one, two)


@pytest.mark.parametrize("number", range(3, 40, 4))
def test_an_end_that_was_half_made_anew_is_made_anew_by_the_next_add(
    host: Host, network: Network, number: int
) -> None:
    one, two, three = (host.container() for _ in range(3))
    network.add(one).result()
    network.add(two).result()
    two.delete()
    network.delete(two).assert_silent_success()
    kill(network, three, number)
    network.delete(three).assert_silent_success()
    assert three.links() == {"lo"}
    network.add(three).result()
    assert_joined(network, one, three)


def test_a_neighbour_whose_end_is_down_is_no_obstacle(host: Host, network: Network) -> None:
    one, two = host.container(), host.container()
    network.add(one).result()
    one.ip("link", "set", "eth0", "down")
    network.add(two).result()
    one.ip("link", "set", "eth0", "up")
    wait_until_joined(network, one, two)


def replace_by_another(container: Container) -> None:
    """Replace the end by a veth pair that looks the same but is connected to nothing."""
    container.ip("link", "del", "eth0")
    container.ip("link", "add", "eth0", "type", "veth", "peer", "name", "other")


HARMS: dict[str, Callable[[Container], object]] = {
    "own end gone": lambda one: one.ip("link", "del", "eth0"),
    "own end down": lambda one: one.ip("link", "set", "eth0", "down"),
    "address gone": lambda one: one.ip("addr", "flush", "dev", "eth0"),
    "wired elsewhere": replace_by_another,
}


@pytest.mark.parametrize("harm", HARMS)
def test_check_finds_each_harm(host: Host, network: Network, harm: str) -> None:
    one, two = host.container(), host.container()
    network.add(one).result()
    network.add(two).result()
    HARMS[harm](one)
    assert "eth0" in network.check(one).error()["details"]
    if harm == "wired elsewhere":
        one.ip("link", "del", "eth0")  # not ours to remove


def test_del_removes_nothing_that_is_not_ours(host: Host, network: Network) -> None:
    one, two = host.container(), host.container()
    network.add(one).result()
    network.add(two).result()
    replace_by_another(one)
    network.delete(one).assert_silent_success()
    assert "eth0" in one.links()
    one.ip("link", "del", "eth0")


DELETIONS: dict[str, dict[str, Any]] = {
    "no netns": {"environment": {"CNI_NETNS": None}},
    "no ledger": {},
    "bad config": {"config": {"mode": "string", "ipam": 5}},
}


@pytest.mark.parametrize("how", DELETIONS)
def test_del_needs_only_identity(host: Host, network: Network, how: str) -> None:
    one, two = host.container(), host.container()
    network.add(one).result()
    network.add(two).result()
    changes = DELETIONS[how]
    if how == "no ledger":
        LEDGER.unlink()
    network.delete(one, **changes).assert_silent_success()
    assert one.links() == {"lo"}
    network.delete(two, **changes).assert_silent_success()
    assert two.links() == {"lo"}


def test_gc_removes_both_ends_at_once(host: Host, network: Network) -> None:
    one, two = host.container(), host.container()
    network.add(one).result()
    network.add(two).result()
    network.plugin.run(
        {"CNI_COMMAND": "GC"},
        json.dumps({**network.config, "cni.dev/valid-attachments": []}),
    ).assert_silent_success()
    assert one.links() == two.links() == {"lo"}
    assert host_ends() == []
    with closing(sqlite3.connect(LEDGER)) as ledger:
        assert ledger.execute("select count(*) from wire").fetchone() == (0,)
