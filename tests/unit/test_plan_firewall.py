"""What the plan of an attachment says about the firewall, and what follows for the bridge port."""

import pytest

from cni_bridge.address import parse, parse_prefix
from cni_bridge.firewall.model import Firewall, FirewallConfig, PublishedPort
from cni_bridge.lean.record import replace
from cni_bridge.model import Ipam, Lease, Range
from cni_bridge.model_optional import VlanFilter
from tests.unit.test_plan import CONFIG, DUAL, GATEWAY, build, port

PORTS = (PublishedPort(protocol=6, host_port=80, container_port=80),)


def firewall(rules: FirewallConfig) -> Firewall:
    planned = build(replace(CONFIG, firewall=rules), *DUAL).firewall
    assert planned
    return planned


def test_without_wishes_there_is_no_firewall() -> None:
    assert build(CONFIG, *DUAL).firewall is None


def test_the_firewall_knows_the_containers_addresses_and_the_networks_subnets() -> None:
    planned = firewall(FirewallConfig(masquerades=True))
    assert planned.addresses == (parse("10.1.0.2"), parse("fd00::2"))
    assert planned.subnets == (parse_prefix("10.1.0.0/24"), parse_prefix("fd00::/64"))
    assert (planned.bridge, planned.mac) == ("cni0", None)


def test_all_ranges_are_subnets_of_the_network_whichever_was_leased_from() -> None:
    slices = tuple(
        Range(subnet=parse_prefix(text), start=b"", end=b"", gateway=b"")
        for text in ("10.1.0.0/24", "10.2.0.0/24")
    )
    ranges = replace(CONFIG, ipam=Ipam(range_sets=(slices,)))
    planned = build(replace(ranges, firewall=FirewallConfig(masquerades=True)), *DUAL).firewall
    assert planned
    assert [len(item.ip) for item in planned.subnets] == [4, 4, 16]


def test_a_mac_that_is_checked_is_known_beforehand_and_stays() -> None:
    rules = FirewallConfig(checks_mac=True)
    made = build(replace(CONFIG, firewall=rules), *DUAL)
    assert made.firewall
    assert made.veth.mac == made.firewall.mac == firewall(rules).mac
    assert made.veth.mac
    assert made.veth.mac[0] & 3 == 2, "locally administered, and of one interface"
    asked = bytes.fromhex("020000000005")
    made = build(replace(CONFIG, mac=asked, firewall=rules), *DUAL)
    assert made.veth.mac == asked


def test_published_ports_make_the_bridge_port_a_hairpin_unless_promiscuous() -> None:
    rules = FirewallConfig(ports=PORTS)
    assert port(build(replace(CONFIG, firewall=rules))).hairpin
    assert not port(build(replace(CONFIG, promisc_mode=True, firewall=rules))).hairpin


@pytest.mark.parametrize(
    ("host_ip", "leases", "is_possible"),
    [
        (b"", DUAL[:1], True),
        (bytes(4), DUAL[:1], True),
        (bytes(16), DUAL[:1], False),
        (bytes(4), DUAL[1:], False),
        (bytes(16), DUAL, True),
        (parse("fd00::9"), DUAL[:1], True),  # and refused, when the port is claimed
    ],
)
def test_a_port_on_all_addresses_of_a_family_that_the_container_lacks_is_left_out(
    host_ip: bytes, leases: tuple[Lease, ...], is_possible: bool
) -> None:
    wanted = PublishedPort(protocol=6, host_port=80, container_port=80, host_ip=host_ip)
    rules = FirewallConfig(masquerades=True, ports=(wanted,))
    made = build(replace(CONFIG, firewall=rules), *leases)
    assert made.firewall
    assert made.firewall.rules.ports == ((wanted,) if is_possible else ())
    assert port(made).hairpin == is_possible


def test_containers_that_may_not_talk_have_isolated_ports() -> None:
    apart = FirewallConfig(allows_icc=False)
    assert port(build(replace(CONFIG, firewall=apart))).isolated
    published = replace(apart, ports=(PublishedPort(protocol=6, host_port=1, container_port=1),))
    assert not port(build(replace(CONFIG, firewall=published))).isolated
    assert not port(build(replace(CONFIG, firewall=FirewallConfig(masquerades=True)))).isolated


def test_the_rules_are_for_the_interface_that_has_the_gateway() -> None:
    config = replace(GATEWAY, firewall=FirewallConfig(masquerades=True))
    access = build(replace(config, vlan=VlanFilter(access=100)), *DUAL).firewall
    assert access
    assert access.bridge == "cni0.100"


def test_a_checked_port_hands_every_frame_to_the_rules() -> None:
    for rules in (FirewallConfig(checks_mac=True), FirewallConfig(checks_ip=True)):
        made = build(replace(CONFIG, firewall=rules), *DUAL)
        assert made.veth.port
        assert made.veth.port.is_checked
        assert made.firewall
        assert made.veth.mac == made.firewall.mac is not None
    unchecked = build(replace(CONFIG, firewall=FirewallConfig(masquerades=True)), *DUAL)
    assert unchecked.veth.port
    assert not unchecked.veth.port.is_checked
