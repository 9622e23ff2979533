"""What becomes of hosts whose store answers, but is not what it was: full, restored, tampered with."""

import ipaddress
import signal
import time
from base64 import b64decode
from pathlib import Path
from typing import Any

from tests.lab.agents import Node, Nodes, nodes
from tests.lab.iproute import ip
from tests.lab.waiting import wait_until

TTL = 4
LONG = 120  # seconds of a membership that is not renewed by itself while a test runs
SOON_S = 10
HOST = '{"name": "h", "boot_id": "b", "addresses": ["192.0.2.77"], "mtu": 1500}'
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


def test_a_host_whose_records_were_taken_or_changed_writes_them_again_at_once() -> None:
    """The others would not reach its containers, for as long as its agent runs."""
    with nodes(2, ttl=LONG, **SMALL) as hosts:
        hosts.start()
        before, described = hosts.blocks(), _described(hosts, "host-1")
        for words in (
            ("del", "/cni-bridge/pods/members/host-1"),
            ("del", "/cni-bridge/pods/hosts/host-1"),
            ("put", "/cni-bridge/pods/hosts/host-1", "spoilt"),
            ("put", "/cni-bridge/pods/hosts/host-1", described.replace("1500", "9000")),
        ):
            hosts.store.ctl(*words)
            began = time.monotonic()
            wait_until(
                lambda: (
                    hosts.members() == {"host-1", "host-2"}
                    and _described(hosts, "host-1") == described
                )
            )
            assert time.monotonic() - began < SOON_S
            hosts.settle()
            assert hosts.blocks() == before


def _described(hosts: Nodes, host: str) -> str:
    found = hosts.store.ctl("get", f"/cni-bridge/pods/hosts/{host}").get("kvs", ())
    return "".join(b64decode(each.get("value", "")).decode() for each in found)


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
        name = f"blocks/{used.replace('/', '-')}"
        hosts[1].stop()
        hosts.store.ctl("put", f"/cni-bridge/pods/{name}", "spoilt")
        hosts[1].start()
        wait_until(lambda: f"the malformed record '{name}'" in hosts[1].log())
        time.sleep(2 * TTL)
        assert "Traceback" not in hosts[1].log()
        assert hosts[1].log().count("malformed record") == 1
        assert hosts[1].status().status == 0
        hosts[1].tidy()


def test_no_record_ends_or_blinds_an_agent() -> None:
    """Each is put while agents run, is there when they start again, and is named once a start."""
    junk = {
        "hosts/a": "[" * 100_000,
        "hosts/b": HOST.replace("1500", "Infinity"),
        "hosts/c": HOST.replace("1500", "7"),
        "hosts/d": HOST.replace("192.0.2.77", "nowhere"),
        "hosts/e": "{}",
        "blocks/10.64.0.224-27": '{"host": 7}',
        "blocks/10.64.0.64-32": '{"host": "c", "boot_id": "b"}',
        "blocks/x": "y",
        "members/\n": "",
        "pools/x": "",
    }
    with nodes(2, ttl=TTL, **SMALL) as hosts:
        hosts.start()
        for name, value in junk.items():
            hosts.store.ctl("put", f"/cni-bridge/pods/{name}", value)
        for _start in range(2):
            wait_until(lambda: "'blocks/x'" in hosts[1].log())
            time.sleep(TTL)  # without a renewal all leases would be over
            for node in hosts.nodes.values():
                assert "Traceback" not in node.log()
                assert "unexpected" not in node.log()
                node.container()
                node.stop()
                node.start()
        hosts.store.ctl("put", "/cni-bridge/pods/hosts/late", HOST)
        wait_until(lambda: "late" in (shot.view.hosts if (shot := hosts[1].seen()) else ()))
        assert hosts[1].log().count("'hosts/b'") == 3
        for node in hosts.nodes.values():
            node.tidy()


def test_the_gateway_of_an_empty_block_that_was_lost_leaves_the_bridge() -> None:
    """Or this host would not reach the containers of the block's next host."""
    with nodes(2, ttl=LONG, **SMALL) as hosts:
        hosts.start()
        hosts[1].container()
        hosts[1].tidy()
        (lost,) = (block for block, host in hosts.blocks().items() if host == "host-1")
        gateway = str(next(ipaddress.ip_network(lost).hosts()))
        with hosts[1].machine.entered():
            assert gateway in ip("address", "show", "cni0")
        hosts[1].stop()
        key = f"/cni-bridge/pods/blocks/{lost.replace('/', '-')}"
        hosts.store.ctl("put", key, '{"host": "host-2", "boot_id": "x"}')
        hosts[1].start()
        with hosts[1].machine.entered():
            wait_until(lambda: gateway not in ip("address", "show", "cni0"))
            wait_until(lambda: "via" in ip("route", "show", lost))
        assert "not leased to this host" not in hosts[1].log()


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
