"""VLANs on a kernel that can filter them: ports, the shared gateway, CHECK. `bridge` is the oracle."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.kernel.conftest import GATEWAY4, GATEWAY6, MakeNetwork
from tests.lab import Host, Network
from tests.lab.iproute import bridge, ip, ip_json
from tests.lab.network import addresses_in, bare

NATIVE = "pvid untagged"
PORTS: dict[str, tuple[dict[str, Any], dict[int, str]]] = {
    "access": ({"vlan": 100}, {100: NATIVE}),
    "access, default kept": (
        {"vlan": 100, "preserveDefaultVlan": True},
        {1: "untagged", 100: NATIVE},
    ),
    "trunk": (
        {"vlanTrunk": [{"id": 5}, {"minID": 7, "maxID": 8}]},
        {1: NATIVE, 5: "", 7: "", 8: ""},
    ),
    "trunk with its own native VLAN": (
        {"vlan": 6, "vlanTrunk": [{"minID": 5, "maxID": 7}]},
        {5: "", 6: NATIVE, 7: ""},
    ),
    "trunk of everything": (
        {"vlan": 4094, "vlanTrunk": [{"minID": 1, "maxID": 4094}]},
        dict.fromkeys(range(1, 4094), "") | {4094: NATIVE},
    ),
}
Change = Callable[[Network], object]


@pytest.fixture
def version() -> str:
    """One is enough here: VLANs look the same in each."""
    return "1.1.0"


@pytest.fixture
def network(make_network: MakeNetwork) -> Network:
    """Return an access network with a gateway."""
    return make_network(vlan=100, isDefaultGateway=True)


def vlans_of(port: str) -> dict[int, str]:
    """Return what `bridge` says of a port."""
    (found,) = json.loads(bridge("-j", "vlan", "show", "dev", port))
    vlans: dict[int, str] = {}
    for entry in found["vlans"]:
        words = [word.removeprefix("Egress ").lower() for word in entry.get("flags", ())]
        for vlan in range(entry["vlan"], entry.get("vlanEnd", entry["vlan"]) + 1):
            vlans[vlan] = " ".join(words)
    return vlans


def filters_vlans(name: str = "cni0") -> bool:
    return bool(ip_json("-d", "link", "show", name)[0]["linkinfo"]["info_data"]["vlan_filtering"])


def host_end(network: Network) -> str:
    """Return the host end of the only attachment."""
    (result,) = network.results.values()
    return str(result["interfaces"][1]["name"])


def gateway_port(name: str = "cni0.100") -> str:
    """Return the bridge port behind a gateway."""
    return str(ip_json("link", "show", name)[0]["link"])


@pytest.mark.parametrize("ports", PORTS)
def test_a_port_has_the_vlans_that_the_config_wants(
    ports: str, host: Host, make_network: MakeNetwork
) -> None:
    changes, expected = PORTS[ports]
    network = make_network(isGateway=False, **changes)
    container = host.container()
    network.add(container).result()
    assert filters_vlans()
    assert vlans_of(host_end(network)) == expected
    network.check(container).assert_silent_success()


def test_filtering_is_switched_on_on_a_bridge_that_exists(host: Host, network: Network) -> None:
    ip("link", "add", "cni0", "type", "bridge")
    assert not filters_vlans()
    network.add(host.container()).result()
    assert filters_vlans()


def test_a_network_without_vlans_leaves_filtering_off(
    host: Host, make_network: MakeNetwork
) -> None:
    make_network().add(host.container()).result()
    assert not filters_vlans()


def test_the_gateway_of_a_vlan_is_shared_reported_and_reached(host: Host, network: Network) -> None:
    first, second = host.container(), host.container()
    result = network.add(first).result()
    link = ip_json("-d", "link", "show", "cni0.100")[0]
    assert result["interfaces"][3] == {
        "name": "cni0.100",
        "mac": link["address"],
        "mtu": link["mtu"],
    }
    assert {address["interface"] for address in result["ips"]} == {2}
    assert not [line for line in ip_json("addr", "show", "cni0") if GATEWAY4 in str(line)]
    assert vlans_of(gateway_port()) == {100: NATIVE}
    assert first.can_ping(GATEWAY4)
    assert first.can_ping(GATEWAY6)

    network.add(second).result()
    assert ip_json("-d", "link", "show", "cni0.100")[0]["ifindex"] == link["ifindex"]
    network.check(first).assert_silent_success()
    network.check(second).assert_silent_success()
    network.delete_all()
    assert ip_json("link", "show", "cni0.100")


def test_only_containers_of_one_vlan_reach_each_other(
    host: Host, make_network: MakeNetwork
) -> None:
    hundred = make_network(isGateway=False, vlan=100)
    other = make_network(isGateway=False, vlan=200)
    a, b, c = (host.container() for _ in range(3))
    hundred.add(a).result()
    beside, apart = hundred.add(b).result(), other.add(c).result()
    assert a.can_ping(bare(addresses_in(beside)[0]))
    assert not a.can_ping(bare(addresses_in(apart)[0]))


def test_a_trunk_carries_tags(host: Host, make_network: MakeNetwork) -> None:
    trunk = make_network(isGateway=False, vlanTrunk=[{"id": 200}])
    access = make_network({"ranges": [[{"subnet": "10.2.0.0/24"}]]}, isGateway=False, vlan=200)
    router, leaf = host.container(), host.container()
    trunk.add(router).result()
    result = access.add(leaf).result()
    router.ip("link", "add", "link", "eth0", "name", "eth0.200", "type", "vlan", "id", "200")
    router.ip("addr", "add", "10.2.0.200/24", "dev", "eth0.200")
    router.ip("link", "set", "eth0.200", "up")
    assert router.can_ping(bare(addresses_in(result)[0]))
    router.ip("link", "del", "eth0.200")


def test_adds_at_the_same_time_share_one_gateway(host: Host, network: Network) -> None:
    containers = [host.container() for _ in range(4)]
    for run in network.do_all("ADD", containers):
        run.result()
    assert vlans_of(gateway_port()) == {100: NATIVE}
    assert all(container.can_ping(GATEWAY4) for container in containers)


def test_isolation_is_between_vlans_of_one_bridge_too(
    host: Host, make_network: MakeNetwork
) -> None:
    def network(vlan: int, **changes: Any) -> Network:
        ipam = {"ranges": [[{"subnet": f"10.{vlan}.0.0/24"}]]}
        name = f"vlan{vlan}"
        return make_network(ipam, name=name, vlan=vlan, isDefaultGateway=True, **changes)

    inside = {vlan: host.container() for vlan in (10, 20, 30, 40)}
    address = {}
    for vlan, container in inside.items():
        changes = {"isolation": "on"} if vlan > 20 else {}
        made = network(vlan, **changes).add(container).result()
        address[vlan] = bare(addresses_in(made)[0])
    assert inside[10].can_ping(address[20])
    assert not inside[30].can_ping(address[40])


def test_a_gateway_of_the_reference_is_found_again(host: Host, network: Network) -> None:
    """Its port has a random name; this one was also left half-made."""
    ip("link", "add", "cni0", "type", "bridge")
    ip("link", "add", "cni0.100", "type", "veth", "peer", "name", "veth1234abcd")
    container = host.container()
    network.add(container).result()
    assert gateway_port() == "veth1234abcd"
    assert vlans_of("veth1234abcd") == {100: NATIVE}
    assert container.can_ping(GATEWAY4)
    network.check(container).assert_silent_success()


def test_another_interface_with_the_gateways_name_is_left_alone(
    host: Host, network: Network
) -> None:
    ip("link", "add", "cni0.100", "type", "dummy")
    error = network.add(host.container()).error()
    assert error["code"] == 112, error
    assert "cni0.100" in error["msg"]


# What is changed by hand, and how it is put right again.
CHANGES: dict[str, tuple[Change, Change]] = {
    "filtering off": (lambda _: set_filtering("0"), lambda _: set_filtering("1")),
    "VLAN removed": (lambda n: vlan("del", host_end(n), 100), lambda n: make_access(host_end(n))),
    "VLAN added": (lambda n: vlan("add", host_end(n), 7), lambda n: vlan("del", host_end(n), 7)),
    "VLAN tagged": (lambda n: vlan("add", host_end(n), 100), lambda n: make_access(host_end(n))),
    "gateway's VLAN removed": (
        lambda _: vlan("del", gateway_port(), 100),
        lambda _: make_access(gateway_port()),
    ),
    "gateway's port down": (
        lambda _: ip("link", "set", gateway_port(), "down"),
        lambda _: ip("link", "set", gateway_port(), "up"),
    ),
    "gateway's address removed": (
        lambda _: ip("addr", "del", f"{GATEWAY4}/16", "dev", "cni0.100"),
        lambda _: ip("addr", "add", f"{GATEWAY4}/16", "dev", "cni0.100"),
    ),
}


def set_filtering(value: str) -> None:
    ip("link", "set", "cni0", "type", "bridge", "vlan_filtering", value)


def vlan(verb: str, port: str, number: int, *flags: str) -> None:
    bridge("vlan", verb, "dev", port, "vid", str(number), *flags)


def make_access(port: str) -> None:
    vlan("add", port, 100, "pvid", "untagged")


def test_check_notices_each_change_made_by_hand(host: Host, network: Network) -> None:
    container = host.container()
    network.add(container).result()
    for name, (change, undo) in CHANGES.items():
        change(network)
        assert network.check(container).error()["code"] == 120, name
        undo(network)
        network.check(container).assert_silent_success()


def test_check_notices_that_the_gateway_is_gone(host: Host, network: Network) -> None:
    container = host.container()
    network.add(container).result()
    ip("link", "del", "cni0.100")
    assert "cni0.100" in network.check(container).error()["details"]


def test_the_next_add_repairs_what_is_shared(host: Host, network: Network) -> None:
    container = host.container()
    network.add(container).result()
    ip("link", "set", "cni0.100", "down")  # takes the IPv6 address with it
    assert "interface cni0.100: expected up" in network.check(container).error()["details"]
    ip("link", "set", gateway_port(), "nomaster")
    set_filtering("0")
    assert "expected to lead to bridge cni0" in network.check(container).error()["details"]
    network.add(host.container()).result()
    network.check(container).assert_silent_success()
