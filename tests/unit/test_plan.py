"""The plan of an attachment, by example: every rule of what should exist."""

import pytest

from cni_bridge import address, names, plan
from cni_bridge.address import Prefix
from cni_bridge.firewall.model import FirewallConfig
from cni_bridge.lean.record import replace
from cni_bridge.model import (
    Attachment,
    Bridge,
    Dns,
    Grant,
    Ipam,
    Lease,
    NetworkConfig,
    Plan,
    Port,
    Route,
)
from cni_bridge.model_optional import Bandwidth, Limit, Sysctl, Tuning, VlanFilter

ATTACHMENT = Attachment(network="net", container="c0ffee", ifname="eth0")
CONFIG = NetworkConfig(
    cni_version="1.1.0",
    name="net",
    state_dir="/run/cni-bridge",
    reservations_dir="/var/lib/cni/networks/net",
    bridge="cni0",
    is_gateway=False,
    is_default_gateway=False,
    force_address=False,
    mtu=0,
    hairpin_mode=False,
    promisc_mode=False,
    port_isolation=False,
    duplicate_address_detection=False,
    keeps_link_local=False,
    container_interface_up=True,
    vlan=None,
    mac=None,
    ipam=Ipam(),
    dns=None,
)
GATEWAY = replace(CONFIG, is_gateway=True)
DEFAULT_GATEWAY = replace(GATEWAY, is_default_gateway=True)


def prefix(text: str) -> Prefix:
    return address.parse_prefix(text)


def lease(text: str, gateway: str = "") -> Lease:
    return Lease(address=prefix(text), gateway=address.parse(gateway) if gateway else None)


def route(destination: str, gateway: str = "", **more: int) -> Route:
    return Route(
        destination=prefix(destination),
        gateway=address.parse(gateway) if gateway else None,
        **more,
    )


def build(config: NetworkConfig, *leases: Lease, routes: tuple[Route, ...] = ()) -> Plan:
    return plan.build(ATTACHMENT, config, Grant(leases=leases, routes=routes))


def bridge(made: Plan) -> Bridge:
    assert made.bridge
    return made.bridge


def port(made: Plan) -> Port:
    assert made.veth.port
    return made.veth.port


DUAL = (lease("10.1.0.2/24", "10.1.0.1"), lease("fd00::2/64", "fd00::1"))


def test_the_same_arguments_give_the_same_plan() -> None:
    assert build(DEFAULT_GATEWAY, *DUAL) == build(DEFAULT_GATEWAY, *DUAL)


def test_a_bridge_that_is_no_gateway_gets_no_address() -> None:
    assert bridge(build(CONFIG, *DUAL)).gateways == ()


def test_a_gateway_bridge_gets_every_gateway_with_its_subnets_length() -> None:
    assert bridge(build(GATEWAY, *DUAL)).gateways == (prefix("10.1.0.1/24"), prefix("fd00::1/64"))


def test_two_ranges_behind_one_gateway_give_the_bridge_one_address() -> None:
    leases = (lease("10.1.0.2/24", "10.1.0.1"), lease("10.1.0.200/24", "10.1.0.1"))
    assert bridge(build(GATEWAY, *leases)).gateways == (prefix("10.1.0.1/24"),)


def test_a_gateway_that_nobody_named_is_the_subnets_first_address() -> None:
    made = build(GATEWAY, lease("10.1.2.3/20"), lease("fd00::1:2/112"))
    assert bridge(made).gateways == (prefix("10.1.0.1/20"), prefix("fd00::1:1/112"))


def test_without_a_gateway_bridge_nobody_invents_a_gateway() -> None:
    assert build(CONFIG, lease("10.1.2.3/20")).leases == (lease("10.1.2.3/20"),)


def test_a_default_gateway_adds_one_default_route_a_family() -> None:
    made = build(DEFAULT_GATEWAY, *DUAL, lease("10.2.0.2/24", "10.2.0.1"))
    assert made.veth.routes == (route("0.0.0.0/0", "10.1.0.1"), route("::/0", "fd00::1"))
    assert made.routes == made.veth.routes


def test_a_default_route_of_the_config_is_not_doubled() -> None:
    made = build(DEFAULT_GATEWAY, *DUAL, routes=(route("0.0.0.0/0"),))
    assert made.routes == (route("0.0.0.0/0"), route("::/0", "fd00::1"))
    assert made.veth.routes == (route("0.0.0.0/0", "10.1.0.1"), route("::/0", "fd00::1"))


