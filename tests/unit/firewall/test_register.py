"""The firewall's records: who has what, what collides, and what nobody has any more."""

from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from cni_bridge.address import parse, parse_prefix
from cni_bridge.errors import PortInUse
from cni_bridge.firewall import nft_elements, port_records
from cni_bridge.firewall.model import Element, Firewall, FirewallConfig, PublishedPort, Ruleset
from cni_bridge.firewall.register import _ELEMENTS, _INTERVALS, Register
from cni_bridge.lean.record import replace
from cni_bridge.ledger import database, host_ledger, state_directory, store
from cni_bridge.model import Attachment

TCP, UDP = 6, 17


@pytest.fixture
def register(tmp_path: Path) -> Iterator[Register]:
    """Yield an empty register."""
    with closing(store.open_ledger(str(tmp_path))) as ledger:
        yield Register(ledger.database)


def attachment(container: str, network: str = "net") -> Attachment:
    return Attachment(network=network, container=container, ifname="eth0")


def port(number: int, host_ip: str = "", protocol: int = TCP) -> PublishedPort:
    return PublishedPort(
        protocol=protocol,
        host_port=number,
        container_port=80,
        host_ip=parse(host_ip) if host_ip else b"",
    )


def guard(
    register: Register,
    who: Attachment,
    *ports: PublishedPort,
    bridge: str = "cni0",
    **rules: object,
) -> Firewall:
    want = Firewall(
        bridge=bridge,
        host_name="veth01",
        mac=None,
        addresses=(parse("10.88.0.2"), parse("fd00:88::2")),
        subnets=(parse_prefix("10.88.0.0/16"),),
        rules=FirewallConfig(ports=ports, **rules),  # type: ignore[arg-type]  # any field
    )
    own = nft_elements.of_attachment(want)
    with register.transaction():
        register.insert(who, nft_elements.of_network(want), own)
    return want


def delete(register: Register, *attachments: Attachment) -> tuple[Element, ...]:
    with register.transaction():
        return register.delete(attachments)


def drop_flags(register: Register, network: Iterable[Element]) -> tuple[Element, ...]:
    with register.transaction():
        return register.drop_flags("net", network)


def names(listed: "tuple[Element, ...]") -> list[str]:
    return sorted(item.set_name for item in listed)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (port(80), port(80)),
        (port(80), port(80, "192.0.2.1")),
        (port(80, "192.0.2.1"), port(80)),
        (port(80, "0.0.0.0"), port(80, "192.0.2.1")),
        (port(80, "192.0.2.1"), port(80, "192.0.2.1")),
        (port(80, "::"), port(80, "fd00::1")),
    ],
)
def test_a_host_port_has_one_holder_who_is_named(
    register: Register, first: PublishedPort, second: PublishedPort
) -> None:
    guard(register, attachment("c1"), first)
    with pytest.raises(PortInUse) as caught:
        guard(register, attachment("c2"), second)
    assert "80/tcp is held by container c1 on network net" in caught.value.msg
    assert "since 20" in caught.value.details
    assert not register.has(attachment("c2")), "all of it or nothing"
    assert register.of_attachment(attachment("c2")) == ()


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (port(80), port(81)),
        (port(80), port(80, protocol=UDP)),
        (port(80, "192.0.2.1"), port(80, "192.0.2.2")),
        (port(80, "0.0.0.0"), port(80, "::")),
    ],
)
def test_ports_that_differ_do_not_collide(
    register: Register, first: PublishedPort, second: PublishedPort
) -> None:
    guard(register, attachment("c1"), first)
    guard(register, attachment("c2"), second)


def run(first: int, count: int, host_ip: str = "") -> PublishedPort:
    return replace(port(first, host_ip), container_port=first, count=count)


def numbers(items: Iterable[Element]) -> list[str]:
    """Return the IPv4 ports of elements, like `8000+4`."""
    own = [item for item in items if nft_elements.is_port(item) and item.set_name[4] == "4"]
    ports = map(nft_elements.published_port, own)
    return sorted(f"{each.host_port}+{each.count}" for each in ports)


