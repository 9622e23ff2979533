"""The ADD result, made of a plan, of what was observed, and of what came before in the chain."""

from typing import TYPE_CHECKING

import pytest

from cni_bridge import address
from cni_bridge.edge import result, result_versions
from cni_bridge.lean.record import replace
from cni_bridge.model import (
    Attachment,
    Bridge,
    Dns,
    Interface,
    Lease,
    Netns,
    Plan,
    Port,
    Route,
    Veth,
)

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


@pytest.mark.parametrize(
    ("address", "interface"),
    [
        ("127.0.0.1/8", 0),
        ("::1/128", 0),
        ("127.8.8.8/32", 1),
        ("127.0.0.1/8", None),
        ("::ffff:127.0.0.1/104", None),
        ("0:0:0:0:0:0:0:1/128", None),
        ("192.0.2.9/32", 0),
    ],
)
def test_an_earlier_loopback_address_is_left_out(address: str, interface: int | None) -> None:
    previous: Json = {
        "interfaces": [{"name": "lo", "sandbox": "/run/netns/x"}, {"name": "tap0"}],
        "ips": [
            {"address": address} | ({} if interface is None else {"interface": interface}),
            {"address": "10.9.0.2/24", "interface": 1},
        ],
    }
    made = result.build(plan((LEASE,)), INTERFACES, previous)
    ips = result_versions.objects(made, "ips")
    assert [(ip["address"], ip["interface"]) for ip in ips] == [
        ("10.9.0.2/24", 1),
        ("10.1.0.2/24", 4),
    ]


REPORTED = [{"name": "cni0"}, {"name": "veth1"}, {"name": "eth0", "sandbox": "/run/netns/x"}]


@pytest.mark.parametrize(
    ("interfaces", "found"),
    [
        (REPORTED, []),
        ([{"name": "tap0"}, *REPORTED, {"name": "eth1", "sandbox": "/run/netns/y"}], []),
        (
            [*REPORTED[:2], {"name": "eth0", "sandbox": "/run/netns/y"}],
            ["prevResult: expected eth0 in /run/netns/x, found /run/netns/y"],
        ),
        (
            [*REPORTED[:2], {"name": "eth0"}],
            ["prevResult: expected eth0 in /run/netns/x, found the host"],
        ),
        (
            [{"name": "cni1"}, *REPORTED[1:]],
            ["prevResult: expected interface cni0 on the host, found cni1, veth1"],
        ),
        (
            REPORTED[2:],
            [
                "prevResult: expected interface cni0 on the host, found none",
                "prevResult: expected interface veth1 on the host, found none",
            ],
        ),
        (
            REPORTED[:2],
            ["prevResult: expected eth0 in /run/netns/x, found no such interface"],
        ),
    ],
)
def test_prev_result_has_to_report_the_interfaces_of_the_plan(
    interfaces: "list[Json]", found: list[str]
) -> None:
    netns = Netns(path="/run/netns/x", device=4, inode=7)
    previous: Json = {"interfaces": interfaces}
    problems = result.problems(plan(()), previous, netns, lambda path, own: path == own.path)
    assert list(problems) == found


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
