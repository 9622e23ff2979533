"""What a host's kernel should have for the blocks of others, found from the view alone."""

import pytest

from cni_bridge.address import parse, parse_prefix, prefix_text, text
from cni_bridge.cluster import routes
from cni_bridge.cluster.desired import LAST_RESORT, DesiredState, Forward, Neighbour, Route
from cni_bridge.cluster.model import Host, View
from cni_bridge.lean.record import replace
from tests.unit.cluster import views

ME = views.host(1, "192.0.2.1", "2001:db8::1")
PEER = views.host(2, "192.0.2.2", "2001:db8::2")
PEER4 = views.host(2, "192.0.2.2")
PEER6 = views.host(2, "2001:db8::2")
BLOCK, BLOCK6 = "10.64.2.0/26", "fd64::2:0/122"


def wanted(kind: str, view: View, me: Host = ME) -> DesiredState:
    return routes.desired(me, view, views.settings(kind))


def ways(found: DesiredState) -> dict[str, str]:
    """Where routes lead, those to nobody aside."""
    return {
        prefix_text(each.destination): f"{text(each.gateway)} {each.tunnel}".strip()
        for each in found.routes
        if each.gateway
    }


def seen(peer: Host = PEER) -> View:
    return views.view([ME, peer], {BLOCK: 2, BLOCK6: 2, "10.64.1.0/26": 1})


def test_on_the_link_a_route_leads_to_the_hosts_address_of_the_blocks_family() -> None:
    found = wanted("host-gw", seen())
    assert ways(found) == {BLOCK: "192.0.2.2", BLOCK6: "2001:db8::2"}
    assert (found.tunnels, found.forwards, found.neighbours, found.problems) == ((), (), (), ())


def test_on_the_link_a_block_without_an_address_of_its_family_below_is_a_problem() -> None:
    found = wanted("host-gw", seen(PEER4))
    assert ways(found) == {BLOCK: "192.0.2.2"}
    (problem,) = found.problems
    assert problem.startswith("host host-2 has blocks of IPv6, but is at 192.0.2.2")
    assert "set cluster.backend to vxlan" in problem


def test_through_a_tunnel_everything_leads_to_the_one_mac_of_the_host() -> None:
    found = wanted("vxlan", seen())
    mac = routes.tunnel_mac("testnet", "id-2")
    behind = routes.link_local(mac)
    name = "vxlan-4096"
    assert ways(found) == {BLOCK: f"192.0.2.2 {name}", BLOCK6: f"{text(behind)} {name}"}
    assert found.forwards == (Forward(tunnel=name, mac=mac, ip=parse("192.0.2.2")),)
    assert set(found.neighbours) == {
        Neighbour(tunnel=name, ip=parse("192.0.2.2"), mac=mac),
        Neighbour(tunnel=name, ip=behind, mac=mac),
    }


@pytest.mark.parametrize(
    ("me", "peer", "below"),
    [
        (ME, PEER, "192.0.2.2"),
        (ME, PEER4, "192.0.2.2"),
        (ME, PEER6, "2001:db8::2"),
        (views.host(1, "2001:db8::1"), PEER, "2001:db8::2"),
    ],
)
def test_a_tunnel_is_over_the_family_that_both_have_and_ipv4_first(
    me: Host, peer: Host, below: str
) -> None:
    found = wanted("vxlan", seen(peer), me)
    (forward,) = found.forwards
    assert text(forward.ip) == below
    assert found.problems == ()
    assert {each.tunnel for each in found.routes if each.gateway} == {forward.tunnel}


def test_hosts_without_a_family_in_common_are_a_problem() -> None:
    found = wanted("vxlan", seen(PEER6), views.host(1, "192.0.2.1"))
    assert ways(found) == {}
    (problem,) = found.problems
    assert problem.startswith("host host-2 is at 2001:db8::2 and this one at 192.0.2.1: no tunnel")


