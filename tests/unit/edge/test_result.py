"""The ADD result, made of a plan, of what was observed, and of what came before in the chain."""

from typing import TYPE_CHECKING

from cni_bridge import address
from cni_bridge.edge import result, result_versions
from cni_bridge.lean.record import replace
from cni_bridge.model import Attachment, Bridge, Dns, Interface, Lease, Plan, Port, Route, Veth

if TYPE_CHECKING:
    from cni_bridge.edge.result_versions import Json

INTERFACES = (
    Interface(name="cni0", mac="02:00:00:00:00:01", mtu=1500),
    Interface(name="veth1", mac="02:00:00:00:00:02", mtu=1500),
    Interface(name="eth0", mac="02:00:00:00:00:03", mtu=1500, sandbox="/run/netns/x"),
)


def plan(leases: tuple[Lease, ...], routes: tuple[Route, ...] = (), dns: Dns | None = None) -> Plan:
    return Plan(
        attachment=Attachment(network="net", container="c", ifname="eth0"),
        bridge=Bridge(
            name="cni0",
            mtu=0,
            gateways=(),
            replaces_address=False,
            is_promiscuous=False,
            filters_vlans=False,
        ),
        veth=Veth(
            host_name="veth1",
            container_name="eth0",
            alias="",
            mtu=0,
            mac=None,
            port=Port(bridge="cni0", hairpin=False, isolated=False, vlan=None),
            is_up=True,
            detects_duplicates=False,
            addresses=(),
            routes=(),
        ),
        leases=leases,
        routes=routes,
        dns=dns or Dns(),
    )


LEASE = Lease(address=address.parse_prefix("10.1.0.2/24"), gateway=address.parse("10.1.0.1"))


def test_addresses_belong_to_the_container_end() -> None:
    made = result.build(plan((LEASE,)), INTERFACES, None)
    assert made == {
        "interfaces": [
            {"name": "cni0", "mac": "02:00:00:00:00:01", "mtu": 1500},
            {"name": "veth1", "mac": "02:00:00:00:00:02", "mtu": 1500},
            {
                "name": "eth0",
                "mac": "02:00:00:00:00:03",
                "mtu": 1500,
                "sandbox": "/run/netns/x",
            },
        ],
        "ips": [{"interface": 2, "address": "10.1.0.2/24", "gateway": "10.1.0.1"}],
    }


def test_empty_lists_are_left_out() -> None:
    assert result.build(plan(()), INTERFACES, None).keys() == {"interfaces"}


def test_routes_carry_only_what_was_given() -> None:
    routes = (
        Route(destination=address.parse_prefix("0.0.0.0/0")),
        Route(destination=address.parse_prefix("fd09::/16"), gateway=bytes(15) + b"\1", table=0),
    )
    made = result.build(plan((LEASE,), routes), INTERFACES, None)
    assert made["routes"] == [{"dst": "0.0.0.0/0"}, {"dst": "fd09::/16", "gw": "::1", "table": 0}]


def test_what_came_before_in_the_chain_is_kept_and_indexes_move() -> None:
    previous: Json = {
        "interfaces": [{"name": "tap0", "mac": "02:00:00:00:00:09"}],
        "ips": [{"address": "10.9.0.2/24", "interface": 0}],
        "routes": [{"dst": "10.8.0.0/16"}],
        "dns": {"domain": "example.org"},
    }
    made = result.build(plan((LEASE,)), INTERFACES, previous)
    assert isinstance(made["interfaces"], list)
    assert [item["name"] for item in made["interfaces"]] == ["tap0", "cni0", "veth1", "eth0"]
    assert made["ips"] == [
        {"address": "10.9.0.2/24", "interface": 0},
        {"interface": 3, "address": "10.1.0.2/24", "gateway": "10.1.0.1"},
    ]
    assert made["routes"] == [{"dst": "10.8.0.0/16"}]
    assert made["dns"] == {"domain": "example.org"}


def test_our_dns_replaces_an_earlier_one() -> None:
    made = result.build(plan((), dns=Dns(search=("a",))), INTERFACES, {"dns": {"domain": "b"}})
    assert made["dns"] == {"search": ["a"]}


def test_the_addresses_are_the_container_ends_whatever_comes_after_it() -> None:
    gateway = replace(INTERFACES[0], name="cni0.100")
    made = result.build(plan((LEASE,)), (*INTERFACES, gateway), None)
    assert isinstance(made["ips"], list)
    assert [item["interface"] for item in made["ips"]] == [2]


def test_of_a_wire_there_is_the_container_end_alone() -> None:
    made = result.build(plan((LEASE,)), INTERFACES[2:], {"interfaces": [{"name": "lo"}]})
    assert [item["name"] for item in result_versions.objects(made, "interfaces")] == ["lo", "eth0"]
    assert result_versions.objects(made, "ips")[0]["interface"] == 1
