"""`"mode": "wire"`: what makes no sense together with it."""

import pytest

from cni_bridge.edge import codec, config, validators
from cni_bridge.errors import CniError
from cni_bridge.model import NetworkConfig

Json = dict[str, object]
WIRE: Json = {"cniVersion": "1.1.0", "name": "net", "type": "cni-bridge", "mode": "wire"}
FLAGS = (
    *("isGateway", "isDefaultGateway", "forceAddress", "ipMasq", "hairpinMode", "promiscMode"),
    *("preserveDefaultVlan", "portIsolation", "macspoofchk", "ipspoofchk"),
    *("internal", "closed", "masqAll"),
)
NO_SENSE: tuple[Json, ...] = (
    *(dict[str, object]({key: True}) for key in FLAGS),
    {"icc": False},
    {"isolation": "strict"},
    {"bridge": "br0"},
    {"vlan": 5},
    {"vlanTrunk": [{"id": 5}]},
    {"conditionsV4": ["-s", "10.0.0.1"]},
    {"ingressRate": 800, "ingressBurst": 800},
)


def parse(document: Json, *, is_delegated: bool = False) -> NetworkConfig:
    folded = codec.fold(WIRE | document, validators.FOLD)
    return config.parse(config.prepare(folded, "ADD"), "", is_delegated=is_delegated)


def refusal(document: Json, *, is_delegated: bool = False) -> CniError:
    with pytest.raises(CniError) as caught:
        parse(document, is_delegated=is_delegated)
    return caught.value


def test_a_network_is_a_wire_only_if_it_says_so() -> None:
    assert parse({}).is_wire
    assert not parse({"mode": "bridge"}).is_wire
    assert not parse({"mode": ""}).is_wire
    assert not parse({"mode": None}).is_wire


@pytest.mark.parametrize("document", NO_SENSE, ids=lambda document: next(iter(document)))
def test_what_needs_a_bridge_is_refused_by_name(document: Json) -> None:
    error = refusal(document)
    assert error.code == 7
    assert error.msg.startswith(f"{next(iter(document))}: expected to be absent with mode wire")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("portMappings", [{"hostPort": 80, "containerPort": 80}]),
        ("bandwidth", {"ingressRate": 800, "ingressBurst": 800}),
    ],
)
def test_what_the_runtime_asks_of_a_bridge_is_refused_too(key: str, value: object) -> None:
    assert refusal({"runtimeConfig": {key: value}}).msg.startswith(f"runtimeConfig.{key}: ")


def test_another_plugins_addresses_are_refused() -> None:
    error = refusal({"ipam": {"type": "host-local"}}, is_delegated=True)
    assert error.code == 2
    assert error.msg.startswith("ipam.type: ")


def test_what_has_to_do_with_the_container_end_alone_is_as_ever() -> None:
    made = parse(
        {
            "mtu": 1400,
            "mac": "02:00:00:00:00:05",
            "sysctl": {"net.core.somaxconn": "100"},
            "ipam": {"type": "cni-bridge", "subnet": "10.1.0.0/29"},
        }
    )
    assert (made.mtu, made.mac, made.bridge) == (1400, b"\x02\0\0\0\0\5", "cni0")
    assert made.tuning
    assert made.ipam.range_sets