def test_a_tunnel_has_the_gateways_of_the_first_blocks_and_room_for_what_it_adds() -> None:
    view = views.view([ME, PEER], {"10.64.9.0/26": 1, "10.64.1.0/26": 1, "fd64::1:0/122": 1})
    (tunnel,) = wanted("vxlan", view).tunnels
    assert [prefix_text(each) for each in tunnel.addresses] == ["10.64.1.1/32", "fd64::1:1/128"]
    assert (tunnel.mtu, tunnel.vni, tunnel.port, tunnel.local) == (
        1450,
        4096,
        4789,
        parse("192.0.2.1"),
    )
    assert tunnel.alias == "cni-bridge cluster testnet"
    assert tunnel.mac == routes.tunnel_mac("testnet", "id-1")


@pytest.mark.parametrize(
    ("kind", "me", "mtu"),
    [
        ("host-gw", ME, 1500),
        ("vxlan", ME, 1450),
        ("vxlan", views.host(1, "2001:db8::1"), 1430),
    ],
)
def test_the_mtu_leaves_room_for_the_tunnel(kind: str, me: Host, mtu: int) -> None:
    assert routes.mtu(me, views.settings(kind)) == mtu


def test_names_fit_an_interface_and_macs_are_of_one_host_and_of_nobody_who_makes_hardware() -> None:
    widest = views.settings(vni=2**24 - 1)
    me = views.host(1, "2001:db8::1", "192.0.2.1")
    found = routes.desired(me, seen(), widest), routes.desired(me, seen(PEER6), widest)
    names = {tunnel.name for each in found for tunnel in each.tunnels}
    assert names == {"vxlan-16777215", "vxlan6-16777215"}
    assert all(len(name) < 16 for name in names)
    macs = {routes.tunnel_mac("testnet", f"id-{each}") for each in range(5000)}
    assert len(macs) == 5000
    assert {mac[0] for mac in macs} == {2}  # locally administered, of one interface
    assert routes.tunnel_mac("testnet", "id") != routes.tunnel_mac("other", "id")


def test_a_link_local_address_is_what_the_kernel_would_make_of_the_mac() -> None:
    assert text(routes.link_local(bytes.fromhex("02095e1d6a0e"))) == "fe80::9:5eff:fe1d:6a0e"


def test_what_nobody_leases_leads_nowhere() -> None:
    last = [each for each in wanted("host-gw", seen()).routes if each.gateway is None]
    assert [prefix_text(each.destination) for each in last] == ["10.64.0.0/12", "fd64::/48"]
    assert {each.metric for each in last} == {LAST_RESORT}


def test_a_host_that_is_no_member_is_still_reached() -> None:
    view = views.view([ME, PEER], {BLOCK: 2}, members=[1])
    assert ways(wanted("host-gw", view)) == {BLOCK: "192.0.2.2"}


def test_a_block_whose_host_is_not_known_leads_nowhere() -> None:
    assert ways(wanted("host-gw", views.view([ME], {BLOCK: 2}))) == {}


def test_of_two_hosts_at_one_address_the_member_is_reached_and_it_is_told() -> None:
    again = replace(views.host(3, "192.0.2.2"), id="id-1a")
    view = views.view([ME, PEER, again], {BLOCK: 2, "10.64.3.0/26": 3}, members=[1, 2])
    block = view.blocks[parse_prefix("10.64.3.0/26")]
    view = replace(view, blocks=view.blocks | {block.subnet: replace(block, host="id-1a")})
    found = wanted("host-gw", view)
    assert ways(found) == {BLOCK: "192.0.2.2"}
    (problem,) = found.problems
    assert problem.startswith(
        "hosts host-2 (id-2) and host-3 (id-1a) are both at 192.0.2.2: nothing is sent to the "
        "blocks of the second"
    )


def test_a_host_at_this_hosts_address_is_not_sent_anything() -> None:
    found = wanted("vxlan", seen(views.host(2, "192.0.2.1")))
    assert (ways(found), found.forwards) == ({}, ())
    assert "are both at 192.0.2.1" in found.problems[0]


