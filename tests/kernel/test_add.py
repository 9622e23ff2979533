"""ADD: what the kernel has afterwards, and that the result says the same."""

import json

import pytest

from tests.kernel.conftest import GATEWAY4, GATEWAY6, SUBNET4, MakeNetwork
from tests.lab import Host, Json, Network
from tests.lab.containers import ip_addresses
from tests.lab.iproute import ip, ip_json
from tests.lab.network import addresses_in, bare, version_key
from tests.lab.people import command

DEFAULTS = ("0.0.0.0/0", "::/0")


def port_of(network: Network) -> Json:
    """Return the only port of the bridge, in iproute2's words."""
    (port,) = ip_json("-d", "link", "show", "master", network.bridge)
    return port


def test_the_container_has_the_addresses_of_the_result(host: Host, network: Network) -> None:
    container = host.container()
    result = network.add(container).result()
    assert addresses_in(result) == ["10.88.0.2/16", "fd00:88::2/64"]
    assert container.addresses() == addresses_in(result)


def test_the_result_has_the_shape_of_its_version(
    host: Host, network: Network, version: str
) -> None:
    result = network.add(host.container()).result()
    assert result["cniVersion"] == version
    if version_key(version) < (0, 3, 0):
        assert result["ip4"]["gateway"] == GATEWAY4
        assert result["ip6"]["gateway"] == GATEWAY6
        assert not {"interfaces", "ips", "routes"} & set(result)
    else:
        assert [each["gateway"] for each in result["ips"]] == [GATEWAY4, GATEWAY6]
        assert [each["interface"] for each in result["ips"]] == [2, 2]
        families = [each.get("version") for each in result["ips"]]
        is_new = version_key(version) >= (1, 0, 0)
        assert families == ([None, None] if is_new else ["4", "6"])


def test_the_result_names_the_interfaces_as_they_are(
    host: Host, network: Network, version: str
) -> None:
    container = host.container()
    result = network.add(container).result()
    if version_key(version) < (0, 3, 0):
        return  # these versions name no interfaces
    bridge, host_end, inside = result["interfaces"]
    (bridge_link,) = ip_json("link", "show", network.bridge)
    port = port_of(network)
    assert (bridge["name"], bridge["mac"]) == (network.bridge, bridge_link["address"])
    assert (host_end["name"], host_end["mac"]) == (port["ifname"], port["address"])
    assert (inside["name"], inside["mac"]) == ("eth0", container.link()["address"])
    assert inside["sandbox"] == str(container.netns)
    assert not bridge.get("sandbox")
    assert not host_end.get("sandbox")


def test_containers_reach_each_other_and_the_gateway(host: Host, network: Network) -> None:
    one, two = host.container(), host.container()
    network.add(one).result()
    targets = [bare(each) for each in addresses_in(network.add(two).result())]
    for address in (*targets, GATEWAY4, GATEWAY6):
        assert one.can_ping(address), address


def test_the_host_end_is_an_up_port_of_the_bridge(host: Host, network: Network) -> None:
    network.add(host.container()).result()
    port = port_of(network)
    assert (port["linkinfo"]["info_kind"], port["operstate"]) == ("veth", "UP")
    assert port["linkinfo"]["info_slave_data"]["state"] == "forwarding"


def test_the_bridge_has_the_gateway_addresses(host: Host, network: Network) -> None:
    network.add(host.container()).result()
    assert ip_addresses(network.bridge) == [f"{GATEWAY4}/16", f"{GATEWAY6}/64"]


def test_without_is_gateway_the_bridge_has_no_address(
    host: Host, make_network: MakeNetwork
) -> None:
    network = make_network(isGateway=False)
    network.add(host.container()).result()
    assert ip_addresses(network.bridge) == []


def test_a_default_gateway_becomes_a_route_of_each_family(
    host: Host, make_network: MakeNetwork
) -> None:
    network = make_network(isDefaultGateway=True)
    container = host.container()
    network.add(container).result()
    (route4,) = container.ip("-4", "route", "show", "default").splitlines()
    (route6,) = container.ip("-6", "route", "show", "default").splitlines()
    assert route4.startswith(f"default via {GATEWAY4} dev eth0")
    assert route6.startswith(f"default via {GATEWAY6} dev eth0")


def test_a_default_route_that_ipam_lists_too_is_set_once(
    host: Host, make_network: MakeNetwork
) -> None:
    network = make_network({"routes": [{"dst": each} for each in DEFAULTS]}, isDefaultGateway=True)
    container = host.container()
    network.add(container).result()
    assert len(container.ip("-4", "route", "show", "default").splitlines()) == 1
    assert len(container.ip("-6", "route", "show", "default").splitlines()) == 1


def test_routes_of_the_config_are_set_through_the_gateway(
    host: Host, make_network: MakeNetwork
) -> None:
    routes = [{"dst": "192.0.2.0/24"}, {"dst": "198.51.100.0/24", "gw": "10.88.0.9"}]
    network = make_network({"routes": routes})
    container = host.container()
    network.add(container).result()
    found = {route["dst"]: route.get("gateway") for route in container.routes()}
    assert found["192.0.2.0/24"] == GATEWAY4
    assert found["198.51.100.0/24"] == "10.88.0.9"