@pytest.mark.parametrize(
    ("first", "second", "refused"),
    [
        (run(8000, 100), run(8050, 100), "8050-8099"),
        (run(8050, 100), run(8000, 100), "8050-8099"),
        (run(8000, 100), run(8010, 5), "8010-8014"),
        (run(8000, 100), run(8000, 5), "8000-8004"),
        (run(8000, 100), port(8099), "8099"),
        (run(8000, 100), port(8000), "8000"),
        (port(8000), run(8000, 100), "8000"),
        (port(8099), run(8000, 100), "8099"),
        (run(8000, 100), port(8099, "192.0.2.1"), "192.0.2.1:8099"),
        (port(8050, "192.0.2.1"), run(8000, 100), "8050"),
        (run(8000, 100, "192.0.2.1"), run(8099, 2, "192.0.2.1"), "192.0.2.1:8099"),
    ],
)
def test_the_holder_of_one_port_of_a_range_is_named(
    register: Register, first: PublishedPort, second: PublishedPort, refused: str
) -> None:
    guard(register, attachment("c1"), first)
    with pytest.raises(PortInUse) as caught:
        guard(register, attachment("c2"), second)
    assert caught.value.msg == f"host port {refused}/tcp is held by container c1 on network net"
    assert register.of_attachment(attachment("c2")) == ()


@pytest.mark.parametrize(
    "second", [run(8100, 9), run(7990, 10), run(8000, 100, "192.0.2.2"), port(7999), port(8100)]
)
def test_ranges_beside_one_another_do_not_collide(
    register: Register, second: PublishedPort
) -> None:
    guard(register, attachment("c1"), run(8000, 100, "192.0.2.1" if second.host_ip else ""))
    guard(register, attachment("c2"), second)


def test_networks_of_one_container_share_a_range_port_by_port(register: Register) -> None:
    one, two, three = (attachment("c1", name) for name in ("one", "two", "three"))
    guard(register, one, run(8010, 5))
    guard(register, two, run(8000, 100))
    guard(register, three, run(8012, 1), run(9000, 1))
    assert numbers(register.of_attachment(two)) == ["8000+10", "8015+85"]
    assert numbers(register.waiting(two)) == ["8010+5"]
    assert numbers(register.of_attachment(three)) == ["9000+1"]
    with register.transaction():
        found = register.hand_over(register.delete((one,)))
    assert numbers(found) in (["8010+5"], ["8010+2", "8012+1", "8013+2"]), "whoever is first"
    with register.transaction():
        register.hand_over(register.delete((two,)))
    assert numbers(register.of_attachment(three)) == ["8012+1", "9000+1"]
    assert register.waiting(three) == ()


def test_a_container_may_say_more_about_one_of_its_own_ports(register: Register) -> None:
    guard(register, attachment("c1"), port(80), port(80, "192.0.2.1"))
    assert names(register.of_attachment(attachment("c1"))) == ["port4", "port4_at", "port6"]


def test_a_port_is_free_after_its_holder(register: Register) -> None:
    guard(register, attachment("c1"), port(80))
    delete(register, attachment("c1"))
    guard(register, attachment("c2"), port(80))


def test_the_network_goes_with_its_last_attachment(register: Register) -> None:
    for name in ("c1", "c2"):
        guard(register, attachment(name), masquerades=True)
    # Both have the same addresses, so nothing of the first is anybody else's.
    assert delete(register, attachment("c1")) == ()
    gone = delete(register, attachment("c2"))
    assert names(gone) == ["bridges", "masq4", "masq6", "same_bridge", "subnet4"]
    assert register.everything() == ()


def test_what_two_networks_share_goes_with_the_second(register: Register) -> None:
    one, two = attachment("c1", "one"), attachment("c2", "two")
    guard(register, one, isolation="on")
    guard(register, two)
    assert names(delete(register, one)) == ["isolated"]
    gone = delete(register, two)
    assert names(gone) == ["bridges", "same_bridge", "subnet4"]


