"""What stands in the way of packets to other hosts is said in words to act on, and left as it is."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from cni_bridge.cluster import underlay
from tests.kernel.clusters import BOTH, ONLY4, Cluster, cluster
from tests.lab import namespaces
from tests.lab.iproute import ip, ip_json
from tests.unit.cluster import views

IPV6 = Path("/proc/sys/net/ipv6")


@pytest.fixture
def one() -> Iterator[Cluster]:
    """Three hosts on one link; the thread is on the first."""
    with cluster("vxlan", BOTH) as made, made.machines[1].entered():
        yield made


def problem(running: Cluster) -> str:
    """Return the one that the fabric of host 1 tells."""
    (told,) = running.fabric(1).ensure(running.view)
    return told


def route(*words: str) -> str:
    return ip("route", "show", *words)


def test_a_route_of_somebody_else_is_left_alone_and_told(one: Cluster) -> None:
    ip("route", "add", "10.64.2.0/26", "via", "192.0.2.3")
    assert problem(one) == (
        "a foreign route sends 10.64.2.0/26 to eth0, which may capture traffic for other hosts' "
        "containers: remove it with `ip route del`, or choose another cluster.network"
    )
    assert "10.64.2.0/26 via 192.0.2.3 dev eth0 \n" in route("10.64.2.0/26")
    assert "dev vxlan-4096" in route("10.64.2.0/26")
    ip("route", "del", "10.64.2.0/26", "via", "192.0.2.3")
    assert one.fabric(1).ensure(one.view) == ()


def test_an_interface_with_addresses_of_the_network_is_told(one: Cluster) -> None:
    ip("address", "add", "10.65.0.1/16", "dev", "eth0")
    assert problem(one).startswith("a foreign route sends 10.65.0.0/16 to eth0")
    ip("address", "del", "10.65.0.1/16", "dev", "eth0")


def test_a_block_that_went_to_another_host_and_is_on_the_bridge_is_told(one: Cluster) -> None:
    ip("link", "add", "cni0", "type", "bridge")
    ip("link", "set", "cni0", "up")
    ip("address", "add", "10.64.1.1/26", "dev", "cni0")
    assert one.fabric(1).ensure(one.view) == ()
    ip("address", "add", "10.64.2.1/26", "dev", "cni0")
    assert problem(one).startswith("10.64.2.0/26 is not leased to this host, but cni0 still has an")
    ip("link", "del", "cni0")


def test_a_tunnel_of_somebody_else_is_left_alone_and_told(one: Cluster) -> None:
    ip("link", "add", "vxlan-4096", "type", "vxlan", "id", "9", "dstport", "4789")
    assert problem(one) == (
        "interface vxlan-4096 is not of this network: remove it, or choose another cluster.vni on "
        "all hosts"
    )
    (link,) = ip_json("-d", "link", "show", "vxlan-4096")
    assert link["linkinfo"]["info_data"]["id"] == 9
    ip("link", "del", "vxlan-4096")


@pytest.mark.parametrize("kind", [("bridge",), ("vxlan", "id", "4096", "dstport", "4789")])
def test_an_interface_that_takes_the_name_or_the_vni_is_told(
    one: Cluster, kind: tuple[str, ...]
) -> None:
    name = "vxlan-4096" if kind[0] == "bridge" else "another"
    ip("link", "add", name, "type", *kind)
    told = problem(one)
    assert told.startswith("create tunnel vxlan-4096: EEXIST (File exists)")
    assert told.endswith("choose another cluster.vni on all hosts")
    assert "ifalias" not in ip_json("link", "show", name)[0]
    ip("link", "del", name)


def test_networks_that_overlap_are_told_and_do_not_take_each_others_routes(one: Cluster) -> None:
    small = one.with_settings(
        views.settings("host-gw", network="small", pools={"10.66.0.0/16": 26})
    )
    view = views.view(one.hosts.values(), {"10.66.2.0/26": 2})
    assert small.fabric(1).ensure(view) == ()
    told = (
        "overlap: choose another cluster.network; if there is no other any more, "
        "`ip route del unreachable"
    )
    assert told in problem(one)
    (told_small,) = small.fabric(1).ensure(view)
    assert told in told_small
    assert "via 192.0.2.2 dev eth0 proto 77" in route("10.66.2.0/26")
    one.fabric(1).remove()
    assert "via 192.0.2.2 dev eth0 proto 77" in route("10.66.2.0/26")
    small.fabric(1).remove()


def test_without_ipv6_in_the_kernel_ipv4_gets_through_and_the_rest_is_told() -> None:
    with cluster("vxlan", ONLY4) as running, running.machines[1].entered():
        namespaces.mount("tmpfs", IPV6.parent, "tmpfs")
        (IPV6.parent / "ipv4").mkdir()
        told = problem(running)
        assert told == (
            "this kernel has no IPv6, which the way to host-2, host-3 needs: start it without "
            "ipv6.disable=1, or take cluster.network6 out of the config of all hosts"
        )
        namespaces.unmount(IPV6.parent)
        assert "dev vxlan-4096" in route("10.64.2.0/26")
        assert ip("-6", "route", "show", "proto", "77") == ""


def test_a_tunnel_has_ipv6_although_new_interfaces_have_not() -> None:
    with cluster("vxlan", BOTH) as running:
        for machine in running.machines.values():
            with machine.entered():
                (IPV6 / "conf/default/disable_ipv6").write_text("1")
        running.ensure_all()


def test_hosts_that_are_told_their_blocks_have_routes_to_these_and_nothing_else() -> None:
    with cluster("vxlan", BOTH) as running:
        told = running.with_settings(views.settings(pools={}))
        told.ensure_all()
        with told.machines[1].entered():
            assert route("proto", "78").count("dev vxlan-4096") == 2
            assert "unreachable" not in route()
            alone = views.view(told.hosts.values(), {"10.64.1.0/26": 1})
            assert told.fabric(1).ensure(alone) == ()
            assert route("proto", "78") == ""
        for number in told.machines:
            told.remove(number)


# ---------------------------------------------------------------- the network below


def test_the_addresses_below_are_those_from_which_the_store_is_reached(one: Cluster) -> None:
    ip("link", "set", "eth0", "mtu", "1400")
    found = underlay.find(["http://127.0.0.1:2379", "http://192.0.2.9:2379"])
    assert found == underlay.Underlay(addresses=one.hosts[1].addresses[:1], mtu=1400)
    both = underlay.find(["https://[2001:db8::9]:2379", "192.0.2.9:2379"])
    assert both.addresses == one.hosts[1].addresses
    ip("link", "set", "eth0", "mtu", "1500")


def test_where_the_store_is_on_this_host_the_default_route_decides(one: Cluster) -> None:
    ip("route", "add", "default", "via", "192.0.2.254")
    ip("route", "add", "default", "via", "2001:db8::254")
    assert underlay.find(["http://localhost:2379"]).addresses == one.hosts[1].addresses
    ip("route", "del", "default")
    ip("-6", "route", "del", "default")


def test_addresses_that_are_given_have_to_be_this_hosts_and_one_of_a_family(one: Cluster) -> None:
    mine, other = one.hosts[1].addresses, one.hosts[2].addresses
    assert underlay.find([], mine[::-1]).addresses == mine
    with pytest.raises(underlay.NoUnderlay, match=r"no interface of this host has 192\.0\.2\.2"):
        underlay.find([], other)
    with pytest.raises(underlay.NoUnderlay, match="are of one family"):
        underlay.find([], [mine[0], other[0]])


def test_without_any_way_out_it_is_said_what_to_do(one: Cluster) -> None:
    with pytest.raises(underlay.NoUnderlay, match="give it an address and a route"):
        underlay.find(["http://203.0.113.1:2379", "http://store.invalid:2379"])