@pytest.mark.parametrize("order", [("outer", "inner"), ("inner", "outer")])
def test_an_internal_network_leaves_the_default_route_to_the_other_one(
    order: tuple[str, str], host: Host, make_network: MakeNetwork
) -> None:
    networks = {
        "outer": make_network(isDefaultGateway=True),
        "inner": make_network(
            {"ranges": [[{"subnet": "10.89.0.0/16"}]], "routes": [{"dst": "0.0.0.0/0"}]},
            name="inner",
            bridge="cni1",
            internal=True,
            isDefaultGateway=True,
        ),
    }
    container = host.container()
    for index, name in enumerate(order):
        networks[name].add(container, f"eth{index}").result()
    (default,) = container.ip("-4", "route", "show", "default").splitlines()
    assert f"via {GATEWAY4} dev eth{order.index('outer')}" in default
    if networks["inner"].has_check:
        networks["inner"].check(container, f"eth{order.index('inner')}").assert_silent_success()
        assert container.can_ping("10.89.0.1")


@pytest.mark.parametrize("more", ["::", "0.0.0.0", "[::]"])
def test_a_port_may_be_published_on_every_address_and_on_those_of_a_family(
    more: str, host: Host, make_network: MakeNetwork
) -> None:
    mappings = [
        {"hostPort": 8080, "containerPort": 80, "protocol": "tcp", "hostIP": ip}
        for ip in ("", more)
    ]
    for runtime in ({"portMappings": mappings}, {"portMappings": mappings[::-1]}):
        network = make_network(runtimeConfig=runtime)
        container = host.container()
        network.add(container).result()
        if network.has_check:
            network.check(container).assert_silent_success()
        network.delete(container).assert_silent_success()


def test_forwarding_is_on_for_a_gateway(host: Host, network: Network) -> None:
    network.add(host.container()).result()
    for key in ("/proc/sys/net/ipv4/ip_forward", "/proc/sys/net/ipv6/conf/all/forwarding"):
        with open(key) as sysctl:
            assert sysctl.read().strip() == "1", key


@pytest.mark.parametrize(
    ("key", "flag"), [("hairpinMode", "hairpin"), ("portIsolation", "isolated")]
)
def test_a_port_flag_is_on_only_when_the_config_says_so(
    key: str, flag: str, host: Host, make_network: MakeNetwork
) -> None:
    for wanted in (True, False):
        network = make_network(**{key: wanted})
        container = host.container()
        network.add(container).result()
        assert port_of(network)["linkinfo"]["info_slave_data"][flag] is wanted
        network.delete(container).assert_silent_success()


def test_isolated_ports_reach_the_gateway_but_not_each_other(
    host: Host, make_network: MakeNetwork
) -> None:
    network = make_network(portIsolation=True)
    one, two = host.container(), host.container()
    network.add(one).result()
    target = bare(addresses_in(network.add(two).result())[0])
    assert one.can_ping(GATEWAY4)
    assert not one.can_ping(target)


def test_the_mtu_is_that_of_the_config_on_both_ends(host: Host, make_network: MakeNetwork) -> None:
    network = make_network(mtu=1400)
    container = host.container()
    network.add(container).result()
    (bridge,) = ip_json("link", "show", network.bridge)
    assert [each["mtu"] for each in (bridge, port_of(network), container.link())] == [1400] * 3


def test_promiscuous_mode_is_set_on_the_bridge(host: Host, make_network: MakeNetwork) -> None:
    network = make_network(promiscMode=True)
    network.add(host.container()).result()
    (bridge,) = ip_json("link", "show", network.bridge)
    assert "PROMISC" in bridge["flags"]


@pytest.mark.parametrize("plugin_type", ["", None])
def test_without_a_type_there_is_an_interface(
    plugin_type: str | None, host: Host, network: Network
) -> None:
    container = host.container()
    network.add(container, config={"type": plugin_type}).result()
    assert container.link()["operstate"] == "UP"


def test_the_runtimes_mac_is_used(host: Host, make_network: MakeNetwork) -> None:
    network = make_network(runtimeConfig={"mac": "02:11:22:33:44:55"})
    container = host.container()
    network.add(container).result()
    assert container.link()["address"] == "02:11:22:33:44:55"


def test_without_ipam_the_container_only_joins_the_bridge(
    host: Host, make_network: MakeNetwork, version: str
) -> None:
    network = make_network(isGateway=False)
    del network.config["ipam"]
    container = host.container()
    run = network.add(container)
    if version_key(version) < (0, 3, 0):  # these versions can't say that there is no address
        assert "address" in run.error()["msg"]
        assert container.links() == {"lo"}
        return
    assert not run.result().get("ips")
    assert "UP" in container.link()["flags"]
    assert container.addresses() == []


