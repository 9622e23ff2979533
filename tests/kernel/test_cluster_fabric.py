"""Packets between containers of different hosts: every way there, both families, full size."""

import socket
import time
from collections.abc import Iterator

import pytest

from tests.kernel.clusters import BOTH, ONLY4, ONLY6, WAYS, Cluster, cluster
from tests.lab import Container, namespaces
from tests.lab.echo import Question, Servers, ask
from tests.lab.iproute import ip
from tests.lab.machines import configure, router
from tests.lab.nft import nft
from tests.lab.ping import answers

IP_MTU_DISCOVER, IP_PMTUDISC_DO = 10, 2  # linux/in.h
IPV6_MTU_DISCOVER = 23  # linux/in6.h
HEADERS = {socket.AF_INET: 28, socket.AF_INET6: 48}
OVERHEAD = {"host-gw": 0, "vxlan": 50, "vxlan-over-ipv4": 50, "vxlan-over-ipv6": 70}


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest) -> str:
    """Every way to other hosts."""
    return str(request.param)


@pytest.fixture
def three(way: str) -> Iterator[Cluster]:
    """Three hosts on one link, which know each other."""
    kind, addresses = WAYS[way]
    with cluster(kind, addresses) as made:
        made.ensure_all()
        yield made


@pytest.fixture
def servers() -> Iterator[Servers]:
    """Servers that tell whom they saw."""
    made = Servers()
    yield made
    made.close()


def test_containers_of_all_hosts_reach_each_other_and_see_the_others_own_address(
    three: Cluster, servers: Servers
) -> None:
    containers = {number: three.container(number, ipMasq=True) for number in three.machines}
    for number, container in containers.items():
        with three.machines[number].entered():
            servers.listen(f"on {number}", 80, netns=container.netns)
    for number, container in containers.items():
        for other, peer in containers.items():
            if other != number:
                assert three.can_ping(number, container, peer) == [True, True]
                for mine, theirs in zip(
                    three.addresses[container], three.addresses[peer], strict=True
                ):
                    with three.machines[number].entered():
                        answer = ask(Question(container.netns, theirs, 80))
                    assert answer == f"on {other}:80 saw {mine}"


def test_the_hosts_themselves_reach_containers_of_other_hosts(three: Cluster) -> None:
    container = three.container(2)
    for strict in ("all", "default", "eth0"):  # what comes in has to come from where it would go
        for machine in three.machines.values():
            with machine.entered():
                configure({f"ipv4/conf/{strict}/rp_filter": "1"})
    with three.machines[1].entered():
        assert [answers(each) for each in three.addresses[container]] == [True, True]


def test_a_full_packet_gets_through_in_one_piece_and_a_larger_one_is_refused(
    three: Cluster, way: str
) -> None:
    one, other = three.container(1), three.container(2)
    with three.machines[1].entered():
        assert one.link()["mtu"] == 1500 - OVERHEAD[way]
    for address in three.addresses[other]:
        with _sender(three, one, address) as sender, _receiver(three, other, address) as receiver:
            largest = 1500 - OVERHEAD[way] - HEADERS[sender.family]
            sender.sendto(bytes(largest), (address, 9999))
            assert len(receiver.recv(2000)) == largest
            with pytest.raises(OSError, match="too long"):
                sender.sendto(bytes(largest + 1), (address, 9999))


def _sender(running: Cluster, container: Container, address: str) -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with running.machines[1].entered(), namespaces.visiting(container.netns):
        made = socket.socket(family, socket.SOCK_DGRAM)
    if family == socket.AF_INET:
        made.setsockopt(socket.IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DO)
    else:
        made.setsockopt(socket.IPPROTO_IPV6, IPV6_MTU_DISCOVER, IP_PMTUDISC_DO)
    return made


def _receiver(running: Cluster, container: Container, address: str) -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with running.machines[2].entered(), namespaces.visiting(container.netns):
        made = socket.socket(family, socket.SOCK_DGRAM)
    made.bind((address, 9999))
    made.settimeout(2)
    return made


