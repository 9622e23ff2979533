"""Host ports: each has one holder, container or process, and one that is free can be asked for."""

import os
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing

import pytest

from tests.kernel.conftest import MakeNetwork
from tests.lab import Host, Json, Network
from tests.lab.iproute import ip
from tests.lab.nft import ports
from tests.lab.publish import mapping, publish, publishing
from tests.lab.state import LEDGER

RANGE = range(32768, 61000)  # net.ipv4.ip_local_port_range


@pytest.fixture
def version() -> str:
    """Ports are the same in every version of the spec."""
    return "1.1.0"


@pytest.fixture
def listening(host: Host) -> Iterator[socket.socket]:
    """Yield a process of the host, this one, listens on 127.0.0.1:8080."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 8080))
        server.listen()
        yield server


def test_a_port_that_another_container_holds_is_refused(host: Host, network: Network) -> None:
    first, second = host.container(), host.container()
    publish(network, first, mapping(8080)).result()
    error = publish(network, second, mapping(8080, hostIP="127.0.0.1")).error()
    assert error["code"] == 103
    assert error["msg"] == (
        "host port 127.0.0.1:8080/tcp is held by container c1 on network testnet"
    )
    assert ports("port4") == ["tcp 8080 -> 10.88.0.2 80"]
    network.check(first, config=publishing(mapping(8080))).assert_silent_success()
    network.delete(first).assert_silent_success()
    publish(network, second, mapping(8080)).result()


def test_check_says_that_the_bridge_of_a_published_port_is_gone(
    host: Host, network: Network
) -> None:
    container = host.container()
    publish(network, container, mapping(8080)).result()
    ip("link", "del", network.bridge)
    error = network.check(container, config=publishing(mapping(8080))).error()
    assert error["code"] == 120
    assert f"bridge {network.bridge}: expected to exist" in error["details"]


@pytest.mark.parametrize("address", ["", "127.0.0.1", "0.0.0.0"])
def test_a_port_on_which_a_process_listens_is_refused(
    address: str, host: Host, network: Network, listening: socket.socket
) -> None:
    container = host.container()
    error = publish(network, container, mapping(8080, hostIP=address)).error()
    assert error["code"] == 103
    assert f"is held by process {os.getpid()} (" in error["msg"]
    host.assert_as_before()


def test_a_port_that_the_runtime_keeps_for_the_container_is_free_for_it_alone(
    host: Host, network: Network
) -> None:
    """As podman's conmon does, which names the container in its arguments."""
    first, second = host.container(), host.container()
    keeping = (
        "import socket, sys\n"
        "with socket.create_server(('', 8080)):\n"
        "    print(flush=True)\n"
        "    sys.stdin.read()"
    )
    with subprocess.Popen(
        (sys.executable, "-c", keeping, "-c", first.name),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as conmon:
        assert conmon.stdout
        conmon.stdout.readline()
        error = publish(network, second, mapping(8080)).error()
        assert f"is held by process {conmon.pid} (" in error["msg"]
        publish(network, first, mapping(8080)).result()
        conmon.communicate()


@pytest.mark.parametrize("kind", [socket.SOCK_STREAM, socket.SOCK_DGRAM])
@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "::"])
def test_one_port_of_many_on_which_a_process_waits_is_named(
    kind: socket.SocketKind, address: str, host: Host, network: Network
) -> None:
    protocol = "tcp" if kind == socket.SOCK_STREAM else "udp"
    many = [mapping(number, protocol=protocol) for number in range(3000, 3050)]
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, kind) as server:
        server.bind((address, 3025))
        if protocol == "tcp":
            server.listen()
        error = publish(network, host.container(), *many).error()
        free = [mapping(number, hostIP="127.0.0.9") for number in range(3000, 3024)]
        publish(network, host.container(), *free).result()
    assert (error["code"], "3025" in error["msg"]) == (103, True)
    assert f"is held by process {os.getpid()} (" in error["msg"]


def test_a_listener_does_not_notice_being_asked_about(
    host: Host, network: Network, listening: socket.socket
) -> None:
    with socket.create_connection(("127.0.0.1", 8080)) as client:
        accepted, _ = listening.accept()
        publish(network, host.container(), mapping(8080)).error()
        accepted.sendall(b"still here")
        assert client.recv(100) == b"still here"
        accepted.close()


@pytest.mark.parametrize("address", ["192.0.2.9", "127.0.0.2", "::"])
def test_a_listener_on_another_address_is_not_in_the_way(
    address: str, host: Host, network: Network, listening: socket.socket
) -> None:
    publish(network, host.container(), mapping(8080, hostIP=address)).result()


