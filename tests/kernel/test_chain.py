"""Between other plugins: their prevResult goes on, and what they change later is no complaint."""

import json
import subprocess
from pathlib import Path

import pytest

from tests.kernel.conftest import MakeNetwork
from tests.lab import PEERS, Host, Json, Network, Plugin
from tests.lab.cnitool import cnitool
from tests.lab.network import CHECK_SINCE, addresses_in, version_key

EARLIER_INTERFACE = {"name": "tap0", "mac": "02:00:00:00:00:07", "sandbox": "/run/netns/other"}
EARLIER: Json = {
    "interfaces": [EARLIER_INTERFACE],
    "ips": [{"address": "192.0.2.7/24", "gateway": "192.0.2.1", "interface": 0}],
    "routes": [{"dst": "198.51.100.0/24", "gw": "192.0.2.1"}],
    "dns": {"nameservers": ["192.0.2.53"]},
}
NO_ADDRESSES = (
    {"ips": [{"address": "10.0.0.1"}]},
    {"ips": [{"address": "10.0.0.1/24", "gateway": "gw"}]},
    {"routes": [{"dst": "10.0.0.0/33"}]},
    {"routes": [{"dst": "10.0.0.0/8", "gw": "10.0.0.1/8"}]},
)
WRONG_SHAPES: tuple[object, ...] = (
    7,
    [EARLIER],
    {"interfaces": [7]},
    {"ips": [{"address": "10.0.0.1/24", "interface": "eth0"}]},
    "result",
    {"interfaces": {}},
    {"interfaces": [{"name": 7}]},
    {"ips": "10.0.0.1/24"},
    {"ips": [{}]},
    {"ips": [{"address": None}]},
    {"routes": [{"gw": "10.0.0.1"}]},
    {"routes": [{"dst": 0}]},
    {"dns": []},
    {"dns": {"nameservers": "10.0.0.1"}},
)
EMPTY: tuple[object, ...] = (None, {})

