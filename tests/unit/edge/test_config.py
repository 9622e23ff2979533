"""The document on stdin as a NetworkConfig: sources, precedence, and what a schema can't say."""

import pytest

from cni_bridge import address
from cni_bridge.edge import codec, config, validators
from cni_bridge.errors import CniError, IncompatibleVersion, InvalidConfig
from cni_bridge.model import Dns, NetworkConfig
from cni_bridge.model_optional import VlanFilter

Json = dict[str, object]
PLAIN: Json = {"cniVersion": "1.1.0", "name": "net", "type": "cni-bridge"}
IPAM: Json = {"type": "cni-bridge", "subnet": "10.1.0.0/24"}


def parse(document: Json, args: str = "") -> NetworkConfig:
    folded = codec.fold(PLAIN | document, validators.FOLD)
    return config.parse(config.prepare(folded, "ADD"), args, is_delegated=False)


def refusal(document: Json, args: str = "") -> CniError:
    with pytest.raises(CniError) as caught:
        parse(document, args)
    return caught.value


def test_a_bare_config_is_a_layer_2_network_on_cni0() -> None:
    made = parse({})
    assert (made.bridge, made.ipam.type, made.mtu) == ("cni0", "", 0)
    assert not made.is_gateway
    assert made.container_interface_up


def test_keys_match_in_any_case_and_null_is_absent() -> None:
    made = parse({"ISGATEWAY": True, "Bridge": None, "mtu": None})
    assert (made.is_gateway, made.bridge, made.mtu) == (True, "cni0", 0)


def test_a_default_gateway_is_a_gateway() -> None:
    assert parse({"isDefaultGateway": True}).is_gateway


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ({"name": ""}, "missing network name"),
        ({"name": None}, "missing network name"),
        ({"name": "a/b"}, "invalid characters found in network name"),
        ({"name": 5}, "invalid characters found in network name"),
        ({"bridge": "a/b"}, "bridge: interface name contains"),
        ({"bridge": ".."}, "bridge: interface name is . or .."),
        ({"hairpinMode": True, "promiscMode": True}, "hairpin mode and promiscuous mode"),
        ({"disableContainerInterface": True, "ipam": IPAM}, "cannot use IPAM when"),
        ({"ipam": {"type": "cni-bridge"}}, "no IP ranges specified"),
        ({"ipam": {"type": "cni-bridge", "ranges": [[]]}}, "ipam.ranges[0]: expected"),
        ({"ipam": {"type": "x", "subnet": "10.1.0.0"}}, "ipam.subnet: '10.1.0.0' is not"),
        ({"ipam": {"type": "x", "subnet": "10.1.0.1/24"}}, "ipam: Network has host bits set"),
        ({"ipam": {"type": "x", "subnet": "10.1.0.0/31"}}, "too small to allocate from"),
        (
            {"ipam": {"type": "x", "ranges": [[{"subnet": "10.1.0.0/24", "rangeStart": "x"}]]}},
            "ipam.ranges[0][0].rangeStart: 'x' is not an IP address",
        ),
        ({"ipam": {"type": "x", "ranges": [[{}]]}}, "ipam.ranges[0][0]"),
        (
            {"ipam": IPAM | {"routes": [{"dst": "10.9.0.0/16", "gw": "fd00::1"}]}},
            "ipam.routes[0].gw: fd00::1 is not of the family of 10.9.0.0/16",
        ),
        ({"ipam": IPAM | {"dataDir": "relative"}}, "ipam.dataDir must be an absolute path"),
        ({"args": {"cni": {"mac": "02:00"}}}, "args.cni.mac: address 02:00: invalid MAC address"),
        ({"args": {"cni": {"mac": "01:00:00:00:00:05"}}}, "invalid MAC address"),
        ({"runtimeConfig": {"ips": ["10.1.0.x"]}, "ipam": IPAM}, "runtimeConfig.ips[0]"),
    ],
)
def test_what_is_wrong_is_named_with_its_path(document: Json, words: str) -> None:
    error = refusal(document)
    assert error.code == 7
    assert words in error.msg


def test_the_version_is_looked_at_before_the_rest() -> None:
    error = refusal({"cniVersion": "2.0.0", "mtu": "no number"})
    assert isinstance(error, IncompatibleVersion)


def test_no_version_means_the_first_one() -> None:
    assert parse({"cniVersion": "", "ipam": IPAM}).cni_version == "0.1.0"


