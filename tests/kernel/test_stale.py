"""The dead give back what is wanted, addresses and host ports, and nobody who may live does."""

import os
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from cni_bridge.attachments import NAMESERVERS
from tests.kernel.conftest import MakeNetwork
from tests.lab import ROOT, Container, Host, Json, Network
from tests.lab.iproute import ip, ip_json
from tests.lab.namespaces import mount
from tests.lab.network import Attachment, addresses_in
from tests.lab.nft import held, ports
from tests.lab.paused import paused
from tests.lab.publish import mapping, publish
from tests.lab.state import LEDGER
from tests.lab.waiting import wait_until

MS_REMOUNT = 32  # linux/mount.h
EXHAUSTED, NOT_AVAILABLE, PORT_IN_USE = 100, 50, 103
THREE = {"ranges": [[{"subnet": "10.88.0.0/29", "rangeEnd": "10.88.0.4"}]]}


@pytest.fixture
def version() -> str:
    """Who is dead does not depend on the spec version."""
    return "1.1.0"


@pytest.fixture
def full(host: Host, network: Network) -> list[Container]:
    """Three containers that have all there is."""
    network.config["ipam"].update(THREE)
    containers = [host.container() for _ in range(3)]
    for each in containers:
        network.add(each).result()
    return containers


def sql(statement: str, *values: object) -> list[tuple[object, ...]]:
    """Look into the ledger, or changes it, behind the plugin's back."""
    with closing(sqlite3.connect(LEDGER)) as ledger, ledger:
        return ledger.execute(statement, values).fetchall()


@contextmanager
def no_space() -> Iterator[None]:
    """Move the ledger to a file system that has no byte left for a journal, until the end."""
    content = LEDGER.read_bytes()
    mount("tmpfs", LEDGER.parent, "tmpfs", options=f"mode=0700,size={len(content)}")
    LEDGER.touch(0o600)
    LEDGER.write_bytes(content)
    yield
    mount("none", LEDGER.parent, flags=MS_REMOUNT, options="mode=0700,size=10m")


def die(container: Container) -> None:
    """Delete the container's namespace, and with it its interfaces, without a DEL."""
    before = len(ip_json("link"))
    container.delete()
    wait_until(lambda: len(ip_json("link")) < before)


def test_a_full_range_gives_the_addresses_of_the_dead(
    full: list[Container], host: Host, network: Network
) -> None:
    assert network.do("STATUS", full[0], "eth0").error()["code"] == NOT_AVAILABLE
    die(full[1])
    network.do("STATUS", full[0], "eth0").assert_silent_success()
    run = network.add(host.container())
    assert addresses_in(run.result()) == ["10.88.0.3/29"]
    assert (
        f"reclaimed 10.88.0.3/29 from stale attachment {full[1].name}/eth0 (network testnet)"
        in run.stderr
    )
    assert network.add(host.container()).error()["code"] == EXHAUSTED
    network.results.pop(next(each for each in network.results if each.container == full[1]))


def test_an_address_that_is_asked_for_is_taken_from_the_dead(
    full: list[Container], host: Host, network: Network
) -> None:
    die(full[1])
    wish = {"runtimeConfig": {"ips": ["10.88.0.3"]}}
    assert addresses_in(network.add(host.container(), config=wish).result()) == ["10.88.0.3/29"]


def test_a_container_that_comes_back_after_a_crash_is_not_in_its_own_way(
    full: list[Container], network: Network
) -> None:
    die(full[1])
    full[1].create()
    network.add(full[1]).result()
    assert full[1].can_ping("10.88.0.1")


def test_records_of_another_boot_hold_nothing(
    full: list[Container], host: Host, network: Network
) -> None:
    for container in full[:2]:
        ip(
            "link",
            "del",
            str(sql("select host_name from holding where container = ?", container.name)[0][0]),
        )
    sql("update holding set boot_id = 'another' where container <> ?", full[2].name)
    for name in (full[0], host.container()):  # one of them under its old name
        network.add(name).result()
    assert full[2].can_ping("10.88.0.1")


