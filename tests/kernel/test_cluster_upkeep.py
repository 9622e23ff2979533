"""What hosts have so that packets get to each other is kept, and only the difference is changed."""

import dataclasses
import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from typing import Any

import pytest
from pyroute2.netlink import rtnl
from pyroute2.netlink.rtnl.marshal import MarshalRtnl

from cni_bridge.address import parse_prefix
from cni_bridge.cluster.model import Settings
from cni_bridge.lean.record import replace
from tests.kernel.clusters import BOTH, Cluster, cluster
from tests.lab import namespaces
from tests.lab.iproute import bridge, ip, ip_json
from tests.unit.cluster import views

TUNNEL = "vxlan-4096"
MAC2 = "02:09:5e:1d:6a:0e"  # of host 2's tunnel
UPDATES_HZ = 2000
SO_RCVBUFFORCE = 33  # asm-generic/socket.h


@pytest.fixture(params=["host-gw", "vxlan"])
def three(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """Three hosts on one link, which know each other."""
    with cluster(request.param, BOTH) as made:
        made.ensure_all()
        yield made


@pytest.fixture
def tunnelled() -> Iterator[Cluster]:
    """Yield the same, with tunnels."""
    with cluster("vxlan", BOTH) as made:
        made.ensure_all()
        yield made


def kernel_state() -> list[str]:
    """All that this host has for others, in iproute2's words."""
    lists = [
        *(ip_json(family, "route", "show", "proto", "77") for family in ("-4", "-6")),
        ip_json("neighbour", "show", "nud", "permanent"),
        json.loads(bridge("-j", "fdb", "show")),
        ip_json("address", "show", "type", "vxlan"),
    ]
    for link in lists[-1]:
        link.pop("ifindex")
    return sorted(json.dumps(each, sort_keys=True) for some in lists for each in some)


def test_to_ensure_it_again_changes_nothing(three: Cluster) -> None:
    with three.machines[1].entered():
        before = kernel_state()
        with _changes() as changes:
            assert three.fabric(1).ensure(three.view) == ()
            assert _heard(changes) == []
            ip("route", "del", "10.64.2.0/26")
            assert len(_heard(changes)) == 1
            assert three.fabric(1).ensure(three.view) == ()
            assert len(_heard(changes)) == 1
        assert kernel_state() == before


HARMS = {
    "a route is deleted": "route del 10.64.2.0/26",
    "a route is led elsewhere": "route replace 10.64.2.0/26 via 192.0.2.3 dev vxlan-4096 onlink "
    "proto 77 metric 77",
    "what is for nobody is forgotten": "route del unreachable 10.64.0.0/12",
    "a neighbour is deleted": "neighbour del 192.0.2.2 dev vxlan-4096",
    "a neighbour has another MAC": "neighbour replace 192.0.2.2 dev vxlan-4096 "
    "lladdr 02:00:00:00:00:99",
    "the tunnel is deleted": "link del vxlan-4096",
    "the tunnel is down": "link set vxlan-4096 down",
    "the tunnel has another MAC": "link set vxlan-4096 address 02:00:00:00:00:99",
    "the tunnel is wider": "link set vxlan-4096 mtu 9000",
    "the tunnel has lost its address": "address flush dev vxlan-4096",
}


@pytest.mark.parametrize("harm", HARMS)
def test_what_somebody_else_has_changed_is_mended(tunnelled: Cluster, harm: str) -> None:
    with tunnelled.machines[1].entered():
        before = kernel_state()
        ip(*HARMS[harm].split())
        assert kernel_state() != before
        assert tunnelled.fabric(1).ensure(tunnelled.view) == ()
        assert kernel_state() == before


@pytest.mark.parametrize("change", ["del", "replace"])
def test_where_a_host_is_behind_the_tunnel_is_mended(tunnelled: Cluster, change: str) -> None:
    with tunnelled.machines[1].entered():
        before = kernel_state()
        where = () if change == "del" else ("dst", "192.0.2.3")
        bridge("fdb", change, MAC2, "dev", TUNNEL, *where)
        assert kernel_state() != before
        assert tunnelled.fabric(1).ensure(tunnelled.view) == ()
        assert kernel_state() == before


@pytest.mark.parametrize(
    "other", [views.settings(port=8472), views.settings(vni=7), views.settings("host-gw")]
)
def test_another_config_takes_the_place_of_the_one_before(three: Cluster, other: Settings) -> None:
    changed = three.with_settings(other)
    for number in three.machines:
        assert changed.ensure(number) == ()
    one, two = changed.container(1), changed.container(2)
    assert changed.can_ping(1, one, two) == [True, True]
    with changed.machines[1].entered():
        expected = {"host-gw": set(), "vxlan": {f"vxlan-{other.backend.vni}"}}
        links = ip_json("-d", "link", "show", "type", "vxlan")
        assert {each["ifname"] for each in links} == expected[other.backend.kind]
        assert all(each["linkinfo"]["info_data"]["port"] == other.backend.port for each in links)
    changed.remove(1)


def test_a_tunnel_that_an_agent_left_half_made_is_finished(tunnelled: Cluster) -> None:
    with tunnelled.machines[1].entered():
        before = kernel_state()
        ip("link", "set", TUNNEL, "alias", "")
        ip("link", "set", TUNNEL, "down")
        assert tunnelled.fabric(1).ensure(tunnelled.view) == ()
        assert kernel_state() == before


def test_a_host_that_moves_below_takes_its_tunnel_along() -> None:
    with cluster("vxlan", BOTH) as running:
        with running.machines[1].entered() as host:
            ip("address", "add", "192.0.2.11/32", "dev", "eth0")
            host.remember()
        running.ensure_all()
        there = views.host(1, "192.0.2.11", "2001:db8::1")
        moved = dataclasses.replace(running, hosts=running.hosts | {1: there})
        moved.ensure_all()
        one, two = moved.container(1), moved.container(2)
        assert moved.can_ping(2, two, one) == [True, True]


def test_a_thousand_hosts_are_told_to_the_kernel_and_one_change_stays_one(
    tunnelled: Cluster,
) -> None:
    numbers = range(1000)
    hosts = [views.host(10 + each, f"172.16.{each >> 8}.{each & 255}") for each in numbers]
    blocks = {f"10.65.{each >> 2}.{(each & 3) << 6}/26": 10 + each for each in numbers}
    view = views.view(hosts, blocks)
    moved = views.view(hosts, blocks | {"10.65.0.0/26": 11})
    with tunnelled.machines[1].entered(), _changes() as changes:
        changes.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 1 << 25)
        assert tunnelled.fabric(1).ensure(view) == ()
        assert len(ip_json("route", "show", "proto", "77")) == 1001
        _heard(changes)
        assert tunnelled.fabric(1).ensure(view) == ()
        assert _heard(changes) == []
        assert tunnelled.fabric(1).ensure(moved) == ()
        assert 0 < len(_heard(changes)) < 5


