"""What the firewall does, as elements of its sets: every rule by example."""

import pytest

from cni_bridge.address import parse, parse_prefix
from cni_bridge.firewall import nft_elements
from cni_bridge.firewall.model import Element, Firewall, FirewallConfig, PublishedPort
from cni_bridge.lean.record import replace

TCP, UDP = 6, 17
BRIDGE = b"cni0".ljust(16, b"\0")
VETH = b"veth01".ljust(16, b"\0")
IP4, IP6 = parse("10.88.0.2"), parse("fd00:88::2")
LOCAL = parse("fe80::ff:fe00:1")  # of 02:00:00:00:00:01
PLAIN = Firewall(
    bridge="cni0",
    host_name="veth01",
    mac=None,
    addresses=(IP4, IP6),
    subnets=(parse_prefix("10.88.0.0/16"), parse_prefix("fd00:88::/64")),
    rules=FirewallConfig(),
)


def with_rules(**rules: object) -> Firewall:
    return replace(PLAIN, rules=FirewallConfig(**rules))  # type: ignore[arg-type]  # any field


def sets(listed: "tuple[Element, ...]") -> list[str]:
    return [item.set_name for item in listed]


def published(*ports: PublishedPort) -> "list[tuple[str, bytes, bytes | None]]":
    listed = nft_elements.of_attachment(with_rules(ports=ports))
    return [(item.set_name, item.key, item.data) for item in listed]


def test_a_network_is_its_bridge_and_its_subnets() -> None:
    assert nft_elements.of_network(PLAIN) == (
        Element(set_name="bridges", key=BRIDGE),
        Element(set_name="same_bridge", key=BRIDGE + BRIDGE),
        Element(
            set_name="subnet4",
            key=BRIDGE + parse("10.88.0.0"),
            key_end=BRIDGE + parse("10.88.255.255"),
        ),
        Element(
            set_name="subnet6",
            key=BRIDGE + parse("fd00:88::"),
            key_end=BRIDGE + parse("fd00:88::ffff:ffff:ffff:ffff"),
        ),
    )
    assert nft_elements.of_attachment(PLAIN) == ()


@pytest.mark.parametrize(
    ("rules", "flags"),
    [
        ({"isolation": "on"}, ["isolated"]),
        ({"isolation": "strict"}, ["isolated", "strict"]),
        ({"is_internal": True}, ["internal"]),
        ({"allows_icc": False}, ["no_icc"]),
        ({"is_closed": True}, ["closed"]),
    ],
)
def test_a_flag_of_the_network_is_its_bridge_in_a_set(
    rules: dict[str, object], flags: list[str]
) -> None:
    listed = nft_elements.of_network(with_rules(**rules))
    assert [name for name in sets(listed) if name in nft_elements.FLAGS] == flags


def test_masquerading_is_for_each_address() -> None:
    listed = nft_elements.of_attachment(with_rules(masquerades=True))
    assert listed == (Element(set_name="masq4", key=IP4), Element(set_name="masq6", key=IP6))


def test_a_port_is_published_in_each_family_that_the_container_has() -> None:
    port = PublishedPort(protocol=TCP, host_port=8080, container_port=80)
    key = b"\x06\0\0\0\x1f\x90\0\0"
    assert published(port) == [
        ("port4", key, IP4 + b"\0\x50\0\0"),
        ("port6", key, IP6 + b"\0\x50\0\0"),
    ]


@pytest.mark.parametrize(("host_ip", "name"), [("0.0.0.0", "port4"), ("::", "port6")])
def test_a_wildcard_publishes_in_its_own_family_alone(host_ip: str, name: str) -> None:
    port = PublishedPort(protocol=UDP, host_port=53, container_port=53, host_ip=parse(host_ip))
    assert [item[0] for item in published(port)] == [name]


def test_a_host_address_is_part_of_the_key() -> None:
    listens = parse("192.0.2.1")
    port = PublishedPort(protocol=TCP, host_port=80, container_port=80, host_ip=listens)
    key = listens + b"\x06\0\0\0\0\x50\0\0"
    assert published(port) == [("port4_at", key, IP4 + b"\0\x50\0\0")]


