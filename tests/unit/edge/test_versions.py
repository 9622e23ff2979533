"""Spec versions: which commands each has, and the result in the shape of each."""

import pytest

from cni_bridge import address
from cni_bridge.edge import result_versions, versions
from cni_bridge.errors import IncompatibleVersion, InvalidConfig

RESULT: result_versions.Json = {
    "interfaces": [
        {"name": "cni0", "mac": "02:00:00:00:00:01", "mtu": 1500},
        {"name": "eth0", "mac": "02:00:00:00:00:02", "mtu": 1500, "sandbox": "/run/netns/x"},
    ],
    "ips": [
        {"interface": 1, "address": "10.1.0.2/24", "gateway": "10.1.0.1"},
        {"interface": 1, "address": "fd00::2/64"},
    ],
    "routes": [
        {"dst": "0.0.0.0/0", "gw": "10.1.0.1", "mtu": 1400, "priority": 5},
        {"dst": "::/0"},
    ],
}


@pytest.mark.parametrize("version", versions.SUPPORTED)
@pytest.mark.parametrize("command", ["ADD", "DEL", "CHECK", "GC", "STATUS"])
def test_a_command_exists_from_its_first_version_on(command: str, version: str) -> None:
    exists = version >= {"CHECK": "0.4.0", "GC": "1.1.0", "STATUS": "1.1.0"}.get(command, "0.1.0")
    if exists:
        versions.check(command, version)
        return
    with pytest.raises(IncompatibleVersion, match=f"does not allow {command}"):
        versions.check(command, version)


@pytest.mark.parametrize("version", ["1.0", "1.2.0", "", "0.3", "v1.0.0", "9.9.9"])
def test_an_unknown_version_is_refused_with_the_list_of_known_ones(version: str) -> None:
    with pytest.raises(IncompatibleVersion) as caught:
        versions.check("ADD", version)
    assert f'config is "{version}"' in caught.value.details
    assert "0.1.0 0.2.0 0.3.0 0.3.1 0.4.0 1.0.0 1.1.0" in caught.value.details


def test_the_newest_version_gets_the_result_as_it_is() -> None:
    assert result_versions.downgrade(RESULT, "1.1.0") == {"cniVersion": "1.1.0", **RESULT}


def test_version_1_0_lacks_the_keys_that_1_1_added() -> None:
    assert result_versions.downgrade(RESULT, "1.0.0") == {
        "cniVersion": "1.0.0",
        "interfaces": [
            {"name": "cni0", "mac": "02:00:00:00:00:01"},
            {"name": "eth0", "mac": "02:00:00:00:00:02", "sandbox": "/run/netns/x"},
        ],
        "ips": RESULT["ips"],
        "routes": [{"dst": "0.0.0.0/0", "gw": "10.1.0.1"}, {"dst": "::/0"}],
    }


@pytest.mark.parametrize("version", ["0.3.0", "0.3.1", "0.4.0"])
def test_versions_0_3_and_0_4_tag_addresses_and_always_have_dns(version: str) -> None:
    shaped = result_versions.downgrade(RESULT, version)
    assert shaped["ips"] == [
        {"version": "4", "interface": 1, "address": "10.1.0.2/24", "gateway": "10.1.0.1"},
        {"version": "6", "interface": 1, "address": "fd00::2/64"},
    ]
    assert shaped["dns"] == {}


@pytest.mark.parametrize("version", ["0.1.0", "0.2.0"])
def test_versions_0_1_and_0_2_have_one_address_a_family_and_no_interfaces(version: str) -> None:
    assert result_versions.downgrade(RESULT, version) == {
        "cniVersion": version,
        "ip4": {
            "ip": "10.1.0.2/24",
            "gateway": "10.1.0.1",
            "routes": [{"dst": "0.0.0.0/0", "gw": "10.1.0.1"}],
        },
        "ip6": {"ip": "fd00::2/64", "routes": [{"dst": "::/0"}]},
        "dns": {},
    }


@pytest.mark.parametrize("version", versions.SUPPORTED)
def test_a_previous_result_of_any_version_is_read_back_in_the_newest_shape(version: str) -> None:
    read = result_versions.upgrade(result_versions.downgrade(RESULT, version), version)
    stripped = result_versions.downgrade(RESULT, "1.0.0")
    if version in result_versions.FLAT:
        assert read == {
            "ips": [
                {"address": "10.1.0.2/24", "gateway": "10.1.0.1"},
                {"address": "fd00::2/64"},
            ],
            "routes": stripped["routes"],
        }
        return
    expected = RESULT if version == versions.NEWEST else stripped
    assert read == {key: expected[key] for key in ("interfaces", "ips", "routes")}


@pytest.mark.parametrize("version", result_versions.FLAT)
def test_what_an_old_version_could_not_report_is_refused_beforehand(version: str) -> None:
    with pytest.raises(InvalidConfig, match="no valid IP addresses"):
        result_versions.check_addresses(version, [])
    with pytest.raises(InvalidConfig, match="more than 1 address per family"):
        result_versions.check_addresses(version, [address.AF_INET, address.AF_INET])
    result_versions.check_addresses(version, [address.AF_INET, address.AF_INET6])


def test_newer_versions_report_any_number_of_addresses() -> None:
    result_versions.check_addresses("0.3.0", [])
    result_versions.check_addresses("1.1.0", [address.AF_INET] * 3)
