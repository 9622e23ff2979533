"""Ranges of published ports: one element whatever their size, with the conflicts of single ports."""

import re
import sqlite3
from contextlib import closing

import pytest

from tests.kernel.conftest import MakeNetwork
from tests.lab import Host, Json, Network
from tests.lab.nft import nft, ports
from tests.lab.people import printed
from tests.lab.publish import mapping, publish, publishing
from tests.lab.state import LEDGER
from tests.lab.town import Town
from tests.traffic.rows import published

RANGE = mapping(20000, 20000, range=10_000)
RUN = [mapping(number, number) for number in range(20000, 30000)]
BOTH = [[RANGE], RUN]


@pytest.fixture
def version() -> str:
    """Ports are the same in every version of the spec."""
    return "1.1.0"


def test_no_rule_swaps_bytes_that_newer_kernels_refuse(host: Host, network: Network) -> None:
    publish(network, host.container(), RANGE).result()
    swaps = re.findall(r"hton\(reg \d+, (\d+), (\d+)\)", nft("--debug=netlink", "list", "ruleset"))
    assert [(size, length) for size, length in swaps if int(length) % int(size)] == []


def test_one_port_of_hundreds_that_another_container_has_is_named(
    host: Host, network: Network
) -> None:
    publish(network, host.container(), mapping(8200), mapping(9003, 9003, range=10)).result()
    for taken in (8200, 9004):
        many = [mapping(number, 80) for number in range(taken - 300, taken + 2, 2)]
        error = publish(network, host.container(), *many).error()
        assert f"host port {taken}/tcp is held by container c1" in error["msg"]
    many = [mapping(number, 80) for number in range(8301, 8701, 2)]
    publish(network, host.container(), *many).result()
    assert len(ports("port4")) == 1 + len(many)


@pytest.mark.parametrize("asked", BOTH, ids=["range", "run"])
def test_consecutive_ports_are_one_element(asked: list[Json], host: Host, network: Network) -> None:
    container = host.container()
    publish(network, container, *asked).result()
    assert ports("span4") == ["tcp 20000 29999 -> 10.88.0.2"]
    assert ports("span6") == ["tcp 20000 29999 -> fd00:88::2"]
    assert ports("port4") == []
    for config in (*(publishing(*each) for each in BOTH), {}):
        network.check(container, config=config).assert_silent_success()
    assert "20000-29999/tcp to 20000-29999" in printed("show")
    network.delete(container).assert_silent_success()
    assert ports("span4") == ports("span6") == []


def test_a_range_is_missed_and_comes_back(host: Host, network: Network) -> None:
    container = host.container()
    network.config["ipMasq"] = True
    asked = [mapping(8000, 8000, range=100, protocol="udp", hostIP="127.0.0.1"), mapping(80)]
    publish(network, container, *asked).result()
    assert ports("span4_at") == ["127.0.0.1 udp 8000 8099 -> 10.88.0.2"]
    nft("flush", "map", "inet", "cni_bridge", "span4_at")
    error = network.check(container, config=publishing(*asked)).error()
    assert "expected host port 127.0.0.1:8000-8099/udp, found none" in error["details"]
    assert network.do("STATUS", container, "eth0").error()["code"] == 51
    printed("restore")
    network.check(container, config=publishing(*asked)).assert_silent_success()
    nft("flush", "ruleset")
    network.add(host.container()).result()
    assert ports("span4_at") == ["127.0.0.1 udp 8000 8099 -> 10.88.0.2"]
    more = network.check(container, config=publishing(*asked, mapping(8100, 8100, range=2))).error()
    assert "ledger: expected host port 8100-8101/tcp, found none" in more["details"]


def test_one_port_of_a_range_that_another_container_has_is_named(
    host: Host, network: Network
) -> None:
    first, second, third = (host.container() for _ in range(3))
    publish(network, first, RANGE).result()
    wanted = mapping(19990, 19990, range=20), mapping(25000), mapping(29999, hostIP="127.0.0.1")
    for port, found in zip(wanted, ("20000-20009", "25000", "127.0.0.1:29999"), strict=True):
        error = publish(network, second, port).error()
        text = f"host port {found}/tcp is held by container c1 on network testnet"
        assert (error["code"], error["msg"]) == (103, text)
    publish(network, second, mapping(30000, 30000, range=5)).result()
    error = publish(network, third, mapping(20000, 20000, range=20_000)).error()
    assert "is held by container c1" in error["msg"]
    network.delete(first).assert_silent_success()
    error = publish(network, third, mapping(20000, 20000, range=20_000)).error()
    assert "host port 30000-30004/tcp is held by container c2" in error["msg"]
    publish(network, third, RANGE).result()


