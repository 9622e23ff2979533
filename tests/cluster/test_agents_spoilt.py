"""What becomes of hosts whose store answers, but is not what it was: full, restored, tampered with."""

import ipaddress
import signal
import time
from pathlib import Path
from typing import Any

from tests.lab.agents import Node, Nodes, nodes
from tests.lab.waiting import wait_until

TTL = 4
LONG = 120  # seconds of a membership that is not renewed by itself while a test runs
SOON_S = 10
SMALL: dict[str, Any] = {"network": "10.64.0.0/24", "blockSize": 27, "ipv6": False}


def test_a_full_store_takes_no_lease_from_those_who_have_one() -> None:
    """It reads and renews, and writes nothing: who needs one more block keeps those that he has."""
    with nodes(1, ttl=TTL, **SMALL) as hosts:
        hosts.start()
        hosts.store.kill()
        hosts.store.start("--quota-backend-bytes", str(1 << 20))
        _fill(hosts)
        for _ in range(20):
            hosts[1].container()
        wait_until(lambda: "database space exceeded" in hosts[1].log())
        hosts[1].stop()
        hosts[1].start()
        time.sleep(2 * TTL)
        assert hosts[1].status().status == 0, hosts[1].log()
        hosts[1].container()
        hosts[1].tidy()


def test_a_block_that_a_restored_store_does_not_know_is_leased_again_at_once(
    tmp_path: Path,
) -> None:
    """By who has slept meanwhile, too: nothing failed there."""
    with nodes(2, ttl=LONG, **SMALL) as hosts:
        hosts.start()
        hosts.store.save(tmp_path / "backup")
        for count in (20, 15):  # of 29 in a block
            for _ in range(count):
                hosts[1].container()
            wait_until(lambda: list(hosts.blocks().values()).count("host-1") >= 2)
        before = hosts.blocks()
        hosts[1].tell(signal.SIGSTOP)
        hosts.store.kill()
        for member in hosts.store.members:
            member.restore(tmp_path / "backup")
        hosts.store.start()
        hosts[1].tell(signal.SIGCONT)
        began = time.monotonic()
        wait_until(lambda: before.items() <= hosts.blocks().items())
        assert time.monotonic() - began < SOON_S
        for node in hosts.nodes.values():
            node.tidy()


def test_a_host_that_was_made_no_member_is_one_again_at_once() -> None:
    with nodes(2, ttl=LONG, **SMALL) as hosts:
        hosts.start()
        before = hosts.blocks()
        hosts.store.ctl("del", "/cni-bridge/pods/members/host-1")
        began = time.monotonic()
        wait_until(lambda: hosts.members() == {"host-1", "host-2"})
        assert time.monotonic() - began < SOON_S
        hosts.settle()
        assert hosts.blocks() == before


def _fill(hosts: Nodes) -> None:
    for number in range(60):
        if hosts.store.fails("put", f"/others/{number}", "x" * 60_000):
            return
    raise AssertionError("the store is never full")


def test_a_record_that_is_none_is_told_and_takes_no_lease() -> None:
    with nodes(1, ttl=TTL, **SMALL) as hosts:
        hosts.start()
        for _ in range(20):
            hosts[1].container()
        wait_until(lambda: len(hosts.blocks()) == 2)
        used = max(hosts.blocks(), key=lambda block: _used(hosts[1], block))
        key = f"/cni-bridge/pods/blocks/{used.replace('/', '-')}"
        hosts[1].stop()
        hosts.store.ctl("put", key, "spoilt")
        hosts[1].start()
        wait_until(lambda: f"the value of {key} is not a record of a block" in hosts[1].log())
        time.sleep(2 * TTL)
        assert "Traceback" not in hosts[1].log()
        assert hosts[1].log().count("is no record") == 1
        assert hosts[1].status().status == 0
        hosts[1].tidy()


def _used(node: Node, block: str) -> int:
    subnet = ipaddress.ip_network(block)
    return sum(
        ipaddress.ip_address(each) in subnet for some in node.addresses.values() for each in some
    )


def test_members_that_are_not_one_etcd_are_refused() -> None:
    """As they are where each was started alone, before it was told of the others."""
    with nodes(1, **SMALL) as hosts:
        hosts.store.kill()
        for member in hosts.store.members:
            member.forget()
            member.start("--initial-cluster", member.alone)
        hosts[1].start()
        wait_until(lambda: "they are different etcd clusters" in hosts[1].log())
        assert hosts[1].add().error()["code"] == 11