@pytest.mark.parametrize(
    ("rules", "name"),
    [({"translates_source": False}, "snat_off4"), ({"translates_every_source": True}, "snat_all4")],
)
def test_source_translation_matters_with_published_ports_alone(
    rules: dict[str, bool], name: str
) -> None:
    ports = (PublishedPort(protocol=TCP, host_port=80, container_port=80),)
    assert Element(set_name=name, key=IP4) in nft_elements.of_attachment(
        with_rules(**rules, ports=ports)
    )
    assert nft_elements.of_attachment(with_rules(**rules)) == ()


def test_guards_know_the_host_end_with_its_mac_and_addresses() -> None:
    guarded = replace(
        with_rules(checks_mac=True, checks_ip=True), mac=bytes.fromhex("020000000001")
    )
    assert [(item.set_name, item.key) for item in nft_elements.of_attachment(guarded)] == [
        ("mac_guarded", VETH),
        ("mac_ok", VETH + bytes.fromhex("0200000000010000")),
        ("ip_guarded", VETH),
        ("ip4_ok", VETH + IP4),
        ("ip6_ok", VETH + IP6),
        ("nd_ok", VETH + IP6),
        ("ip6_ok", VETH + LOCAL),
        ("nd_ok", VETH + LOCAL),
    ]


def test_a_subnet_inside_of_another_is_left_to_that_one() -> None:
    wide, narrow = (
        replace(PLAIN, subnets=(parse_prefix(text),)) for text in ("10.0.0.0/8", "10.88.0.0/16")
    )
    elsewhere = replace(narrow, bridge="cni1")
    subnets = [nft_elements.of_network(each)[-1] for each in (wide, narrow, elsewhere)]
    assert nft_elements.effective(subnets) == {subnets[0], subnets[2]}
    assert nft_elements.effective(subnets[1:]) == set(subnets[1:])


def test_a_published_port_can_be_read_back() -> None:
    port = PublishedPort(protocol=TCP, host_port=443, container_port=80, host_ip=parse("fd00::1"))
    (item,) = nft_elements.of_attachment(with_rules(ports=(port,)))
    assert nft_elements.port_of(item) == (TCP, 443, parse("fd00::1"))
    assert nft_elements.address_behind(item) == IP6
    assert nft_elements.describe(item) == "host port fd00::1:443/tcp"
    assert nft_elements.bridge_of(nft_elements.of_network(PLAIN)[0]) == "cni0"


@pytest.mark.parametrize("host_ip", [bytes(4), bytes(16), bytes((192, 0, 2, 1))])
@pytest.mark.parametrize(("to", "count"), [(53, 1), (5353, 1), (5353, 2), (5353, 10_000)])
def test_a_published_port_is_read_back_whole(host_ip: bytes, to: int, count: int) -> None:
    port = PublishedPort(
        protocol=17, host_port=5353, container_port=to, host_ip=host_ip, count=count
    )
    leads_to = bytes((10,) * len(host_ip))
    (item,) = nft_elements.of_port(host_ip, leads_to, port)
    assert nft_elements.published_port(item) == port
    assert nft_elements.address_behind(item) == leads_to


def test_consecutive_ports_with_other_numbers_in_the_container_are_elements_of_their_own() -> None:
    port = PublishedPort(protocol=TCP, host_port=8000, container_port=9000, count=3)
    made = nft_elements.of_port(bytes(4), IP4, port)
    found = [nft_elements.published_port(item) for item in made]
    assert [(each.host_port, each.container_port, each.count) for each in found] == [
        (8000, 9000, 1),
        (8001, 9001, 1),
        (8002, 9002, 1),
    ]


def test_ports_are_found_in_whatever_elements_they_are() -> None:
    def made(first: int, count: int) -> tuple[Element, ...]:
        port = PublishedPort(protocol=TCP, host_port=first, container_port=first, count=count)
        return nft_elements.of_port(bytes(4), IP4, port)

    single = [item for number in range(80, 84) for item in made(number, 1)]
    (run,) = made(80, 4)
    assert list(nft_elements.uncovered([run], single)) == []
    assert list(nft_elements.uncovered(single, [run])) == []
    assert list(nft_elements.uncovered([run], single[1:])) == list(made(80, 1))
    assert list(nft_elements.uncovered([run], made(81, 2))) == [*made(80, 1), *made(83, 1)]
    assert nft_elements.overlapping([run], single[2:]) == [run]
    assert nft_elements.overlapping(single, made(82, 9)) == single[2:]
    assert nft_elements.overlapping([run], made(84, 9)) == []