def test_a_default_route_of_the_config_keeps_its_own_gateway() -> None:
    made = build(DEFAULT_GATEWAY, DUAL[0], routes=(route("0.0.0.0/0", "10.1.0.9"),))
    assert made.veth.routes == (route("0.0.0.0/0", "10.1.0.9"),)


def test_a_route_without_gateway_takes_the_first_one_of_its_family() -> None:
    made = build(CONFIG, *DUAL, routes=(route("10.9.0.0/16"), route("fd09::/16")))
    assert made.veth.routes == (route("10.9.0.0/16", "10.1.0.1"), route("fd09::/16", "fd00::1"))


def test_a_route_without_any_gateway_is_on_link() -> None:
    made = build(CONFIG, lease("10.1.0.2/24"), routes=(route("10.9.0.0/16"),))
    assert made.veth.routes == (route("10.9.0.0/16"),)


@pytest.mark.parametrize(
    ("destination", "zero"), [("10.9.0.0/16", "0.0.0.0"), ("fd09::/16", "::"), ("::/0", "::")]
)
def test_an_all_zero_gateway_puts_a_route_on_the_link(destination: str, zero: str) -> None:
    made = build(GATEWAY, *DUAL, routes=(route(destination, zero),))
    assert made.routes == (route(destination, zero),), "the result repeats what was asked for"
    assert made.veth.routes == (route(destination),)


INTERNAL = replace(DEFAULT_GATEWAY, firewall=FirewallConfig(is_internal=True))


def test_an_internal_network_has_no_default_route() -> None:
    other = route("10.9.0.0/16")
    given = (route("0.0.0.0/0"), route("::/0", "fd00::1"), route("0.0.0.0/0", "0.0.0.0"), other)
    made = build(INTERNAL, *DUAL, routes=given)
    assert made.routes == (other,)
    assert made.veth.routes == (route("10.9.0.0/16", "10.1.0.1"),)
    assert bridge(made).gateways, "the gateway is reached nevertheless"


def test_an_internal_network_keeps_a_default_route_by_another_container_or_in_a_table() -> None:
    given = (route("0.0.0.0/0", "10.1.0.9"), route("::/0", table=100))
    assert build(INTERNAL, *DUAL, routes=given).routes == given


def test_the_same_route_twice_reaches_the_kernel_once() -> None:
    routes = (route("10.9.0.0/16"), route("10.9.0.0/16", "10.1.0.1"))
    assert build(CONFIG, *DUAL, routes=routes).veth.routes == (route("10.9.0.0/16", "10.1.0.1"),)


def test_routes_that_differ_in_metric_or_table_are_both_kept() -> None:
    routes = (route("10.9.0.0/16", "10.1.0.1"), route("10.9.0.0/16", "10.1.0.1", table=100))
    assert build(CONFIG, *DUAL, routes=routes).veth.routes == routes


def test_dns_of_the_config_replaces_that_of_ipam_as_a_whole() -> None:
    ours = Dns(search=("example.org",))
    theirs = Dns(nameservers=("10.1.0.1",), domain="example.net")
    grant = Grant(dns=theirs)
    assert plan.build(ATTACHMENT, CONFIG, grant).dns == theirs
    assert plan.build(ATTACHMENT, replace(CONFIG, dns=ours), grant).dns == ours


def test_port_flags_and_link_settings_come_from_the_config() -> None:
    config = replace(
        CONFIG,
        hairpin_mode=True,
        port_isolation=True,
        mtu=1400,
        mac=b"\x02\0\0\0\0\5",
        container_interface_up=False,
        duplicate_address_detection=True,
    )
    veth = build(config).veth
    flags = port(build(config))
    assert (flags.hairpin, flags.isolated, veth.mtu) == (True, True, 1400)
    assert (veth.mac, veth.is_up, veth.detects_duplicates) == (b"\x02\0\0\0\0\5", False, True)


def test_an_attachments_own_mtu_is_that_of_its_pair_and_not_the_bridges() -> None:
    made = build(replace(CONFIG, mtu=1500, attachment_mtu=1400))
    assert (bridge(made).mtu, made.veth.mtu) == (1500, 1400)