def test_two_networks_of_a_container_share_a_range(host: Host, make_network: MakeNetwork) -> None:
    one, two = (
        make_network(
            name=f"n{number}",
            bridge=f"br{number}",
            ipam={"ranges": [[{"subnet": f"10.{number}.0.0/24"}]]},
        )
        for number in (1, 2)
    )
    container, other = host.container(), host.container()
    few, many = publishing(mapping(20100, 20100, range=10)), publishing(RANGE)
    one.add(container, "eth0", config=few).result()
    two.add(container, "eth1", config=many).result()
    assert ports("span4") == [
        "tcp 20000 20099 -> 10.2.0.2",
        "tcp 20100 20109 -> 10.1.0.2",
        "tcp 20110 29999 -> 10.2.0.2",
    ]
    one.check(container, "eth0", config=few).assert_silent_success()
    two.check(container, "eth1", config=many).assert_silent_success()
    assert publish(two, other, mapping(20105)).error()["code"] == 103
    one.delete(container, "eth0").assert_silent_success()
    assert "tcp 20100 20109 -> 10.2.0.2" in ports("span4")
    two.check(container, "eth1", config=many).assert_silent_success()
    one.add(container, "eth0", config=few).result()
    two.delete(container, "eth1").assert_silent_success()
    assert ports("span4") == ["tcp 20100 20109 -> 10.1.0.3"]


def test_ports_that_an_older_version_published_one_by_one_stay(
    host: Host, network: Network
) -> None:
    """Its ledger has an element for each port, and its table no map of ranges."""
    old, new = host.container(), host.container()
    run = publishing(mapping(8000, 8000, range=3))
    network.add(old, config=run).result()
    with closing(sqlite3.connect(LEDGER)) as ledger, ledger:
        ((network_key, container, ifname),) = ledger.execute(
            "select network, container, ifname from element where set_name = 'span4'"
        ).fetchall()
        ledger.execute("delete from element where set_name in ('span4', 'span6')")
        for name, address in (
            ("port4", "0a580002"),
            ("port6", "fd00008800000000" + "0" * 15 + "2"),
        ):
            for number in range(8000, 8003):
                key = bytes((6, 0, 0, 0, *number.to_bytes(2, "big"), 0, 0))
                data = bytes.fromhex(address) + number.to_bytes(2, "big") + b"\0\0"
                row = (name, key, None, data, network_key, container, ifname)
                ledger.execute("insert into element values (?, ?, ?, ?, ?, ?, ?)", row)
        ledger.execute("update ruleset set digest = 'older'")
    nft("flush", "ruleset")
    network.add(new, config=publishing(mapping(9000, 9000, range=2))).result()
    assert ports("port4") == [f"tcp {number} -> 10.88.0.2 {number}" for number in range(8000, 8003)]
    assert ports("span4") == ["tcp 9000 9001 -> 10.88.0.3"]
    network.check(old, config=run).assert_silent_success()
    error = publish(network, host.container(), mapping(7999, 7999, range=3)).error()
    assert "host port 8000/tcp is held by container c1" in error["msg"]
    network.delete(old).assert_silent_success()
    assert ports("port4") == ports("port6") == []


def test_a_range_is_found_again_when_the_ledger_is_lost(host: Host, network: Network) -> None:
    first, second = host.container(), host.container()
    publish(network, first, RANGE).result()
    LEDGER.unlink()
    assert publish(network, second, mapping(25000)).error()["code"] == 103
    network.check(first, config=publishing(RANGE)).assert_silent_success()
    network.delete(first).assert_silent_success()
    assert ports("span4") == []


def test_a_range_that_a_process_listens_in_is_refused(town: Town) -> None:
    town.network("a")
    error = town.try_to_attach("a1", mapping(8999, 8999, range=5)).error()
    assert "host port 9000/tcp is held by process" in error["msg"]


def test_a_range_is_bounded_and_has_one_target(host: Host, network: Network) -> None:
    for wanted, text in (
        ([mapping(65000, 65000, range=1000)], "expected ports up to 65535"),
        (
            [mapping(8000, 8000, range=10), mapping(8005, 80)],
            "mapped to two container ports, 80 and 8005",
        ),
    ):
        error = publish(network, host.container(), *wanted).error()
        assert (error["code"], text in error["msg"]) == (7, True), error


def test_every_port_of_a_range_answers_by_its_own_number(town: Town) -> None:
    """The containers' servers are on ports 80 and 81."""
    town.network("a")
    town.network("b")
    town.attach("a1", *published(80, 80, range=2))
    town.attach("a2", *published(8080, 80, range=2))  # other numbers inside
    questions = [
        (asker, "host", port, protocol, family)
        for asker in ("world", "a1")
        for port in (80, 81, 8080, 8081)
        for protocol in ("tcp", "udp")
        for family in (4, 6)
    ]
    wanted = [
        f"{'a2' if port > 8000 else 'a1'}:{80 + port % 2} saw "
        + (asker if asker == "world" else "gateway-a")
        for asker, _, port, _, _ in questions
    ]
    assert town.ask_all(questions) == wanted
    assert town.ask("host", "loopback", 81) == "a1:81 saw gateway-a"
    assert town.ask("world", "host", 82) == "refused"
    assert printed("explain", "192.0.2.1:81").count("to 10.1.0.2:81 of ") == 1