def test_one_container_can_have_two_interfaces(host: Host, network: Network) -> None:
    container = host.container()
    first = addresses_in(network.add(container, "eth0").result())
    second = addresses_in(network.add(container, "eth1").result())
    assert container.addresses("eth0") == first
    assert container.addresses("eth1") == second
    network.delete(container, "eth0").assert_silent_success()
    assert container.addresses("eth1") == second


def test_a_second_add_is_refused_and_hurts_nobody(host: Host, network: Network) -> None:
    container = host.container()
    addresses = addresses_in(network.add(container).result())
    before = host.state()
    assert network.add(container).error()["code"] == 102
    assert host.state() == before
    assert container.addresses() == addresses


def test_a_foreign_interface_of_the_same_name_is_left_alone(host: Host, network: Network) -> None:
    container = host.container()
    container.ip("link", "add", "eth0", "type", "veth", "peer", "name", "other")
    before = host.state()
    assert network.add(container).error()["code"] == 112
    assert {line for line in host.state() if line.device != network.bridge} == before
    network.delete(container).assert_silent_success()
    assert "eth0" in container.links(), "DEL took an interface that is not ours"
    container.ip("link", "del", "eth0")


def test_a_link_of_the_bridges_name_that_is_no_bridge_is_refused(
    host: Host, network: Network
) -> None:
    ip(*f"link add {network.bridge} type veth peer name other".split())
    error = network.add(host.container()).error()
    assert error["code"] == 112
    assert "not a bridge" in error["msg"]
    ip("link", "del", network.bridge)


def test_an_exhausted_range_is_refused(host: Host, make_network: MakeNetwork) -> None:
    network = make_network({"ranges": [[{"subnet": "10.88.0.0/30"}]]})
    network.add(host.container()).result()
    assert network.add(host.container()).error()["code"] == 100


def test_an_address_rests_before_it_is_given_out_again(host: Host, network: Network) -> None:
    container = host.container()
    seen = set()
    for _ in range(3):
        seen.add(addresses_in(network.add(container).result())[0])
        network.delete(container).assert_silent_success()
    assert len(seen) == 3


def test_a_requested_address_is_given(host: Host, make_network: MakeNetwork) -> None:
    network = make_network(args={"cni": {"ips": ["10.88.7.7"]}})
    container = host.container()
    assert addresses_in(network.add(container).result())[0] == "10.88.7.7/16"
    other = network.add(host.container())
    assert other.error()["code"] == 101


def test_a_second_range_of_a_set_is_used_when_the_first_is_full(
    host: Host, make_network: MakeNetwork
) -> None:
    only = {f"range{end}": "10.88.0.50" for end in ("Start", "End")}
    network = make_network(
        {"ranges": [[{"subnet": SUBNET4, **only}, {"subnet": SUBNET4, "rangeStart": "10.88.0.60"}]]}
    )
    given = [addresses_in(network.add(host.container()).result())[0] for _ in range(2)]
    assert given == ["10.88.0.50/16", "10.88.0.60/16"]


def test_the_bridge_keeps_its_mac_when_its_last_port_goes(host: Host, network: Network) -> None:
    container = host.container()
    network.add(container).result()
    (before,) = ip_json("link", "show", network.bridge)
    network.delete(container).assert_silent_success()
    (after,) = ip_json("link", "show", network.bridge)
    assert after["address"] == before["address"] != "00:00:00:00:00:00"


@pytest.mark.usefixtures("version")  # each version's result has it in its own way
def test_dns_of_the_config_is_passed_on(host: Host, make_network: MakeNetwork) -> None:
    dns = {"nameservers": ["10.88.0.1"], "search": ["example.org"]}
    network = make_network(dns=dns)
    assert network.add(host.container()).result()["dns"] == dns


@pytest.mark.parametrize("kind", ["cni-bridge", "host-local"])
def test_an_mtu_too_small_for_ipv6_is_refused_before_anything_is_made(
    kind: str, host: Host, make_network: MakeNetwork, version: str
) -> None:
    ranges = [[{"subnet": "fd00:9::/64"}]]
    network = make_network(mtu=1279, ipam={"type": kind, "ranges": ranges})
    error = network.add(host.container()).error()
    assert error["code"] == 7
    assert error["msg"] == "mtu: expected 1280 or more, which IPv6 needs, found 1279"
    host.assert_as_before()
    report = command("validate", "-", stdin=json.dumps({**network.config, "name": "small"}))
    assert "error: " in report.stdout, report
    assert "mtu: expected 1280 or more" in report.stdout
    network.config["ipam"]["ranges"] = [[{"subnet": "10.9.0.0/24"}]]
    network.add(host.containers[0]).result()
    network.delete_all()


def test_an_attachments_mtu_too_small_for_ipv6_is_refused(
    host: Host, make_network: MakeNetwork
) -> None:
    network = make_network(mtu=1500, args={"cni": {"mtu": 1000}})
    error = network.add(host.container()).error()
    assert error["msg"] == "args.cni.mtu: expected 1280 or more, which IPv6 needs, found 1000"
    host.assert_as_before()