def test_a_listener_of_another_protocol_is_not_in_the_way(
    host: Host, network: Network, listening: socket.socket
) -> None:
    publish(network, host.container(), mapping(8080, protocol="udp")).result()


def test_a_udp_socket_of_a_process_is_in_the_way(host: Host, network: Network) -> None:
    with socket.socket(type=socket.SOCK_DGRAM) as server:
        server.bind(("", 5353))
        error = publish(network, host.container(), mapping(5353, protocol="udp")).error()
    assert error["code"] == 103
    assert error["msg"].startswith("host port 5353/udp is held by process ")


def test_a_connection_that_goes_out_is_not_in_the_way(
    host: Host, network: Network, listening: socket.socket
) -> None:
    with socket.create_connection(("127.0.0.1", 8080)) as client:
        publish(network, host.container(), mapping(client.getsockname()[1])).result()


def test_port_zero_is_one_that_is_free_and_the_ledger_has_its_number(
    host: Host, network: Network
) -> None:
    container = host.container()
    wanted = (mapping(0), mapping(0, 53, protocol="udp"), mapping(0, 443, hostIP="127.0.0.1"))
    publish(network, container, *wanted).result()
    published = [entry.split() for name in ("port4", "port4_at") for entry in ports(name)]
    chosen = [int(words[words.index("->") - 1]) for words in published]
    assert len(chosen) == 3
    assert all(number in RANGE for number in chosen)
    assert [entry.split()[1] for entry in ports("port6")] == [
        entry.split()[1] for entry in ports("port4")
    ]
    with closing(sqlite3.connect(LEDGER)) as ledger:
        rows = ledger.execute("select key from element where set_name = 'port4'").fetchall()
    assert {int.from_bytes(key[4:6], "big") for (key,) in rows} <= set(chosen)
    network.check(container, config=publishing(*wanted)).assert_silent_success()


@pytest.mark.parametrize(
    "change",
    [
        {"ipMasq": True},
        {"ipMasq": False},
        {"snat": False},
        {"icc": False},
        {"icc": False, "portIsolation": True},
        {"promiscMode": True},
    ],
)
def test_check_need_not_be_told_of_the_ports_again(
    change: Json, host: Host, network: Network
) -> None:
    container = host.container()
    network.config |= change
    publish(network, container, mapping(8080)).result()
    network.check(container).assert_silent_success()


def test_a_port_without_an_address_to_lead_to_is_refused(host: Host, network: Network) -> None:
    network.config["ipam"]["ranges"] = [[{"subnet": "10.88.0.0/16"}]]
    error = publish(network, host.container(), mapping(80, hostIP="2001:db8::1")).error()
    assert error["code"] == 7
    assert "can't be published on 2001:db8::1" in error["msg"]
    host.assert_as_before()


def test_a_container_on_several_networks_publishes_a_port_once_and_keeps_it(
    host: Host, make_network: MakeNetwork
) -> None:
    """As podman does, which passes all ports to each network."""
    asked = publishing(mapping(8080))
    networks = [
        make_network(
            name=f"n{number}",
            bridge=f"br{number}",
            ipam={"ranges": [[{"subnet": f"10.{number}.0.0/24"}]]},
        )
        for number in (1, 2, 3)
    ]
    container, other = host.container(), host.container()
    for number, each in enumerate(networks):
        each.add(container, f"eth{number}", config=asked).result()
    assert ports("port4") == ["tcp 8080 -> 10.1.0.2 80"]
    for number, each in enumerate(networks):
        each.check(container, f"eth{number}", config=asked).assert_silent_success()
    for each in networks:
        assert publish(each, other, mapping(8080)).error()["code"] == 103
    networks[0].delete(container, "eth0").assert_silent_success()
    assert ports("port4") == ["tcp 8080 -> 10.2.0.2 80"]
    networks[0].add(container, "eth0", config=asked).result()  # a restart, network by network
    assert ports("port4") == ["tcp 8080 -> 10.2.0.2 80"]
    networks[1].delete(container, "eth1").assert_silent_success()
    assert len(ports("port4")) == 1
    assert publish(networks[1], other, mapping(8080)).error()["code"] == 103
    for each, ifname in ((networks[0], "eth0"), (networks[2], "eth2")):
        assert len(ports("port4")) == 1
        each.check(container, ifname, config=asked).assert_silent_success()
        each.delete(container, ifname).assert_silent_success()
    assert ports("port4") == []
    publish(networks[1], other, mapping(8080)).result()