def test_outside_of_the_cluster_a_container_still_has_its_hosts_address(servers: Servers) -> None:
    with cluster("vxlan", ONLY4) as running:
        running.ensure_all()
        container = running.container(1, ipMasq=True)
        with running.machines[2].entered():
            servers.listen("host 2", 80, address="192.0.2.2")
        with running.machines[1].entered():
            assert ask(Question(container.netns, "192.0.2.2", 80)) == "host 2:80 saw 192.0.2.1"


@pytest.mark.parametrize("kind", ["host-gw", "vxlan"])
def test_a_firewall_that_drops_what_is_forwarded_lets_the_cluster_through(kind: str) -> None:
    with cluster(kind, BOTH) as running:
        for machine in running.machines.values():
            with machine.entered():
                for family in ("ip", "ip6"):
                    nft("add", "table", family, "filter")
                    chain = "{ type filter hook forward priority 0; policy drop; }"
                    nft("add", "chain", family, "filter", "FORWARD", chain)
                machine.host.remember()
        running.ensure_all()
        one, other = (running.container(number, ipMasq=True) for number in (1, 2))
        assert running.can_ping(1, one, other) == [True, True]
        assert running.can_ping(2, other, one) == [True, True]


def test_a_tunnel_leads_through_routers_to_hosts_of_other_links() -> None:
    apart = {1: ("198.51.100.1/24",), 2: ("203.0.113.2/24",)}
    gateways = {1: ("198.51.100.254/24",), 2: ("203.0.113.254/24",)}
    with cluster("vxlan", apart) as running:
        router(gateways)
        for number, machine in running.machines.items():
            with machine.entered():
                ip("route", "add", "default", "via", gateways[number][0].partition("/")[0])
                machine.host.remember()
        running.ensure_all()
        one, other = running.container(1), running.container(2)
        assert running.can_ping(1, one, other) == [True, True]


def test_without_a_tunnel_hosts_of_other_links_are_not_reached_and_it_is_said() -> None:
    apart = {1: ("198.51.100.1/24",), 2: ("203.0.113.2/24",)}
    gateways = {1: ("198.51.100.254/24",), 2: ("203.0.113.254/24",)}
    with cluster("host-gw", apart) as running:
        router(gateways)
        with running.machines[1].entered() as host:
            ip("route", "add", "default", "via", "198.51.100.254")
            host.remember()
        ipv6, problem = running.ensure(1)
        assert ipv6.startswith("host host-2 has blocks of IPv6, but is at 203.0.113.2")
        assert problem == (
            "host host-2 at 203.0.113.2 is not on a link of this one that is up: host-gw can't reach "
            "it; set cluster.backend to vxlan on all hosts"
        )


def test_a_host_with_one_family_below_reaches_those_with_both() -> None:
    mixed = {1: BOTH[1], 2: ONLY4[2], 3: ONLY6[3]}
    with cluster("vxlan", mixed) as running:
        assert running.ensure(1) == ()
        for number, other in ((2, 3), (3, 2)):
            (problem,) = running.ensure(number)
            assert problem.startswith(f"host host-{other} is at ")
            assert "no tunnel can join them" in problem
        one, two, three = (running.container(number) for number in (1, 2, 3))
        assert running.can_ping(1, one, two) == [True, True]
        assert running.can_ping(1, one, three) == [True, True]
        assert running.can_ping(2, two, three) == [False, False]


@pytest.mark.parametrize("kind", ["host-gw", "vxlan"])
def test_towards_a_host_with_a_narrower_link_packets_are_as_small_as_it_needs(kind: str) -> None:
    with cluster(kind, BOTH, mtus={2: 1400}) as running:
        running.ensure_all()
        with running.machines[1].entered():
            ways = ip("route", "get", "10.64.2.2"), ip("route", "get", "fd64::2:2")
            assert all(f"mtu {1400 - OVERHEAD[kind]}" in each for each in ways)
            assert "mtu" not in ip("route", "get", "10.64.3.2")
        one, other = running.container(1), running.container(2)
        for address in running.addresses[other]:
            with _sender(running, one, address) as sender:
                sender.sendto(bytes(1400), (address, 9999))
                with pytest.raises(OSError, match="too long"):
                    _send_until_refused(sender, address)


def _send_until_refused(sender: socket.socket, address: str) -> None:
    """Send until the router's answer that a packet is too big has arrived."""
    for _ in range(100):
        sender.sendto(bytes(1400), (address, 9999))
        time.sleep(0.01)