def test_a_block_outside_of_the_pools_is_a_problem_of_its_hosts_config() -> None:
    found = wanted("host-gw", views.view([ME, PEER], {BLOCK: 2, "10.200.0.0/26": 2}))
    assert ways(found) == {BLOCK: "192.0.2.2"}
    assert found.problems == (
        "host host-2 has 10.200.0.0/26, which is no free block of 10.64.0.0/12 in /26, fd64::/48 in "
        "/122: set the same cluster.network and cluster.blockSize on all hosts",
    )


@pytest.mark.parametrize("lie", ["10.64.2.0/32", "10.64.2.0/27", "10.64.0.0/12", "10.64.2.64/25"])
def test_a_block_of_another_size_gets_no_route(lie: str) -> None:
    found = wanted("vxlan", views.view([ME, PEER], {BLOCK: 2, lie: 2}))
    assert set(ways(found)) == {BLOCK}
    assert lie in found.problems[0]


def test_a_subnet_of_a_node_within_this_hosts_own_gets_no_route() -> None:
    settings = replace(views.settings("host-gw"), pools=())
    view = views.view([ME, PEER], {"10.244.1.0/24": 1, "10.244.1.128/25": 2, "10.244.2.0/24": 2})
    found = routes.desired(ME, view, settings)
    assert set(ways(found)) == {"10.244.2.0/24"}
    assert "10.244.1.128/25" in found.problems[0]


def test_no_route_has_an_mtu_that_the_kernel_refuses() -> None:
    found = wanted("vxlan", seen(replace(PEER, mtu=68)))
    assert {each.mtu for each in found.routes if each.gateway} == {68}


def test_only_to_hosts_with_a_narrower_link_a_route_has_an_mtu() -> None:
    found = wanted("vxlan", seen(replace(PEER, mtu=1400)))
    assert {each.mtu for each in found.routes if each.gateway} == {1350}
    found = wanted("vxlan", seen(replace(PEER, mtu=9000)))
    assert {each.mtu for each in found.routes} == {0}


def test_whoever_sees_the_same_wants_the_same() -> None:
    hosts = [views.host(each, f"192.0.2.{each}") for each in range(1, 100)]
    blocks = {f"10.64.{each}.0/26": each for each in range(1, 100)}
    one = views.view(hosts, blocks)
    other = views.view(hosts[::-1], dict(reversed(blocks.items())))
    assert wanted("vxlan", one) == wanted("vxlan", other)
    assert all(isinstance(each, Route) for each in wanted("vxlan", one).routes)


@pytest.mark.parametrize(
    ("named", "outside"),
    [
        (("10.64.0.0/16", "fd64::/48"), None),
        (("10.64.0.0/16",), f"(10.64.0.0/16): {BLOCK6} of host-2. Pods there"),
        (("10.64.1.0/24", "fd65::/48"), f": {BLOCK} of host-2, {BLOCK6} of host-2. Pods there"),
        (("10.64.2.0/27", "fd64::/48"), f": 10.64.1.0/26 of host-1, {BLOCK} of host-2. Pods"),
        ((), "(none): 10.64.1.0/26 of host-1, "),
    ],
)
def test_a_pod_cidr_outside_of_the_named_networks_is_a_problem(
    named: tuple[str, ...], outside: str | None
) -> None:
    unmasked = tuple(map(parse_prefix, named))
    settings = replace(views.settings("host-gw", pools={}), unmasked=unmasked)
    found = routes.desired(ME, seen(), settings).problems
    assert len(found) == (outside is not None)
    assert all((outside or "") in each for each in found)


def test_of_many_pod_cidrs_outside_of_the_named_networks_three_are_named() -> None:
    blocks = {f"10.65.{number}.0/26": 2 for number in range(9)}
    settings = replace(views.settings("host-gw", pools={}), unmasked=())
    (problem,) = routes.desired(ME, views.view([ME, PEER], blocks), settings).problems
    assert "10.65.2.0/26 of host-2 and 6 more." in problem
