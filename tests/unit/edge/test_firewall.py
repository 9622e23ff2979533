"""The firewall's keys of a config, and the ports that runtimes want published."""

import pytest

from cni_bridge.address import parse as ip
from cni_bridge.edge import codec, config, validators
from cni_bridge.errors import CniError
from cni_bridge.firewall.model import FirewallConfig, PublishedPort

Json = dict[str, object]
PLAIN: Json = {"cniVersion": "1.1.0", "name": "net", "type": "cni-bridge"}
TCP, UDP, SCTP = 6, 17, 132


def parse(document: Json) -> FirewallConfig | None:
    folded = codec.fold(PLAIN | document, validators.FOLD)
    return config.parse(config.prepare(folded, "ADD"), "", is_delegated=False).firewall


def ports(*mappings: Json) -> tuple[PublishedPort, ...]:
    wanted = parse({"runtimeConfig": {"portMappings": list(mappings)}})
    assert wanted
    return wanted.ports


def refusal(document: Json) -> CniError:
    with pytest.raises(CniError) as caught:
        parse(document)
    return caught.value


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"ipMasq": False, "isolation": "off", "icc": True},
        {"isolation": ""},
        {"hostAccess": "all"},
        {"snat": False, "masqAll": True},
        {"runtimeConfig": {"portMappings": []}},
        {"capabilities": {"portMappings": True}, "conditionsV4": []},
        {"ipMasqBackend": "iptables", "markMasqBit": 5, "externalSetMarkChain": "MARK"},
    ],
)
def test_the_firewall_has_nothing_to_do(document: Json) -> None:
    assert parse(document) is None


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ({"ipMasq": True}, FirewallConfig(masquerades=True)),
        ({"isolation": "on"}, FirewallConfig(isolation="on")),
        ({"Isolation": "strict"}, FirewallConfig(isolation="strict")),
        ({"internal": True}, FirewallConfig(is_internal=True, host_access="gateway")),
        ({"internal": True, "hostAccess": "all"}, FirewallConfig(is_internal=True)),
        ({"hostAccess": "none"}, FirewallConfig(host_access="none")),
        ({"closed": True}, FirewallConfig(is_closed=True)),
        ({"icc": False}, FirewallConfig(allows_icc=False)),
        ({"macspoofchk": True}, FirewallConfig(checks_mac=True)),
        ({"ipspoofchk": True}, FirewallConfig(checks_ip=True)),
    ],
)
def test_each_key_gives_it_something_to_do(document: Json, expected: FirewallConfig) -> None:
    assert parse(document) == expected


def test_keys_of_the_reference_portmap_are_taken_with_ports() -> None:
    mapping = {"hostPort": 80, "containerPort": 80}
    wanted = parse({"snat": False, "masqAll": True, "runtimeConfig": {"portMappings": [mapping]}})
    assert wanted
    assert (wanted.translates_source, wanted.translates_every_source) == (False, True)


def test_a_mapping_is_tcp_on_every_address_unless_it_says_otherwise() -> None:
    expected = PublishedPort(protocol=TCP, host_port=8080, container_port=80)
    assert ports({"HostPort": 8080, "CONTAINERPORT": 80}) == (expected,)
    assert ports({"hostPort": 8080, "containerPort": 80, "protocol": "", "hostIP": ""}) == (
        expected,
    )


@pytest.mark.parametrize(
    ("text", "number"), [("tcp", TCP), ("TCP", TCP), ("udp", UDP), ("Udp", UDP), ("SCTP", SCTP)]
)
def test_protocols_match_in_any_case(text: str, number: int) -> None:
    (port,) = ports({"hostPort": 1, "containerPort": 1, "Protocol": text})
    assert port.protocol == number


@pytest.mark.parametrize(
    ("text", "packed"),
    [
        ("127.0.0.1", ip("127.0.0.1")),
        ("0.0.0.0", bytes(4)),
        ("::", bytes(16)),
        ("[fd00::1]", ip("fd00::1")),
    ],
)
def test_a_host_address_is_of_either_family(text: str, packed: bytes) -> None:
    (port,) = ports({"hostPort": 1, "containerPort": 1, "hostIP": text})
    assert port.host_ip == packed


def test_the_same_mapping_twice_is_one() -> None:
    mapping: Json = {"hostPort": 80, "containerPort": 80}
    assert len(ports(mapping, mapping)) == 1


EVERY, ANY4, ANY6 = "", "0.0.0.0", "::"


@pytest.mark.parametrize(
    ("spellings", "kept"),
    [
        ((EVERY, ANY6), [b""]),
        ((ANY6, EVERY), [b""]),
        ((EVERY, ANY4), [b""]),
        ((ANY4, EVERY, ANY6, "[::]"), [b""]),
        ((ANY4, ANY6), [bytes(4), bytes(16)]),
        (("::ffff:0.0.0.0", ANY4), [bytes(4)]),
        ((EVERY, "192.0.2.1"), [b"", ip("192.0.2.1")]),
    ],
)
def test_every_address_includes_those_of_one_family(
    spellings: tuple[str, ...], kept: list[bytes]
) -> None:
    base: Json = {"hostPort": 8080, "containerPort": 80}
    found = ports(*({**base, "hostIP": each} for each in spellings))
    assert [port.host_ip for port in found] == kept