def test_the_first_ifname_in_a_sysctl_is_the_interfaces_and_the_last_value_wins() -> None:
    sysctls = (
        Sysctl(key="net.IFNAME.IFNAME", path="net/IFNAME/IFNAME", value="1"),
        Sysctl(key="net.IFNAME", path="net/IFNAME", value="2"),
        Sysctl(key="net.eth0", path="net/eth0", value="3"),
    )
    tuned = build(replace(CONFIG, tuning=Tuning(sysctls=sysctls, promisc=True))).tuned
    assert tuned
    assert tuned.name == "eth0"
    assert tuned.tuning.promisc
    assert [(item.path, item.value) for item in tuned.tuning.sysctls] == [
        ("net/eth0/IFNAME", "1"),
        ("net/eth0", "3"),
    ]


def test_limits_belong_to_the_attachments_own_devices() -> None:
    small, large = (
        Limit(bytes_per_second=1000, burst_bytes=1),
        Limit(bytes_per_second=1000, burst_bytes=5000),
    )
    made = build(replace(CONFIG, bandwidth=Bandwidth(ingress=small, egress=large))).shaping
    assert made
    assert made.host_name == build(CONFIG).veth.host_name
    assert made.ifb_name[4:] == made.host_name[4:]
    assert made.egress == large
    assert made.ingress == Limit(bytes_per_second=1000, burst_bytes=1518), (
        "a bucket has to hold a frame"
    )


def test_a_network_that_asks_for_neither_is_neither_tuned_nor_limited() -> None:
    assert (build(CONFIG).tuned, build(CONFIG).shaping) == (None, None)


def test_vlans_make_the_bridge_filter_and_reach_the_port() -> None:
    made = build(replace(CONFIG, vlan=VlanFilter(trunk=(5,))), DUAL[0])
    assert (bridge(made).filters_vlans, bridge(made).gateway_vlan) == (True, 0)
    assert port(made).vlan == VlanFilter(trunk=(5,))


def test_an_access_vlan_has_a_gateway_of_its_own() -> None:
    access = VlanFilter(access=100)
    assert bridge(build(replace(GATEWAY, vlan=access), DUAL[0])).gateway_vlan == 100
    assert bridge(build(replace(GATEWAY, vlan=access))).gateway_vlan == 0, "nothing to put on it"
    assert bridge(build(replace(CONFIG, vlan=access), DUAL[0])).gateway_vlan == 0
    assert bridge(build(replace(GATEWAY, vlan=VlanFilter(trunk=(5,))), DUAL[0])).gateway_vlan == 0


def test_a_wire_has_neither_bridge_nor_port_and_a_mac_that_is_its_own_for_ever() -> None:
    wire = build(replace(CONFIG, is_wire=True), *DUAL)
    assert (wire.bridge, wire.veth.port, wire.veth.routes) == (None, None, ())
    assert wire.veth.mac == names.container_mac(ATTACHMENT)
    assert build(replace(CONFIG, is_wire=True, mac=b"\x02\0\0\0\0\5")).veth.mac == b"\x02\0\0\0\0\5"


def test_ipv6_is_turned_off_only_where_nothing_uses_it() -> None:
    ipv4 = DUAL[0]
    assert build(GATEWAY, ipv4).veth.disables_ipv6
    assert not build(GATEWAY, ipv4, routes=(route("2001:db8::/32"),)).veth.disables_ipv6
    assert not build(GATEWAY, *DUAL).veth.disables_ipv6
    assert not build(replace(GATEWAY, keeps_link_local=True), ipv4).veth.disables_ipv6
    assert not build(CONFIG, ipv4).veth.disables_ipv6, "the gateway may be a LAN's"
    assert not build(GATEWAY).veth.disables_ipv6, "nothing is known of a layer-2 network"


def test_advertisements_are_ignored_where_every_router_is_known() -> None:
    bare = lease("10.1.0.2/24")
    assert build(GATEWAY, bare).veth.ignores_routers, "the bridge is the gateway"
    assert build(CONFIG, *DUAL).veth.ignores_routers, "IPAM names the IPv6 gateway"
    assert not build(CONFIG, DUAL[0]).veth.ignores_routers, "a LAN may have an IPv6 router"
    assert not build(GATEWAY).veth.ignores_routers, "nothing is known of a layer-2 network"
