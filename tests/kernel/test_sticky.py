"""`ipam.sticky`: a container's name gets the address, MAC and random host ports that it had last."""

import sqlite3
from contextlib import closing
from typing import Any

import pytest

from tests.kernel.conftest import MakeNetwork
from tests.kernel.test_cli_networks import DIRECTORY
from tests.kernel.test_stale import die, sql
from tests.lab import Container, Host, Network
from tests.lab.clinic import write
from tests.lab.network import addresses_in
from tests.lab.nft import ports
from tests.lab.people import command, printed, printed_json
from tests.lab.plugin import Json
from tests.lab.publish import publish

FOUR = {"ranges": [[{"subnet": "10.88.0.0/29", "rangeEnd": "10.88.0.5"}]]}
IN_USE = 101


@pytest.fixture
def version() -> str:
    """Who gets which address does not depend on the spec version."""
    return "1.1.0"


@pytest.fixture(autouse=True)
def sticky(network: Network) -> None:
    """Let the network remember, with four addresses: 10.88.0.2 to 10.88.0.5."""
    network.config["ipam"].update(FOUR, sticky=True)


def named(name: str, namespace: str = "shop") -> dict[str, str | None]:
    """Return the environment that tells a container's name."""
    return {"CNI_ARGS": f"IgnoreUnknown=1;K8S_POD_NAMESPACE={namespace};K8S_POD_NAME={name}"}


def add(host: Host, network: Network, name: str, **more: Any) -> Container:
    """Attach a new container of that name."""
    container = host.container()
    network.add(container, environment=named(name), **more).result()
    return container


def address(container: Container) -> str:
    """Return the only IPv4 address without the length."""
    (own,) = [each for each in container.addresses() if "." in each]
    return own.partition("/")[0]


def published(container: str = "") -> int:
    """Return the only published host port, or the one that leads to that address."""
    (port,) = [each for each in ports("port4") if f"-> {container}" in each]
    return int(port.split(" ")[1])


def forget_cool_down() -> None:
    sql("update resting set freed = 0")


def test_a_name_gets_its_address_and_mac_again_and_check_agrees(
    host: Host, network: Network
) -> None:
    first = add(host, network, "web")
    held, mac = address(first), first.link()["address"]
    network.delete(first).assert_silent_success()
    assert address(add(host, network, "other")) != held
    again = add(host, network, "web")
    assert (address(again), again.link()["address"]) == (held, mac)
    network.check(again).assert_silent_success()
    network.delete_all()
    host.assert_as_before()


@pytest.mark.parametrize("keeps_key", [True, False], ids=["sticky", "not any more"])
@pytest.mark.parametrize("environment", [named("zed2"), {}], ids=["named", "nameless"])
def test_no_mac_is_in_the_way_that_nobody_requested(
    host: Host, network: Network, environment: dict[str, str | None], keeps_key: bool
) -> None:
    network.config["macspoofchk"] = True
    first = add(host, network, "zed")
    mac = first.link()["address"]
    network.delete(first).assert_silent_success()
    heir = add(host, network, "zed")
    assert heir.link()["address"] == mac
    network.config["ipam"]["sticky"] = keeps_key
    result = network.add(first, environment=environment).result()  # its derived MAC is the heir's
    own = first.link()["address"]
    assert own != mac
    assert own in {each["mac"] for each in result["interfaces"]}
    for each in (first, heir):
        network.check(each).assert_silent_success()
    assert first.can_ping(address(heir))
    asked = {"runtimeConfig": {"mac": own}}
    assert network.add(host.container(), config=asked).error()["code"] == IN_USE  # it is recorded
    network.delete(first).assert_silent_success()
    network.delete(heir).assert_silent_success()
    assert (network.add(first).result(), first.link()["address"])[1] == mac


def test_an_address_that_a_foreign_device_has_is_forgotten(
    host: Host, make_network: MakeNetwork
) -> None:
    network = make_network(enabledad=True)
    network.config["ipam"] |= {"sticky": True, "ranges": [[{"subnet": "fd00:88::/64"}]]}
    first, squatter = add(host, network, "web"), add(host, network, "squatter")
    (mine,) = (each for each in first.addresses() if each.startswith("fd00"))
    network.delete(first).assert_silent_success()
    squatter.ip("addr", "add", mine, "dev", "eth0", "nodad")
    error = network.add(host.container(), environment=named("web")).error()
    assert (error["code"], "duplicate" in error["msg"]) == (IN_USE, True)
    again = host.container()
    result = network.add(again, environment=named("web")).result()
    assert addresses_in(result) not in ([], [mine])
    network.check(again).assert_silent_success()


