"""`cni-bridge explain` of IPv6: whatever drops a connection is named, and real connections agree."""

import subprocess

import pytest

from tests.lab.clinic import explain
from tests.lab.echo import BLOCKED
from tests.lab.publish import mapping
from tests.lab.town import Town


@pytest.fixture
def version() -> str:
    """Return what people see does not depend on the spec version."""
    return "1.1.0"


# One after another on the same host, each with what takes it back.
DROPS_IPV6: dict[str, tuple[str, str, str, str, str]] = {
    "route deleted": (
        "ip -n a1 -6 route del default",
        "ip -n a1 -6 route add default via fd01::1 dev eth0",
        *("a1", "world:80", "a1 has no route to 2001:db8::2"),
    ),
    "gateway lost": (
        "ip addr del fd01::1/64 dev br-a",
        "ip addr add fd01::1/64 dev br-a nodad",
        *("a1", "world:80", "no interface has the gateway address fd01::1"),
    ),
    "address lost": (
        "ip -n a2 addr del fd01::3/64 dev eth0",
        "ip -n a2 addr add fd01::3/64 dev eth0 nodad",
        *("a1", "a2:80", "a2 has lost its address fd01::3/64"),
    ),
    "forwarding off": (
        "sysctl -qw net.ipv6.conf.all.forwarding=0",
        "sysctl -qw net.ipv6.conf.all.forwarding=1",
        *("a1", "world:80", "forwarding is off"),
    ),
    "isolated networks": ("", "", "a1", "b1:80", "br-a and br-b are isolated from each other"),
    "another table drops": (
        "nft 'table ip6 strict { chain x { type filter hook forward priority 0; policy drop; }; }'",
        "nft delete table ip6 strict",
        *("a1", "world:80", "ip6 strict x drops by its policy"),
    ),
    "another table drops IPv4 alone": (
        "nft 'table ip strict { chain x { type filter hook forward priority 0; policy drop; }; }'",
        "nft delete table ip strict",
        *("a1", "world:80", ""),
    ),
    "a closed port": ("", "", "a1", "a2:82", "nothing listens on tcp/82 in a2"),
    "a closed port of the host": ("", "", "world", "host:8081", "nothing listens on tcp/8081"),
    "nobody's address": (
        "",
        "",
        "a1",
        "[fd01::77]:80",
        "fd01::77: neighbour discovery gets no answer",
    ),
    "the subnet routed elsewhere": (
        "ip -6 route add fd01::/65 dev uplink0",
        "ip -6 route del fd01::/65 dev uplink0",
        *("world", "host:8080", "is routed via uplink0, not via br-a"),
    ),
    "the subnet routed elsewhere by a rule": (
        "ip -6 route add fd01::/64 dev uplink0 table 100; ip -6 rule add lookup 100 pref 100",
        "ip -6 rule del pref 100; ip -6 route flush table 100",
        *("world", "host:8080", "is routed via uplink0, not via br-a"),
    ),
    "no way back": (
        "ip -n a1 -6 route del default",
        "ip -n a1 -6 route add default via fd01::1 dev eth0",
        *("world", "host:8080", "a1 has no default route"),
    ),
    "the answer leaves by a VPN of the container": (
        "ip -n a1 link add tun0 type veth peer name tun1; ip -n a1 link set tun1 up; "
        "ip -n a1 link set tun0 up; ip -n a1 -6 route add ::/1 dev tun0",
        "ip -n a1 link del tun0",
        *("world", "host:8080", "a1 answers the client via tun0, not via eth0"),
    ),
    "a wrong neighbour at the host": (
        "ip neigh replace fd01::2 lladdr 02:00:00:00:00:99 dev br-a nud permanent",
        "ip neigh del fd01::2 dev br-a",
        *("world", "host:8080", "gives fd01::2 the MAC 02:00:00:00:00:99"),
    ),
    "a wrong neighbour in the asker": (
        "ip -n a1 neigh replace fd01::3 lladdr 02:00:00:00:00:99 dev eth0 nud permanent",
        "ip -n a1 neigh del fd01::3 dev eth0",
        *("a1", "a2:80", "gives fd01::3 the MAC 02:00:00:00:00:99"),
    ),
    "nothing": ("", "", "world", "host:8080", ""),
}


def test_the_hop_that_drops_ipv6_is_named(town: Town) -> None:
    for letter in "ab":
        town.network(letter, ipMasq=True, isolation="on")
    town.attach("a1", mapping(8080, 80))
    town.attach("a2")
    town.attach("b1")
    for harm, (act, undo, asker, target, reason) in DROPS_IPV6.items():
        subprocess.run(("sh", "-ec", act), check=True)
        name, _, port = target.rpartition(":")
        address = name.strip("[]") if name[:1] == "[" else town.address(name, 6)
        _, why = explain(*([] if asker == "world" else [asker]), f"[{address}]:{port}")
        assert (reason in why, bool(why)) == (True, bool(reason)), (harm, why)
        if name[:1] != "[":
            answer = town.ask(asker, name, int(port), family=6)
            assert (answer in BLOCKED) == bool(reason), (harm, answer)
        subprocess.run(("sh", "-ec", undo), check=True)