@pytest.mark.parametrize(
    ("document", "args", "mac"),
    [
        ({}, "", None),
        ({}, "MAC=02:00:00:00:00:01", "020000000001"),
        ({"args": {"cni": {"mac": "02:00:00:00:00:02"}}}, "MAC=02:00:00:00:00:01", "020000000002"),
        (
            {
                "args": {"cni": {"mac": "02:00:00:00:00:02"}},
                "runtimeConfig": {"mac": "02:00:00:00:00:03"},
            },
            "MAC=02:00:00:00:00:01",
            "020000000003",
        ),
        ({"runtimeConfig": {"mac": "02-AA-00-00-00-03"}}, "", "02aa00000003"),
        ({"runtimeConfig": {"mac": "02aa.0000.0003"}}, "", "02aa00000003"),
    ],
)
def test_the_mac_comes_from_the_first_of_three_sources(
    document: Json, args: str, mac: str | None
) -> None:
    made = parse(document, args)
    assert made.mac == (bytes.fromhex(mac) if mac else None)


@pytest.mark.parametrize(
    ("args", "last"),
    [
        ({"cni": {"ips": ["10.1.0.6", "10.1.0.7"]}}, "10.1.0.7"),  # before CNI_ARGS
        ({"cni": {"ips": []}}, "10.1.0.8"),
        ({}, "10.1.0.8"),
    ],
)
def test_requested_addresses_of_runtime_config_and_args_add_up(args: Json, last: str) -> None:
    runtime = {"ips": ["10.1.0.5/24", "10.1.0.6"]}
    made = parse({"ipam": IPAM, "runtimeConfig": runtime, "args": args}, "IP=10.1.0.8")
    texts = [address.text(ip) for ip in made.ipam.requested]
    assert texts == ["10.1.0.5", "10.1.0.6", last]


def test_range_sets_come_from_the_runtime_then_the_old_keys_then_ranges() -> None:
    made = parse(
        {
            "runtimeConfig": {"ipRanges": [[{"subnet": "10.3.0.0/24"}]]},
            "ipam": IPAM | {"ranges": [[{"subnet": "10.2.0.0/24"}], [{"subnet": "fd00::/64"}]]},
        }
    )
    subnets = [address.prefix_text(each[0].subnet) for each in made.ipam.range_sets]
    assert subnets == ["10.3.0.0/24", "10.1.0.0/24", "10.2.0.0/24", "fd00::/64"]


def test_a_routes_destination_is_its_subnet() -> None:
    made = parse({"ipam": IPAM | {"routes": [{"dst": "10.9.1.2/16", "mtu": 1400}]}})
    (route,) = made.ipam.routes
    assert address.prefix_text(route.destination) == "10.9.0.0/16"
    assert (route.gateway, route.mtu, route.table) == (None, 1400, None)


def test_the_ledger_is_below_the_data_directory() -> None:
    assert parse({"ipam": IPAM | {"dataDir": "/data/"}}).state_dir == "/data/cni-bridge"
    assert parse({"ipam": IPAM}).state_dir == config.STATE_DIR


@pytest.mark.parametrize("data_dir", [5, "relative", "a\0b", ["/x"]])
def test_a_data_directory_that_is_none_does_not_keep_del_from_its_work(data_dir: object) -> None:
    assert config.state_dir({"ipam": {"dataDir": data_dir}}) == config.STATE_DIR


def test_dns_is_passed_on() -> None:
    made = parse({"dns": {"nameservers": ["10.1.0.1"], "search": ["a", "b"]}})
    assert made.dns == Dns(nameservers=("10.1.0.1",), search=("a", "b"))


def test_vlans_are_a_union_of_ranges_and_single_ids() -> None:
    made = parse({"vlan": 5, "vlanTrunk": [{"id": 9}, {"minID": 7, "maxID": 9}]})
    assert made.vlan == VlanFilter(access=5, trunk=(7, 8, 9))


@pytest.mark.parametrize(
    ("item", "words"),
    [
        ({"minID": 5}, "vlanTrunk[0].maxID"),
        ({"maxID": 5}, "vlanTrunk[0].minID"),
        ({"minID": 6, "maxID": 5}, "minID is greater than maxID"),
    ],
)
def test_half_a_vlan_range_is_refused(item: Json, words: str) -> None:
    error = refusal({"vlanTrunk": [item]})
    assert isinstance(error, InvalidConfig)
    assert words in error.msg


def test_the_gateway_of_a_vlan_needs_a_name_that_fits() -> None:
    assert parse({"bridge": "bridge-of12", "vlan": 100, "isGateway": True}).vlan
    assert parse({"bridge": "bridge-of-12", "vlan": 100}).vlan, "no gateway, no name"
    error = refusal({"bridge": "bridge-of-12", "vlan": 100, "isDefaultGateway": True})
    assert "'bridge-of-12'" in error.msg
    assert "'bridge-of-12.100' has more than 15 bytes" in error.details