def test_names_of_other_namespaces_and_containers_without_a_name_get_others(
    host: Host, network: Network
) -> None:
    first = add(host, network, "web")
    network.delete(first).assert_silent_success()
    forget_cool_down()
    # Three addresses are left for others, in whichever order: none of them is the remembered one.
    others = [host.container() for _ in range(3)]
    network.add(others[0]).result()
    network.add(others[1], environment=named("web", "another")).result()
    network.add(others[2], environment=named("web", "third")).result()
    assert "10.88.0.2" not in map(address, others)
    assert address(add(host, network, "web")) == "10.88.0.2"


def test_a_second_container_of_the_name_gets_another_address_and_mac(
    host: Host, network: Network
) -> None:
    first, second = add(host, network, "web"), add(host, network, "web")
    assert address(first) != address(second)
    assert first.link()["address"] != second.link()["address"]
    for each in (first, second):
        network.check(each).assert_silent_success()
    assert second.can_ping(address(first))


def test_people_see_who_remembers_what(host: Host, network: Network) -> None:
    DIRECTORY.mkdir(parents=True)
    write(DIRECTORY, network.config)
    asker = add(host, network, "asker")
    gone = add(host, network, "web")
    held = address(gone)
    network.delete(gone).assert_silent_success()
    shown = printed("show", "testnet")
    assert "1 name of deleted containers\n" in shown
    assert f" shop/web {held}\n" in shown
    assert printed_json("show", "--json")["networks"][0]["remembered"] == 1
    told = command("explain", "shop/asker", f"{held}:80").stdout
    assert "testnet keeps it for the next container named shop/web" in told
    network.delete(asker).assert_silent_success()


def test_when_all_is_remembered_the_longest_unused_goes_first(host: Host, network: Network) -> None:
    containers = [add(host, network, name) for name in "abcd"]
    held = dict(zip("abcd", map(address, containers), strict=True))
    for at in (2, 0, 3, 1):  # c is gone first
        network.delete(containers[at]).assert_silent_success()
    sql("update remembered set used = used + instr('cadb', name)")  # in the same millisecond?
    forget_cool_down()
    stranger = host.container()
    network.add(stranger).result()
    assert address(stranger) == held["c"]
    assert address(add(host, network, "a")) == held["a"]
    assert address(add(host, network, "new")) == held["d"]
    assert address(add(host, network, "d")) == held["b"]  # its own is taken: never at that price


def test_an_address_that_several_names_remember_counts_as_used_when_the_last_one_left(
    host: Host, network: Network
) -> None:
    containers = [add(host, network, name) for name in "abcd"]
    for each in containers:
        network.delete(each).assert_silent_success()
    sql("update remembered set used = used - 32000 + instr('abcd', name)")
    sql("update resting set freed = freed - 32000")
    found = []
    for name in "fghi":
        found.append(address(container := add(host, network, name)))
        network.delete(container).assert_silent_success()
    assert found == ["10.88.0.2", "10.88.0.3", "10.88.0.4", "10.88.0.5"]
    # All four are cooling down: the one that was freed first.
    assert address(add(host, network, "j")) == "10.88.0.2"


def test_an_address_that_cools_down_comes_after_those_that_are_remembered(
    host: Host, network: Network
) -> None:
    for each in [add(host, network, name) for name in "abc"]:
        network.delete(each).assert_silent_success()
    sql("update resting set freed = freed - 32000")
    nameless = host.container()
    network.add(nameless).result()
    assert address(nameless) == "10.88.0.5"  # no name has had it
    network.delete(nameless).assert_silent_success()
    assert address(add(host, network, "d")) == "10.88.0.2"


@pytest.mark.parametrize(
    "wish", [{"runtimeConfig": {"ips": ["10.88.0.4"]}}, {"args": {"cni": {"ips": ["10.88.0.4"]}}}]
)
def test_a_requested_address_wins_and_is_remembered(
    host: Host, network: Network, wish: Json
) -> None:
    network.delete(add(host, network, "web")).assert_silent_success()
    asked = add(host, network, "web", config=wish)
    assert address(asked) == "10.88.0.4"
    network.delete(asked).assert_silent_success()
    assert address(add(host, network, "web")) == "10.88.0.4"


def test_a_time_forgets_and_no_name_is_remembered_without_the_key(
    host: Host, network: Network
) -> None:
    network.config["ipam"]["sticky"] = "1h"
    network.delete(add(host, network, "web")).assert_silent_success()
    sql("update remembered set used = used - 3601000")
    network.delete(add(host, network, "other")).assert_silent_success()
    assert set(sql("select name from remembered")) == {("other",)}
    network.config["ipam"]["sticky"] = False
    network.delete(add(host, network, "third")).assert_silent_success()
    assert set(sql("select name from remembered")) == {("other",)}
    network.config["ipam"]["sticky"] = "1 hour"
    assert network.add(host.container(), environment=named("web")).error()["code"] == 7