def test_many_are_deleted_at_once(register: Register) -> None:
    everybody = [attachment(f"c{number}") for number in range(20)]
    for number, who in enumerate(everybody):
        guard(register, who, port(1000 + number))
    gone = delete(register, *everybody)
    assert names(gone).count("port4") == 20
    assert register.everything() == ()


def test_a_flag_that_the_config_no_longer_has_is_dropped(register: Register) -> None:
    guard(register, attachment("c1"), isolation="strict")
    want = guard(register, attachment("c2"), isolation="on")
    network = nft_elements.of_network(want)
    assert names(drop_flags(register, network)) == ["strict"]
    assert "strict" not in names(register.of_network("net"))


def test_a_flag_stays_where_the_network_has_another_bridge_by_now(register: Register) -> None:
    guard(register, attachment("c1"), isolation="on")
    want = guard(register, attachment("c2"), bridge="cni1")
    network = nft_elements.of_network(want)
    assert drop_flags(register, network) == ()


def test_a_table_is_remembered_as_it_was_loaded(register: Register) -> None:
    assert register.ruleset(1) is None
    loaded = Ruleset(boot_id="b", digest="d", handle=7, rules=46)
    with register.transaction():
        register.loaded(1, loaded)
    assert register.ruleset(1) == loaded


def test_a_transaction_that_fails_is_undone(register: Register) -> None:
    def insert_and_fail() -> None:
        with register.transaction():
            register.insert(attachment("c1"), (), ())
            raise InterruptedError

    with pytest.raises(InterruptedError):
        insert_and_fail()
    assert not register.has(attachment("c1"))


def test_the_hosts_ledger_has_the_register_whatever_ledger_a_network_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(state_directory, "HOST", str(tmp_path / "host"))
    elsewhere = store.open_ledger(str(tmp_path / "elsewhere"))
    who = attachment("c1")
    assert host_ledger.find_register(elsewhere, (who,)) is None
    guard(host_ledger.open_register(elsewhere), who, port(80))
    hosts = store.open_ledger(str(tmp_path / "host"))
    for ledger in (elsewhere, hosts, None):
        found = host_ledger.find_register(ledger, (who,))
        assert found
        assert found.has(who)
        assert host_ledger.protected(ledger, "net") == (who,)
        assert host_ledger.find_register(ledger, (attachment("other"),)) is None


def test_subnets_are_found_without_reading_what_all_containers_have(tmp_path: Path) -> None:
    opened = database.created(str(tmp_path), 1)
    query = f"explain query plan {_ELEMENTS}{_INTERVALS}"
    steps = [row[3] for row in opened.select(query, *nft_elements.INTERVALS)]
    opened.close()
    assert any(step.startswith("SEARCH element USING INDEX element_of_set") for step in steps), (
        steps
    )


def test_ports_of_many_containers_are_compared_by_number(tmp_path: Path) -> None:
    """Reading all of an attachment's ports once for each rival took 2 s of an ADD with 10,000."""
    opened = database.created(str(tmp_path), 1)
    query = f"explain query plan {port_records._CLASHES_OF_MANY}"
    steps = [row[3] for row in opened.select(query, "net", "a", "eth0")]
    opened.close()
    found = [step.partition(" (")[0] for step in steps if step.startswith("SEARCH other")]
    assert found == [
        "SEARCH other USING INDEX element_of_port",
        "SEARCH other USING INDEX element_of_run",
    ]


@pytest.mark.parametrize("before", ["a", "z"])
def test_many_ports_are_compared_with_those_of_others(register: Register, before: str) -> None:
    many = [port(number) for number in range(1000, 1000 + 2 * port_records.MANY, 2)]
    guard(register, attachment(before), port(1010, "192.0.2.1"))
    with pytest.raises(PortInUse, match="host port 1010/tcp is held by container"):
        guard(register, attachment("m"), *many)
    others = [each for each in many if each.host_port != 1010]
    for _ in range(2):  # what is recorded stays
        want = guard(register, attachment("m"), *others)
        assert set(register.of_attachment(attachment("m"))) == set(nft_elements.of_attachment(want))
