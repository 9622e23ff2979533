"""`cni-bridge doctor` follows connections: what no single fact shows is found."""

import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.lab import Container, Host, Network
from tests.lab.clinic import doctor, findings, host_end, nft, undo_detours
from tests.lab.iproute import bridge, ip
from tests.lab.town import sysctl


@pytest.fixture
def uplink(host: Host) -> None:
    """Give the host a way out."""
    ip("link", "add", "up0", "type", "veth", "peer", "name", "up1")
    for name in ("up0", "up1"):
        ip("link", "set", name, "up")
    ip("addr", "add", "192.0.2.1/24", "dev", "up0")
    gateway = "02:00:00:00:00:77"
    ip("neigh", "replace", "192.0.2.9", "lladdr", gateway, "dev", "up0", "nud", "permanent")
    ip("route", "add", "default", "via", "192.0.2.9")
    host.remember()


def vpn(*halves: str) -> None:
    """Let a narrow interface take what leaves the host."""
    ip("link", "add", "tun0", "type", "veth", "peer", "name", "tun1")
    ip("link", "set", "tun1", "up")
    ip("link", "set", "tun0", "mtu", "1400", "up")
    for half in halves:
        ip("route", "add", half, "dev", "tun0")


def vpn_by_a_rule() -> None:
    """Do the same as wg-quick does."""
    vpn()
    ip("route", "add", "default", "dev", "tun0", "table", "51820")
    ip("rule", "add", "table", "51820", "pref", "32000")
    ip("rule", "add", "table", "main", "suppress_prefixlength", "0", "pref", "31999")


HARMS: dict[str, tuple[Callable[[Container], object], str]] = {
    "forwarding of the uplink": (
        lambda _: sysctl("net/ipv4/conf/up0/forwarding", 0),
        "net.ipv4.conf.up0.forwarding is 0",
    ),
    "forwarding of the bridge": (
        lambda _: sysctl("net/ipv4/conf/cni0/forwarding", 0),
        "net.ipv4.conf.cni0.forwarding is 0",
    ),
    "foreign drop of one port": (
        lambda _: nft(
            "table inet picky { chain f { type filter hook forward priority 0; tcp dport 80 drop; }; }"
        ),
        "inet picky f drops it: rule `tcp dport 80 drop`",
    ),
    "the subnet in another table": (
        lambda _: [
            ip("route", "add", "10.88.0.0/16", "dev", "up0", "table", "100"),
            ip("rule", "add", "lookup", "100", "pref", "100"),
        ],
        "via up0, not via cni0",
    ),
    "an isolated port": (
        lambda _: bridge("link", "set", "dev", host_end(), "isolated", "on"),
        "is isolated, its config does not say so",
    ),
    "a neighbour entry": (
        lambda _: ip(
            *("neigh", "replace", "10.88.0.2", "lladdr", "02:00:00:00:00:99", "dev", "cni0"),
            *("nud", "permanent"),
        ),
        "gives 10.88.0.2 the MAC 02:00:00:00:00:99",
    ),
    "a neighbour entry in the container": (
        lambda container: container.ip(
            *("neigh", "replace", "10.88.0.1", "lladdr", "02:00:00:00:00:99", "dev", "eth0"),
            *("nud", "permanent"),
        ),
        "gives 10.88.0.1 the MAC 02:00:00:00:00:99",
    ),
    "IPv6 switched off": (
        lambda _: sysctl("net/ipv6/conf/cni0/disable_ipv6", 1),
        "net.ipv6.conf.cni0.disable_ipv6 is 1",
    ),
    "a VPN by two halves": (lambda _: vpn("0.0.0.0/1", "128.0.0.0/1"), "the uplink has 1400"),
    "a VPN by a rule": (lambda _: vpn_by_a_rule(), "the uplink has 1400"),
}


@pytest.mark.usefixtures("uplink")
def test_what_no_single_fact_shows_is_found(conf: Path, container: Container) -> None:
    assert findings(conf) == []


@pytest.mark.usefixtures("uplink")
@pytest.mark.parametrize("harm", HARMS)
def test_a_connection_that_fails_is_found(harm: str, conf: Path, container: Container) -> None:
    act, words = HARMS[harm]
    act(container)
    assert words in doctor(conf).stdout
    if harm == "foreign drop of one port":
        nft("delete table inet picky")
    undo_detours()


def test_a_process_on_a_published_port_is_named(conf: Path, container: Container) -> None:
    with socket.create_server(("0.0.0.0", 8080)):
        (found,) = findings(conf)
    assert found["check"] == "ports"
    assert "listens on host port 8080/tcp, which c1 publishes" in found["cause"]
    assert findings(conf) == []


def test_an_address_that_no_interface_has_is_found(
    conf: Path, host: Host, network: Network
) -> None:
    ip("addr", "add", "192.0.2.5/32", "dev", "lo")
    ports = [{"hostPort": 81, "containerPort": 80, "protocol": "tcp", "hostIP": "192.0.2.5"}]
    network.add(host.container(), config={"runtimeConfig": {"portMappings": ports}}).result()
    ip("addr", "del", "192.0.2.5/32", "dev", "lo")
    (found,) = [each["cause"] for each in findings(conf) if each["check"] == "ports"]
    assert "81/tcp at 192.0.2.5, which no interface has" in found


def test_one_mac_twice_is_found(
    conf: Path, host: Host, network: Network, container: Container
) -> None:
    other = host.container()
    network.add(other).result()
    other.ip("link", "set", "eth0", "address", container.link()["address"])
    assert "have the same MAC" in doctor(conf).stdout