# The reference's plugins after ours; what each one is given beside its type.
CHAINED: dict[str, Json] = {
    "portmap": {
        "backend": "nftables",
        "capabilities": {"portMappings": True},
        "runtimeConfig": {
            "portMappings": [{"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}]
        },
    },
    "firewall": {"backend": "iptables"},
    "tuning": {"mac": "02:00:00:00:00:42", "mtu": 1400, "promisc": True},
    "bandwidth": {"ingressRate": 8_000_000, "ingressBurst": 8_000_000},
}


@pytest.mark.parametrize("version", ["0.3.1", "0.4.0", "1.0.0", "1.1.0"])
def test_a_prev_result_is_merged_into_the_result_of_add(host: Host, network: Network) -> None:
    version = network.config["cniVersion"]
    earlier = json.loads(json.dumps(EARLIER)) | {"cniVersion": version}
    if version_key(version) < (1, 0, 0):
        earlier["ips"][0]["version"] = "4"
    result = network.add(host.container(), config={"prevResult": earlier}).result()
    assert result["interfaces"][0] == EARLIER_INTERFACE
    assert result["ips"][0] == earlier["ips"][0]
    assert [ip["interface"] for ip in result["ips"]] == [0, 3, 3]
    assert result["interfaces"][3]["name"] == "eth0"
    assert result["routes"] == EARLIER["routes"]
    assert result["dns"] == EARLIER["dns"]


@pytest.mark.parametrize("version", ["0.4.0", "1.1.0"])
def test_loopback_before_ours_leaves_its_addresses_out_of_the_result(
    host: Host, network: Network, plugin: Plugin, version: str
) -> None:
    """Nomad's list: `firewall` removes its rules for an address with the first container."""
    loopback = Network(
        Plugin(PEERS / "loopback", plugin.ipam_type),
        {"cniVersion": version, "name": "testnet", "type": "loopback"},
    )
    container = host.container()
    earlier = loopback.add(container).result()
    assert addresses_in(earlier) == ["127.0.0.1/8", "::1/128"]
    result = network.add(container, config={"prevResult": earlier}).result()
    assert addresses_in(result) == container.addresses()
    assert result["interfaces"][0]["name"] == "lo"
    network.check(container).assert_silent_success()
    network.delete(container).assert_silent_success()
    loopback.delete(container).assert_silent_success()
    container.ip("addr", "flush", "dev", "lo")  # the reference leaves them


@pytest.mark.parametrize("version", ["0.3.1", "1.1.0"])
@pytest.mark.parametrize("empty", EMPTY)
def test_an_empty_prev_result_is_none(empty: object, host: Host, network: Network) -> None:
    container = host.container()
    result = network.add(container, config={"prevResult": empty}).result()
    assert len(result["interfaces"]) == 3
    network.delete(container, config={"prevResult": empty}).assert_silent_success()


@pytest.mark.parametrize("version", ["1.1.0"])
@pytest.mark.parametrize("shape", [*WRONG_SHAPES[:4], *NO_ADDRESSES], ids=json.dumps)
def test_a_prev_result_of_the_wrong_shape_is_refused(
    shape: object, host: Host, network: Network
) -> None:
    error = network.add(host.container(), config={"prevResult": shape}).error()
    assert not host.changes()
    assert error["code"] == 7
    assert "prevResult" in error["msg"]


@pytest.mark.parametrize("version", ["0.1.0", "1.1.0"])
@pytest.mark.parametrize("shape", WRONG_SHAPES, ids=json.dumps)
def test_no_prev_result_keeps_del_from_its_work(
    shape: object, host: Host, network: Network
) -> None:
    container = host.container()
    network.add(container).result()
    network.delete(container, config={"prevResult": shape}).assert_silent_success()


@pytest.mark.parametrize("version", ["0.3.1", "0.4.0", "1.0.0", "1.1.0"])
@pytest.mark.parametrize("chained", [*((name,) for name in CHAINED), tuple(CHAINED)], ids="+".join)
def test_the_references_plugins_work_after_ours(
    chained: tuple[str, ...], version: str, host: Host, plugin: Plugin, tmp_path: Path
) -> None:
    if version_key(version) < CHECK_SINCE:
        chained = tuple(name for name in chained if name != "firewall")  # it begins with 0.4.0
    ours: Json = {
        "type": plugin.type,
        "isGateway": True,
        "ipam": {"type": plugin.ipam_type, "ranges": [[{"subnet": "10.88.0.0/16"}]]},
    }
    after = [{"type": name, **CHAINED[name]} for name in chained]
    conflist = {"cniVersion": version, "name": "chain", "plugins": [ours, *after]}
    (tmp_path / "10-chain.conflist").write_text(json.dumps(conflist))
    host.network(plugin, ours)
    container = host.container()
    call = ("chain", container, plugin, tmp_path)
    result = cnitool("add", *call).result()
    assert container.addresses() == addresses_in(result)
    assert container.can_ping("10.88.0.1")
    if version_key(version) >= CHECK_SINCE:
        cnitool("check", *call).assert_silent_success()
    if version == "1.1.0":
        cnitool("status", *call).assert_silent_success()
    cnitool("del", *call).assert_silent_success()
    cnitool("del", *call).assert_silent_success()
    assert container.links() == {"lo"}
    # The reference keeps its base chains.
    subprocess.run(("nft", "flush", "ruleset"), check=True)


@pytest.mark.parametrize("version", ["1.1.0"])
def test_a_mac_that_tuning_has_set_is_no_complaint(
    host: Host, make_network: MakeNetwork, plugin: Plugin
) -> None:
    network = make_network()
    container = host.container()
    result = network.add(container).result()
    tuning = Plugin(PEERS / "tuning", plugin.ipam_type)
    config = {"type": "tuning", **CHAINED["tuning"], "prevResult": result}
    after = Network(tuning, {"cniVersion": "1.1.0", "name": "testnet", **config})
    changed = after.add(container).result()
    assert changed["interfaces"][2]["mac"] == "02:00:00:00:00:42"
    network.check(container, config={"prevResult": changed}).assert_silent_success()