@pytest.mark.parametrize(
    "spellings", [(EVERY, ANY6), (ANY6, EVERY), (ANY4, EVERY), (EVERY, EVERY), (ANY6, "[::]")]
)
def test_no_spelling_leads_to_two_container_ports(spellings: tuple[str, str]) -> None:
    mappings = [
        {"hostPort": 8080, "containerPort": 80 + index, "hostIP": each}
        for index, each in enumerate(spellings)
    ]
    error = refusal({"runtimeConfig": {"portMappings": mappings}})
    assert error.code == 7
    assert "host port 8080 is mapped to two container ports, 80 and 81" in error.msg


def test_one_host_address_may_lead_elsewhere() -> None:
    mappings: list[Json] = [
        {"hostPort": 8080, "containerPort": 80},
        {"hostPort": 8080, "containerPort": 81, "hostIP": "192.0.2.1"},
        {"hostPort": 8080, "containerPort": 82, "protocol": "udp"},
    ]
    assert len(ports(*mappings)) == 3


@pytest.mark.parametrize("text", ["::1", "[::1]", "0:0::1"])
def test_a_port_cannot_be_published_on_the_loopback_of_ipv6(text: str) -> None:
    mapping = {"hostPort": 8080, "containerPort": 80, "hostIP": text}
    error = refusal({"runtimeConfig": {"portMappings": [mapping]}})
    assert error.code == 2
    assert f"portMappings[0].hostIP: a port cannot be published on {text}" in error.msg


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("224.0.0.1", "a multicast address"),
        ("239.255.255.255", "a multicast address"),
        ("[ff02::1]", "a multicast address"),
        ("255.255.255.255", "the broadcast address"),
        ("0.0.0.1", "an address of 0.0.0.0/8"),
    ],
)
def test_a_port_cannot_be_published_where_no_interface_is(text: str, kind: str) -> None:
    mapping = {"hostPort": 8080, "containerPort": 80, "hostIP": text}
    error = refusal({"runtimeConfig": {"portMappings": [mapping]}})
    expected = f"hostIP: expected an address of this host, found {text}, {kind}"
    assert (error.code, error.msg) == (7, f"runtimeConfig.portMappings[0].{expected}")


def test_host_port_zero_can_be_asked_for_several_times() -> None:
    assert (
        len(ports({"hostPort": 0, "containerPort": 80}, {"hostPort": 0, "containerPort": 81})) == 2
    )


@pytest.mark.parametrize(
    ("document", "code", "words"),
    [
        ({"conditionsV4": ["!", "-s", "192.0.2.0/24"]}, 2, "conditionsV4: conditions on published"),
        ({"conditionsV6": ["-d", "fd00::1"]}, 2, "found -d fd00::1"),
        ({"isolation": "yes"}, 7, "isolation: expected one of"),
        ({"isolation": True}, 7, "isolation: expected one of"),
        ({"markMasqBit": 32}, 7, "markMasqBit: expected a whole number, 0 to 31"),
    ],
)
def test_what_is_wrong_is_named(document: Json, code: int, words: str) -> None:
    error = refusal(document)
    assert error.code == code
    assert words in error.msg


@pytest.mark.parametrize(
    ("mapping", "words"),
    [
        ({"protocol": "icmp"}, "portMappings[0].protocol: expected tcp, udp or sctp, found 'icmp'"),
        ({"hostIP": "somewhere"}, "portMappings[0].hostIP: 'somewhere' is not an IP address"),
    ],
)
def test_a_wrong_mapping_is_named_with_its_path(mapping: Json, words: str) -> None:
    whole = {"hostPort": 80, "containerPort": 80} | mapping
    error = refusal({"runtimeConfig": {"portMappings": [whole]}})
    assert error.code == 7
    assert words in error.msg


def test_a_host_port_cannot_lead_to_two_container_ports() -> None:
    mappings = [{"hostPort": 80, "containerPort": port} for port in (80, 81)]
    error = refusal({"runtimeConfig": {"portMappings": mappings}})
    assert "host port 80 is mapped to two container ports" in error.msg


@pytest.mark.parametrize("host_ip", ["", "0.0.0.0"])
def test_as_many_ports_as_there_are_may_lead_to_one(host_ip: str) -> None:
    """The time grows with their number, not with its square, which would be minutes here."""
    numbers = range(1, 65536)
    wanted = ports(
        *({"hostPort": number, "containerPort": 80, "hostIP": host_ip} for number in numbers),
        {"hostPort": 8080, "containerPort": 80},
    )
    assert len(wanted) == len(numbers)