def test_no_packet_is_lost_while_hosts_come_and_go(three: Cluster) -> None:
    one, two = three.container(1), three.container(2)
    without = replace(
        three.view,
        hosts={each: host for each, host in three.view.hosts.items() if each != "id-3"},
    )
    (address, _) = three.addresses[two]
    with three.machines[2].entered(), namespaces.visiting(two.netns):
        receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with three.machines[1].entered(), namespaces.visiting(one.netns):
        sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with closing(receiver), closing(sender):
        receiver.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        receiver.bind((address, 9999))
        receiver.settimeout(1)
        sender.connect((address, 9999))
        stream = _Stream(sender)
        with three.machines[1].entered():
            for _ in range(300):
                assert three.fabric(1).ensure(without) == ()
                assert three.fabric(1).ensure(three.view) == ()
        sent = stream.end()
        assert sent > 100
        received = {int.from_bytes(receiver.recv(8), "big") for _ in range(sent)}
        assert received == set(range(sent))


def test_a_host_that_leaves_has_nothing_left(three: Cluster) -> None:
    with three.machines[1].entered() as host:
        assert host.changes() != []
        three.fabric(1).remove()
        assert host.changes() == []
        three.fabric(1).remove()


def test_a_block_that_is_given_back_can_be_reached_at_its_next_host(three: Cluster) -> None:
    three.container(1)
    block, block6 = (parse_prefix(each) for each in ("10.64.1.0/26", "fd64::1:0/122"))
    given = replace(
        three.view,
        blocks=three.view.blocks
        | {each: replace(three.view.blocks[each], host="id-2") for each in (block, block6)},
    )
    with three.machines[1].entered() as host:
        host.tidy()
        assert len(three.fabric(1).ensure(given)) == 2
        for each in (block, block6):
            three.fabric(1).vacate(each)
            three.fabric(1).vacate(each)
        assert three.fabric(1).ensure(given) == ()
        assert "10.64.1.0/26 via 192.0.2.2" in ip("route", "show", "10.64.1.0/26")


def test_two_networks_of_a_host_leave_each_other_alone(three: Cluster) -> None:
    pools = {"10.128.0.0/12": 26}
    green = three.with_settings(views.settings("vxlan", network="green", pools=pools, vni=5))
    blocks = {f"10.128.{each}.0/26": each for each in three.hosts}
    view = views.view(three.hosts.values(), blocks)
    with three.machines[1].entered():
        before = kernel_state()
        assert green.fabric(1).ensure(view) == ()
        both = kernel_state()
        assert set(before) < set(both)
        assert three.fabric(1).ensure(three.view) == ()
        assert kernel_state() == both
        green.fabric(1).remove()
        assert kernel_state() == before


class _Stream:
    """Numbered datagrams, sent by a thread until they are to end."""

    def __init__(self, sender: socket.socket) -> None:
        self._sender = sender
        self._ended = threading.Event()
        self._sent = 0
        self._thread = threading.Thread(target=self._send)
        self._thread.start()

    def end(self) -> int:
        """How many there were."""
        self._ended.set()
        self._thread.join()
        return self._sent

    def _send(self) -> None:
        while not self._ended.is_set():
            self._sender.send(self._sent.to_bytes(8, "big"))
            self._sent += 1
            time.sleep(1 / UPDATES_HZ)


def _changes() -> socket.socket:
    """Hears of everything that changes from now on."""
    made = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
    groups = ("LINK", "NEIGH", "IPV4_IFADDR", "IPV4_ROUTE", "IPV6_IFADDR", "IPV6_ROUTE")
    made.bind((0, sum(getattr(rtnl, f"RTMGRP_{each}") for each in groups)))
    made.setblocking(False)
    return made


def _heard(changes: socket.socket) -> list[Any]:
    """Return what has changed, the neighbours of the link below aside: these come and go by themselves."""
    heard: list[Any] = []
    marshal: Any = MarshalRtnl()  # type: ignore[no-untyped-call] # pyroute2 has no types
    with suppress(BlockingIOError):
        while True:
            heard += marshal.parse(changes.recv(1 << 16))
    (below,) = ip_json("link", "show", "eth0")
    return [each for each in heard if each.get("ifindex") != below["ifindex"]]