def test_gc_forgets_the_names_of_a_network_that_is_not_sticky_any_more(
    host: Host, network: Network
) -> None:
    network.delete(add(host, network, "web")).assert_silent_success()
    living = add(host, network, "db")
    network.do("GC", living, "eth0").assert_silent_success()
    assert set(sql("select name from remembered")) == {("db",), ("web",)}
    network.config["ipam"]["sticky"] = False
    DIRECTORY.mkdir(parents=True)
    write(DIRECTORY, network.config)
    said = "the names of network testnet, which is not sticky any more\n"
    assert printed("gc", "--dry-run") == f"would forget {said}"
    assert printed("gc") == f"forgot {said}"
    assert printed("gc") == "nothing to clean up\n"
    network.config["ipam"]["sticky"] = True
    network.delete(living).assert_silent_success()
    network.delete(add(host, network, "web")).assert_silent_success()
    network.config["ipam"]["sticky"] = False
    network.do("GC", living, "eth0").assert_silent_success()
    assert sql("select name from remembered") == []


def test_a_time_that_is_over_counts_before_the_address_is_looked_up(
    host: Host, network: Network
) -> None:
    network.config["ipam"]["sticky"] = "2s"
    first = add(host, network, "web")
    held, mac = address(first), first.link()["address"]
    network.delete(first).assert_silent_success()
    sql("update remembered set used = used - 2001")
    again = add(host, network, "web")
    assert address(again) != held
    assert again.link()["address"] != mac


@pytest.mark.parametrize(
    ("time", "words"),
    [
        ("0s", "expected a time from 1s to 99999d, found '0s'"),
        ("0d", "expected a time from 1s to 99999d, found '0d'"),
        ("100000d", "expected a time from 1s to 99999d, found '100000d'"),
        ("", "expected true, false or a time such as 24h, found ''"),
    ],
)
def test_a_time_that_can_not_be_meant_is_refused(
    host: Host, network: Network, time: str, words: str
) -> None:
    network.config["ipam"]["sticky"] = time
    error = network.add(host.container(), environment=named("web")).error()
    assert (error["code"], error["msg"]) == (7, f"ipam.sticky: {words}")


def test_after_a_crash_or_reboot_the_name_takes_its_address_from_the_dead(
    host: Host, network: Network
) -> None:
    dead = add(host, network, "web")
    held, mac = address(dead), dead.link()["address"]
    die(dead)
    again = host.container()
    run = network.add(again, environment=named("web"))
    assert addresses_in(run.result()) == [f"{held}/29"]
    assert again.link()["address"] == mac
    assert f"reclaimed {held}/29 from stale attachment {dead.name}/eth0" in run.stderr
    network.results.pop(next(each for each in network.results if each.container == dead))


def test_random_host_ports_stay_with_the_name_unless_taken(host: Host, network: Network) -> None:
    network.config["ipMasq"] = True
    container = host.container()
    mapping = {"hostPort": 0, "containerPort": 80, "protocol": "tcp"}
    changes: dict[str, Any] = {
        "environment": named("web"),
        "config": {"runtimeConfig": {"portMappings": [mapping]}},
    }
    network.add(container, **changes).result()
    number = published()
    network.check(container, **changes).assert_silent_success()
    network.delete(container).assert_silent_success()
    again = host.container()
    network.add(again, **changes).result()
    assert published() == number
    network.delete(again).assert_silent_success()
    taken = host.container()
    publish(network, taken, {**mapping, "hostPort": number}).result()
    last = host.container()
    network.add(last, **changes).result()
    assert published("10.88.0.2") != number
    network.check(last, **changes).assert_silent_success()


def test_memory_is_bounded(host: Host, network: Network) -> None:
    network.delete(add(host, network, "web")).assert_silent_success()
    with closing(sqlite3.connect("/run/cni-bridge/ledger.sqlite")) as ledger, ledger:
        ledger.executemany(
            "insert into remembered values ('testnet', ?, '', 'eth0', 'address 0', ?, ?)",
            [(f"n{each}", each.to_bytes(4, "big"), each) for each in range(9000)],
        )
        newest = "(select max(used) from remembered where name = 'web')"
        ledger.execute(f"update remembered set used = {newest} - 10000 + used where used < 9000")
    add(host, network, "new")
    assert sql("select count(*) from remembered") == [(8192,)]
    assert sql("select count(*) from remembered where name in ('web', 'new')") == [(4,)]