def test_published_ports_of_the_dead_lead_nowhere_when_their_address_is_given_again(
    host: Host, network: Network
) -> None:
    network.config["ipam"].update(THREE)
    ports = [{"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}]
    network.config.update({"ipMasq": True, "runtimeConfig": {"portMappings": ports}})
    dead = host.container()
    network.add(dead).result()
    network.config["runtimeConfig"] = {}
    for _ in range(2):
        network.add(host.container()).result()
    die(dead)
    network.add(host.container()).result()
    command = ("nft", "list", "map", "inet", "cni_bridge", "port4")
    assert "8080" not in subprocess.run(command, capture_output=True, text=True, check=True).stdout


def published_by_the_dead(host: Host, network: Network) -> Container:
    """Return a container that has had host port 8080, in vain; its address is gone from the host's memory."""
    network.config["ipMasq"] = True
    dead = host.container()
    publish(network, dead, mapping(8080), mapping(8081, protocol="udp")).result()
    die(dead)
    return dead


@pytest.mark.parametrize("own", [None, "/run/elsewhere"], ids=["host's ledger", "its own ledger"])
def test_a_host_port_is_taken_from_the_dead(
    own: str | None, host: Host, make_network: MakeNetwork
) -> None:
    network = make_network({"dataDir": own} if own else None)
    dead = published_by_the_dead(host, network)
    run = publish(network, host.container(), mapping(8080))
    assert addresses_in(run.result())[0] == "10.88.0.3/16"
    assert (
        f"reclaimed the host ports of 10.88.0.2/16, fd00:88::2/64 from stale attachment {dead.name}/"
        in run.stderr
    )
    assert ports("port4") == ["tcp 8080 -> 10.88.0.3 80"]
    assert ports("port6") == ["tcp 8080 -> fd00:88::3 80"]
    assert held("masq4") == ["10.88.0.3"]
    network.delete(dead).assert_silent_success()
    assert ports("port4") == ["tcp 8080 -> 10.88.0.3 80"]


def test_host_ports_of_several_dead_on_other_networks_are_taken(
    host: Host, make_network: MakeNetwork
) -> None:
    other = make_network(name="other", bridge="cni1")
    dead = [host.container() for _ in range(2)]
    for number, each in enumerate(dead):
        publish(other, each, mapping(8080 + number)).result()
    for each in dead:
        die(each)
    network = make_network()
    publish(network, host.container(), mapping(8080), mapping(8081)).result()
    assert ports("port4") == ["tcp 8080 -> 10.88.0.2 80", "tcp 8081 -> 10.88.0.2 80"]
    assert sql("select network from holding") == [("testnet",)]


@pytest.mark.parametrize(
    "doubt",
    [
        "update holding set is_confirmed = 0, pid = {pid}",  # an ADD may be at work
        "update holding set netns_inode = 0",  # another plugin has made the interface
        "update holding set netns_path = x'2f', netns_device = {root[0]}, netns_inode = {root[1]}",
    ],
)
def test_on_doubt_a_host_port_stays_with_its_holder(
    doubt: str, host: Host, network: Network
) -> None:
    dead = published_by_the_dead(host, network)
    before, root = ports("port4"), os.stat("/")
    sql(doubt.format(pid=os.getpid(), root=(root.st_dev, root.st_ino)))
    error = publish(network, host.container(), mapping(8080)).error()
    assert error["code"] == PORT_IN_USE
    assert error["msg"].endswith(f"is held by container {dead.name} on network testnet")
    assert ports("port4") == before


def test_a_host_port_stays_with_a_holder_whose_record_is_in_a_ledger_that_nobody_named(
    host: Host, make_network: MakeNetwork
) -> None:
    other = make_network({"dataDir": "/run/elsewhere"}, name="other", bridge="cni1")
    dead = published_by_the_dead(host, other)
    error = publish(make_network(), host.container(), mapping(8080)).error()
    assert error["code"] == PORT_IN_USE
    assert error["msg"].endswith(f"is held by container {dead.name} on network other")


def test_a_host_port_is_taken_from_a_container_that_has_no_interface(
    host: Host, network: Network
) -> None:
    first = host.container()
    publish(network, first, mapping(8080)).result()
    first.ip("link", "del", "eth0")
    publish(network, host.container(), mapping(8080)).result()
    assert ports("port4") == ["tcp 8080 -> 10.88.0.3 80"]


@pytest.mark.parametrize(
    "doubt",
    [
        "update holding set is_confirmed = 0, pid = {pid}",  # an ADD may be at work
        "update holding set netns_inode = 0",  # another plugin has made the interface
        "update holding set netns_path = x'2f', netns_device = {root[0]}, netns_inode = {root[1]}",
    ],
)
def test_on_doubt_nothing_is_reclaimed(
    doubt: str, full: list[Container], host: Host, network: Network
) -> None:
    die(full[1])
    root = os.stat("/")
    sql(doubt.format(pid=os.getpid(), root=(root.st_dev, root.st_ino)))
    assert network.add(host.container()).error()["code"] == EXHAUSTED
    assert network.do("GC", full[0], "eth0").status == 0
    assert sql("select count(*) from lease") == [(3,)]


def test_a_container_without_its_interface_can_be_added_again(
    full: list[Container], network: Network
) -> None:
    """As after a DEL that had no space to delete the record."""
    full[1].ip("link", "del", "eth0")
    assert addresses_in(network.add(full[1]).result()) == ["10.88.0.3/29"]
    assert network.add(full[0]).error()["code"] == 102


def test_a_container_that_is_being_added_is_not_added_again(
    full: list[Container], network: Network
) -> None:
    """It has no interface yet, but the ADD that will create it runs."""
    full[1].ip("link", "del", "eth0")
    sql(f"update holding set is_confirmed = 0, pid = {os.getpid()}")
    assert network.add(full[1]).error()["code"] == 102
    assert sql("select count(*) from lease") == [(3,)]


@pytest.mark.parametrize("command", ["ADD", "GC"])
def test_what_a_del_without_space_has_left_is_free(
    command: str, full: list[Container], host: Host, network: Network
) -> None:
    with no_space():
        run = network.delete(full[1])
        assert (run.status, "its record is left" in run.stderr) == (0, True)
    assert sql("select count(*) from holding") == [(3,)]
    if command == "GC":
        network.do("GC", full[0], "eth0").assert_silent_success()
        assert sql("select container from holding order by 1") == [(full[0].name,), (full[2].name,)]
    run = network.add(host.container())
    assert addresses_in(run.result()) == ["10.88.0.3/29"]
    said = f"reclaimed 10.88.0.3/29 from stale attachment {full[1].name}/eth0 (network testnet)"
    assert (said in run.stderr) == (command == "ADD")
    assert network.add(host.container()).error()["code"] == EXHAUSTED


@pytest.mark.parametrize(
    "doubt",
    [
        "update holding set is_confirmed = 0, pid = 4194304",  # an ADD, in another pid namespace
        "update holding set netns_inode = 0",  # another plugin has made the interface
        "update holding set bridge = null, mac = null",  # a wire, which has no host end
    ],
)
def test_on_doubt_a_container_without_its_interface_keeps_its_address(
    doubt: str, full: list[Container], host: Host, network: Network
) -> None:
    full[1].ip("link", "del", "eth0")
    sql(doubt)
    assert network.add(host.container()).error()["code"] == EXHAUSTED


def test_a_container_whose_host_end_was_renamed_keeps_its_address(
    full: list[Container], host: Host, network: Network
) -> None:
    name = sql("select host_name from holding where container = ?", full[1].name)[0][0]
    ip("link", "set", str(name), "name", "renamed0")
    assert network.add(host.container()).error()["code"] == EXHAUSTED
    ip("link", "set", "renamed0", "name", str(name))


def test_gc_without_a_list_frees_what_is_dead(full: list[Container], network: Network) -> None:
    die(full[1])
    network.do("GC", full[0], "eth0").assert_silent_success()
    assert sql("select container from holding order by 1") == [(full[0].name,), (full[2].name,)]


@pytest.mark.parametrize("key", ["cni.dev/valid-attachments", "cni.dev/attachments"])
def test_gc_with_a_malformed_list_touches_nothing(
    key: str, full: list[Container], network: Network
) -> None:
    die(full[2])
    before = sql("select * from holding")
    good = {"containerID": full[0].name, "ifname": "eth0"}
    bad_items: tuple[object, ...] = (
        5,
        None,
        {},
        [],
        {**good, "containerID": ["a"]},
        {**good, "ifname": ""},
        {**good, "ifname": "e" * 400},
        {**good, "ifname": "a/b"},
        {**good, "ifname": "\u001b["},
        {**good, "containerID": f"../{full[0].name}"},
        {**good, "containerID": f"{full[0].name}\n"},
    )
    for listed in ({}, "", 0, False, {"0": good}, *([good, item] for item in bad_items)):
        error = network.do("GC", full[0], "eth0", config={key: listed}).error()
        assert (error["code"], sql("select * from holding")) == (7, before), listed
        assert error["msg"].startswith(f"{key}: expected ")
    assert full[1].can_ping("10.88.0.1")


def test_gc_keeps_what_either_of_both_lists_names(full: list[Container], network: Network) -> None:
    one, two = ([{"containerID": each.name, "ifname": "eth0"}] for each in full[:2])
    both = {"cni.dev/valid-attachments": one, "cni.dev/attachments": two}
    network.do("GC", full[0], "eth0", config=both).assert_silent_success()
    assert sql("select container from holding order by 1") == [(full[0].name,), (full[1].name,)]


def test_gc_with_null_for_a_list_frees_what_is_stale(
    full: list[Container], network: Network
) -> None:
    die(full[1])
    nothing = {"cni.dev/valid-attachments": None, "cni.dev/attachments": None}
    network.do("GC", full[0], "eth0", config=nothing).assert_silent_success()
    assert sql("select container from holding order by 1") == [(full[0].name,), (full[2].name,)]


def test_gc_leaves_an_add_in_flight_alone(full: list[Container], network: Network) -> None:
    sql(
        "update holding set is_confirmed = 0, pid = ? where container = ?",
        os.getpid(),
        full[1].name,
    )
    network.do("GC", full[0], "eth0", config={"cni.dev/valid-attachments": []})
    assert sql("select container from holding") == [(full[1].name,)]
    assert full[1].can_ping("10.88.0.1")
    assert full[0].links() == {"lo"}


# It has read the records, or all interfaces as well.
@pytest.mark.parametrize(("call", "path"), [("sendto", ""), ("%file", NAMESERVERS)])
def test_a_gc_that_resumes_late_leaves_what_was_added_meanwhile(
    call: str, path: str, full: list[Container], network: Network, tmp_path: Path
) -> None:
    call_of = Attachment(full[0])
    nothing: Json = {"cni.dev/valid-attachments": []}
    with paused(network, "GC", call_of, tmp_path / "strace", at=call, path=path, config=nothing):
        network.delete(full[1]).assert_silent_success()
        network.add(full[1]).result()
    assert full[1].can_ping("10.88.0.1")
    network.check(full[1]).assert_silent_success()
    assert sql("select container from holding") == [(full[1].name,)]
    assert full[0].links() == full[2].links() == {"lo"}


def test_a_ledger_of_the_first_version_is_used(host: Host, network: Network) -> None:
    LEDGER.parent.mkdir(0o700)
    shutil.copy(ROOT / "tests/data/ledger/v1.sqlite", LEDGER)
    assert addresses_in(network.add(host.container("new")).result())[0] == "10.88.0.4/16"
    network.delete(Container("web")).assert_silent_success()
    network.delete(Container("db")).assert_silent_success()
