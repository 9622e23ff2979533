"""What a network's nameserver survives: kills, lost files, a missing dnsmasq, a full disk."""

import os
import shutil
import signal
import sqlite3
import subprocess
from contextlib import closing, suppress
from pathlib import Path

import pytest

from tests.kernel.conftest import GATEWAY4
from tests.kernel.test_firewall_accidents import without
from tests.kernel.test_nameserver import DOMAIN, add, called
from tests.lab import Host, Network, dns
from tests.lab.dns import addresses, servers
from tests.lab.namespaces import mount
from tests.lab.state import LEDGER
from tests.lab.waiting import wait_until


@pytest.fixture
def version() -> str:
    """Return names do not depend on the spec version."""
    return "1.1.0"


def recorded() -> set[str]:
    """Return the containers that the ledger knows."""
    with closing(sqlite3.connect(LEDGER)) as ledger:
        return {name for (name,) in ledger.execute("select container from holding")}


def test_a_dead_server_is_started_by_the_next_add_or_del(host: Host, named: Network) -> None:
    web, db, more = host.container(), host.container(), host.container()
    web4, _ = add(named, web, "web")
    add(named, db, "db")
    for turn in (lambda: add(named, more, "more"), lambda: named.delete(more)):
        (server,) = servers()
        os.kill(server, signal.SIGKILL)
        wait_until(lambda: servers() == [])
        error = named.check(web, **called("web")).error()
        assert (error["code"], "dnsmasq is not running" in error["details"]) == (120, True)
        turn()
        assert addresses(db, GATEWAY4, "web") == [web4]


@pytest.mark.parametrize("command", ["DEL", "GC"])
def test_names_are_removed_without_a_server(
    host: Host, named: Network, tmp_path: Path, command: str
) -> None:
    """dnsmasq can't start: what DEL and GC remove is gone, and an ADD that fails leaves nothing."""
    web, db, more = host.container(), host.container(), host.container()
    add(named, web, "web")
    db4, _ = add(named, db, "db")
    before = dns.hosts()
    (server,) = servers()
    with without("dnsmasq", tmp_path):
        os.kill(server, signal.SIGKILL)
        wait_until(lambda: servers() == [])
        assert named.add(more, **called("more")).error()["code"] == 113
        assert dns.hosts() == before
        assert recorded() == {web.name, db.name}
        if command == "DEL":
            run = named.delete(web)
        else:
            valid = [{"containerID": db.name, "ifname": "eth0"}]
            run = named.do("GC", web, "eth0", config={"cni.dev/valid-attachments": valid})
        assert run.status == 0, run
        assert "has no nameserver now" in run.stderr
        assert "web" not in dns.hosts()
        assert recorded() == {db.name}
    add(named, more, "more")
    assert addresses(more, GATEWAY4, "db") == [db4]
    assert addresses(more, GATEWAY4, "web") == []


def test_names_are_removed_from_a_full_disk(host: Host, named: Network) -> None:
    dns.BASE.mkdir()
    mount("tmpfs", dns.BASE, "tmpfs", options="mode=0755,size=64k")
    web, db = host.container(), host.container()
    add(named, web, "web")
    db4, _ = add(named, db, "db")
    with (dns.BASE / "filler").open("wb", buffering=0) as filler, suppress(OSError):
        while True:
            filler.write(bytes(4096))
    run = named.delete(web)
    assert run.status == 0, run
    (dns.BASE / "filler").unlink()
    assert "the next ADD starts it" in run.stderr
    add(named, web, "again")
    assert addresses(web, GATEWAY4, "db") == [db4]
    assert addresses(web, GATEWAY4, "web") == []
    for each in (web, db):
        named.delete(each).assert_silent_success()
    subprocess.run(("umount", str(dns.BASE)), check=True)


@pytest.mark.parametrize("lost", ["names", "ledger", "both"])
def test_lost_directories_come_back_with_the_next_add(
    host: Host, named: Network, lost: str
) -> None:
    web, db, more = host.container(), host.container(), host.container()
    web4, _ = add(named, web, "web", "www")
    add(named, db, "db")
    if lost != "ledger":
        shutil.rmtree(dns.BASE)
    if lost != "names":
        shutil.rmtree("/run/cni-bridge")
    add(named, more, "more")
    assert len(servers()) == 1
    for name in ("web", "www"):
        assert addresses(db, GATEWAY4, name) == [web4]
    for container in (web, db, more):
        named.delete(container).assert_silent_success()
    assert servers() == []


def test_another_domain_counts_for_all_from_the_next_add(host: Host, named: Network) -> None:
    web, db = host.container(), host.container()
    web4, _ = add(named, web, "web")
    named.config["nameserver"] = {"domain": "example.org"}
    add(named, db, "db")
    assert addresses(db, GATEWAY4, "web.example.org") == [web4]
    assert addresses(db, GATEWAY4, f"web.{DOMAIN}") == []
    assert len(servers()) == 1


def test_a_failed_add_leaves_neither_name_nor_server(host: Host, named: Network) -> None:
    container, late = host.container(), host.container()
    late.ip("link", "add", "eth0", "type", "veth", "peer", "name", "other")
    host.remember()
    assert named.add(late, **called("late")).error()["code"] == 112
    assert servers() == []
    add(named, container, "web")
    assert named.add(late, **called("late")).error()["code"] == 112
    assert "late" not in dns.hosts()
    assert addresses(container, GATEWAY4, "late") == []


def test_gc_takes_names_out(host: Host, named: Network) -> None:
    kept, stale = host.container(), host.container()
    add(named, kept, "kept")
    add(named, stale, "stale")
    valid = [{"containerID": kept.name, "ifname": "eth0"}]
    named.do(
        "GC", kept, "eth0", config={"cni.dev/valid-attachments": valid}
    ).assert_silent_success()
    assert addresses(kept, GATEWAY4, "stale") == []
    assert addresses(kept, GATEWAY4, "kept") != []


def test_without_dnsmasq_add_and_status_say_so(host: Host, named: Network, tmp_path: Path) -> None:
    with without("dnsmasq", tmp_path):
        container = host.container()
        error = named.add(container, **called("web")).error()
        assert (error["code"], error["msg"]) == (113, "dnsmasq is not installed")
        assert "install" in error["details"]
        host.assert_as_before()
        error = named.do("STATUS", container, "eth0").error()
        assert (error["code"], error["msg"]) == (50, "dnsmasq is not installed")


def test_an_add_says_what_keeps_dnsmasq_from_its_files(
    host: Host, named: Network, tmp_path: Path
) -> None:
    refused = "dnsmasq: cannot read /run/cni-bridge-dns/net/dnsmasq.conf: Permission denied"
    with without("dnsmasq", tmp_path, f"#!/bin/sh\necho '{refused}' >&2; exit 1\n"):
        error = named.add(host.container(), **called("web")).error()
    assert error["code"] == 113
    assert error["details"].startswith(f"{refused}\nAppArmor or SELinux must allow dnsmasq")
    host.assert_as_before()
