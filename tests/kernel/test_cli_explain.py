"""`cni-bridge explain`: whatever drops a connection is named, and what arrives is said to."""

import subprocess
from collections.abc import Callable

import pytest

from tests.lab.clinic import explain, host_end, undo_detours
from tests.lab.echo import BLOCKED
from tests.lab.iproute import bridge, ip
from tests.lab.people import command
from tests.lab.publish import mapping
from tests.lab.town import Town, sysctl


@pytest.fixture
def version() -> str:
    """Return what people see does not depend on the spec version."""
    return "1.1.0"


@pytest.fixture
def streets(town: Town) -> Town:
    """Two containers on one network, one on another; `a1` publishes port 8080."""
    town.network("a", ipMasq=True, isolation="on")
    town.network("b", ipMasq=True, isolation="on")
    town.attach("a1", mapping(8080, 80))
    town.attach("a2")
    town.attach("b1")
    return town


def nft(text: str) -> None:
    """Load rules of somebody else's."""
    subprocess.run(("nft", "-f", "-"), input=text, text=True, check=True, timeout=30)


ARRIVES = {
    "to the world": ("a1", "world:80"),
    "to a neighbour": ("a1", "a2:80"),
    "from outside": ("8080", ""),
    "to a published port": ("b1", "host:8080"),
}


def words(town: Town, asker: str, target: str) -> tuple[str, ...]:
    """Return the arguments, names of the town as addresses."""
    if not target:
        return (asker,)
    name, _, port = target.partition(":")
    return asker, f"{town.address(name, 4)}:{port}"


@pytest.mark.parametrize("case", ARRIVES)
def test_what_arrives_is_said_to(case: str, streets: Town) -> None:
    asker, target = ARRIVES[case]
    _, why = explain(*words(streets, asker, target))
    assert why == ""
    if target:
        name, _, port = target.partition(":")
        assert streets.ask(asker, name, int(port)) not in BLOCKED


Harm = Callable[[Town], object]
DROPS: dict[str, tuple[Harm, str, str, str]] = {
    "route deleted": (
        lambda town: town.containers["a1"].ip("route", "del", "default"),
        *("a1", "world:80", "a1 has no route to 192.0.2.2"),
    ),
    "container end down": (
        lambda town: town.containers["a1"].ip("link", "set", "eth0", "down"),
        *("a1", "world:80", "eth0 in a1 is down"),
    ),
    "host end down": (
        lambda _: ip("link", "set", host_end("a2"), "down"),
        *("a1", "a2:80", "the host end of a2, is down"),
    ),
    "off the bridge": (
        lambda _: ip("link", "set", host_end("a1"), "nomaster"),
        *("a1", "a2:80", "the host end of a1, is on no bridge"),
    ),
    "itself, by a loopback that is down": (lambda _: None, *("a1", "a1:80", "lo in a1 is down")),
    "port of the asker does not forward": (
        lambda _: bridge("link", "set", "dev", host_end("a1"), "state", "0"),
        *("a1", "a2:80", "of br-a is disabled: it was set so by hand"),
    ),
    "port of the other does not forward": (
        lambda _: bridge("link", "set", "dev", host_end("a2"), "state", "2"),
        *("a1", "a2:80", "of br-a is learning: it was set so by hand"),
    ),
    "port that STP keeps back": (
        lambda _: [
            ip("link", "set", "br-a", "type", "bridge", "stp_state", "1"),
            ip("link", "set", host_end("a2"), "down"),
            ip("link", "set", host_end("a2"), "up"),
        ],
        *("a1", "a2:80", "of br-a is listening: by STP of br-a"),
    ),
    "bridge down": (
        lambda _: ip("link", "set", "br-a", "down"),
        *("a1", "a2:80", "bridge br-a is down"),
    ),
    "gateway lost": (
        lambda _: ip("addr", "del", "10.1.0.1/24", "dev", "br-a"),
        *("a1", "world:80", "no interface has the gateway address 10.1.0.1"),
    ),
    "address lost": (
        lambda town: town.containers["a2"].ip("addr", "del", "10.1.0.3/24", "dev", "eth0"),
        *("a1", "a2:80", "a2 has lost its address 10.1.0.3/24"),
    ),
    "forwarding off": (
        lambda _: sysctl("net/ipv4/ip_forward", 0),
        *("a1", "world:80", "forwarding is off"),
    ),
    "forwarding off, from outside": (
        lambda _: sysctl("net/ipv4/ip_forward", 0),
        *("8080", "", "forwarding is off"),
    ),
    "no route on the host": (
        lambda _: None,
        *("a1", "198.51.100.7:80", "the host has no route to 198.51.100.7"),
    ),
    "isolated networks": (
        lambda _: None,
        *("a1", "b1:80", "br-a and br-b are isolated from each other"),
    ),
    "another table drops": (
        lambda _: nft(
            "table inet strict { chain across { type filter hook forward priority 0; policy drop; }\n}"
        ),
        *("a1", "world:80", "inet strict across drops by its policy"),
    ),
    "another's translation is first": (
        lambda _: nft(
            "table ip greedy { chain first { type nat hook prerouting priority -110; "
            "tcp dport 8080 dnat to 10.1.0.3:80; }\n}"
        ),
        *("8080", "", "ip greedy first translates it to 10.1.0.3:80/tcp before a1 gets its port"),
    ),
    "another table drops what is for the host": (
        lambda _: nft(
            "table inet strict { chain into { type filter hook input priority 0; policy drop; }\n}"
        ),
        *("a1", "host:9000", "inet strict into drops by its policy"),
    ),
    "rules flushed": (
        lambda _: nft("flush ruleset"),
        *("8080", "", "table inet cni_bridge is gone: run `cni-bridge restore`"),
    ),
    "nothing listens": (
        lambda town: town.servers.end("a2"),
        *("a1", "a2:80", "nothing listens on tcp/80 in a2"),
    ),
    "nothing listens behind a published port": (
        lambda town: town.servers.end("a1"),
        *("8080", "", "nothing listens on tcp/80 in a1"),
    ),
    "a closed port": (lambda _: None, *("a1", "a2:82", "nothing listens on tcp/82 in a2")),
    "no way back": (
        lambda town: town.containers["a1"].ip("route", "del", "default"),
        *("8080", "", "a1 has no default route"),
    ),
    "a port that is not published": (lambda _: None, *("8081", "", "nothing listens on tcp/8081")),
    "nobody's address": (
        lambda _: None,
        *("a1", "10.1.0.77:80", "no container on br-a has 10.1.0.77"),
    ),
    "the subnet routed elsewhere": (
        lambda _: ip("route", "add", "10.1.0.0/25", "dev", "uplink0"),
        *("8080", "", "is routed via uplink0, not via br-a"),
    ),
    "the subnet routed elsewhere by a rule": (
        lambda _: [
            ip("route", "add", "10.1.0.0/24", "dev", "uplink0", "table", "100"),
            ip("rule", "add", "lookup", "100", "pref", "100"),
        ],
        *("8080", "", "is routed via uplink0, not via br-a"),
    ),
    "the answer leaves by a VPN of the container": (
        lambda town: [
            town.containers["a1"].ip("link", "add", "tun0", "type", "veth", "peer", "name", "tun1"),
            town.containers["a1"].ip("link", "set", "tun1", "up"),
            town.containers["a1"].ip("link", "set", "tun0", "up"),
            town.containers["a1"].ip("route", "add", "0.0.0.0/1", "dev", "tun0"),
            town.containers["a1"].ip("route", "add", "128.0.0.0/1", "dev", "tun0"),
        ],
        *("8080", "", "a1 answers the client via tun0, not via eth0"),
    ),
    "forwarding of the uplink": (
        lambda _: sysctl("net/ipv4/conf/uplink0/forwarding", 0),
        *("8080", "", "net.ipv4.conf.uplink0.forwarding is 0"),
    ),
    "a wrong neighbour at the host": (
        lambda _: ip(
            *("neigh", "replace", "10.1.0.2", "lladdr", "02:00:00:00:00:99", "dev", "br-a"),
            *("nud", "permanent"),
        ),
        *("8080", "", "gives 10.1.0.2 the MAC 02:00:00:00:00:99"),
    ),
    "a wrong neighbour in the asker": (
        lambda town: town.containers["a1"].ip(
            *("neigh", "replace", "10.1.0.3", "lladdr", "02:00:00:00:00:99", "dev", "eth0"),
            *("nud", "permanent"),
        ),
        *("a1", "a2:80", "gives 10.1.0.3 the MAC 02:00:00:00:00:99"),
    ),
    "one MAC twice": (
        lambda town: town.containers["a1"].ip(
            "link", "set", "eth0", "address", town.containers["a2"].link()["address"]
        ),
        *("a1", "a2:80", "have the same MAC address"),
    ),
    "nobody's address out there": (
        lambda _: None,
        *("a1", "192.0.2.77:80", "192.0.2.77 does not answer on uplink0"),
    ),
}


@pytest.mark.parametrize("harm", DROPS)
def test_the_hop_that_drops_is_named(harm: str, streets: Town) -> None:
    act, asker, target, reason = DROPS[harm]
    act(streets)
    name, _, port = target.partition(":")
    asked = (asker, target) if name[:1].isdigit() else words(streets, asker, target)
    hops, why = explain(*filter(None, asked))
    assert reason in why, hops
    assert [hop["verdict"] for hop in hops[:-1]].count("drops") == 0
    if name in streets.containers or name == "world":
        assert streets.ask(asker, name, int(port)) in BLOCKED
    undo_detours()
    for family, table in (("inet", "strict"), ("ip", "greedy")):
        nft(f"table {family} {table} {{ }}\ndelete table {family} {table}")


def test_a_neighbour_that_was_looked_for_in_vain_is_asked_again(streets: Town) -> None:
    for family, world in ((4, "192.0.2.2"), (6, "[2001:db8::2]")):
        neighbour = streets.address("world", family)
        ip("neigh", "replace", neighbour, "dev", "uplink0", "nud", "failed")
        _, why = explain("a1", f"{world}:80")
        assert why == ""
        assert streets.ask("a1", "world", 80, family=family) not in BLOCKED


def test_what_another_table_accepts_before_its_policy_drops_arrives(streets: Town) -> None:
    nft(
        "table inet strict { chain across { type filter hook forward priority 0; policy drop; "
        'iifname "br-a" accept; ct state established accept; }\n}'
    )
    _, why = explain(*words(streets, "a1", "world:80"))
    assert why == ""
    assert streets.ask("a1", "world", 80) not in BLOCKED
    _, why = explain(*words(streets, "b1", "world:80"))
    assert "inet strict across drops by its policy" in why
    assert streets.ask("b1", "world", 80) in BLOCKED
    nft("delete table inet strict")


def test_a_port_that_is_published_at_another_address_is_said_to_be(town: Town) -> None:
    here, there = town.address("host", 4), town.address("host2", 4)
    town.network("a", ipMasq=True)
    town.attach("a1", mapping(8081, 80, hostIP=there))
    hops, why = explain(f"{here}:8081")
    reason = f"port 8081/tcp is published at {there} only, not at {here}"
    assert reason in [hop["text"] for hop in hops]
    assert why == "nothing listens on tcp/8081 in this host: connection refused"
    assert town.ask("world", "host", 8081) in BLOCKED
    _, why = explain(f"{there}:8081")
    assert why == ""
    assert town.ask("world", "host2", 8081) not in BLOCKED


def test_a_port_for_this_host_only_is_not_reached_from_outside(town: Town) -> None:
    town.network("a", ipMasq=True)
    town.attach("a1", mapping(8081, 80, hostIP="127.0.0.1"))
    hops, why = explain("8081")
    assert "port 8081/tcp is published at 127.0.0.1 only" in hops[0]["text"]
    assert "nothing listens" in why
    assert town.ask("world", "host", 8081) in BLOCKED
    assert explain("host", "127.0.0.1:8081")[1] == ""


LISTENERS = {  # where a server listens, whether an IPv6 socket is for IPv6 alone: who is refused
    ("127.0.0.1", 0): (
        "4",
        "python3 in a1 listens on 127.0.0.1:82 only: let it listen on 0.0.0.0:82",
    ),
    ("0.0.0.0", 0): ("6", "listens on 0.0.0.0:82 only: let it listen on [::]:82"),
    ("::", 1): ("4", "listens on [::]:82 only: let it listen on 0.0.0.0:82"),
}
SERVER = """
import socket, sys
family = socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET
server = socket.socket(family)
if family == socket.AF_INET6:
    server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, int(sys.argv[2]))
server.bind((sys.argv[1], 82))
server.listen()
print(flush=True)
server.accept()
"""


@pytest.mark.parametrize("listener", LISTENERS)
def test_a_server_at_another_address_is_named(listener: tuple[str, int], streets: Town) -> None:
    family, reason = LISTENERS[listener]
    streets.containers["a1"].ip("link", "set", "lo", "up")
    words = ("ip", "netns", "exec", "a1", "/usr/bin/python3", "-c", SERVER, *map(str, listener))
    with subprocess.Popen(words, stdout=subprocess.PIPE) as server:
        assert server.stdout
        server.stdout.readline()
        address = streets.address("a1", int(family))
        target = f"[{address}]:82" if family == "6" else f"{address}:82"
        _, why = explain("a2", target)
        server.kill()
    streets.containers["a1"].ip("addr", "flush", "dev", "lo")
    streets.containers["a1"].ip("link", "set", "lo", "down")
    assert reason in why


def test_the_host_is_a_target_too(streets: Town) -> None:
    assert "in this host" in explain("a1", "host:7999")[1]


def test_wrong_usage_is_2(streets: Town) -> None:
    for asked in (("a1", "a2"), ("zz", "10.1.0.3:80"), ("a1", "10.1.0.3:http")):
        assert command("explain", *asked).status == 2


def test_what_is_measured_comes_first_and_decides(streets: Town) -> None:
    streets.containers["a2"].ip("addr", "add", "10.1.0.99/24", "dev", "eth0")
    hops, why = explain("a1", "10.1.0.99:80", "--probe")
    assert hops[0]["source"] == "measured"
    assert why == ""


def test_a_loopback_that_is_not_routed_is_named(streets: Town) -> None:
    _, why = explain("host", "127.0.0.1:8080")
    assert why == ""
    sysctl("net/ipv4/conf/br-a/route_localnet", 0)
    _, why = explain("host", "127.0.0.1:8080")
    assert "route_localnet" in why


def test_containers_that_must_not_talk_are_told_apart_from_those_that_can(town: Town) -> None:
    town.network("a", icc=False, ipMasq=True)
    town.attach("a1")
    town.attach("a2")
    _, why = explain("a1", "a2:80")
    assert "are isolated ports of br-a" in why
    assert town.ask("a1", "a2", 80) in BLOCKED


def test_a_probe_names_the_rule_that_was_met(streets: Town) -> None:
    hops, _ = explain("a1", "b1:80", "--probe")
    text = "inet cni_bridge from_container drops it: rule `iifname @isolated oifname @isolated"
    assert text in hops[0]["text"]
    assert "cni_bridge_probe" not in tables()


def test_a_probe_says_what_was_reached(streets: Town) -> None:
    hops, why = explain("a1", "a2:80", "--probe")
    assert why == ""
    assert (hops[0]["source"], hops[0]["text"]) == ("measured", "10.1.0.3:80/tcp: connected")
    hops, _ = explain("a1", "a2:82", "--probe")
    assert "Connection refused" in hops[0]["text"]


def test_a_probe_finds_what_can_not_be_inferred(streets: Town) -> None:
    """A rule that asks what is not known before a packet is sent."""
    nft(
        "table inet picky { chain across { type filter hook forward priority 0; "
        "ip daddr 192.0.2.2 ip ttl < 200 drop; }\n}"
    )
    address = f"{streets.address('world', 4)}:80"
    assert explain("a1", address)[1] == ""
    assert "inet picky across drops it: rule `ip daddr" in explain("a1", address, "--probe")[1]
    nft("delete table inet picky")


MISTAKES = {
    ("nobody", "10.0.0.1:80"): "no container is named nobody",
    ("a", "10.0.0.1:80"): "a may be any of several containers",
    ("a1", "10.0.0.1"): "is not HOST:PORT",
    ("a1", "10.0.0.1:http"): "is not a port",
    ("70000",): "70000 is not a port: the highest is 65535",
    ("a1", "b1"): "b1 has no port\n  there is b1:",
}


def test_a_mistake_is_told(streets: Town) -> None:
    for asked, complaint in MISTAKES.items():
        run = command("explain", *asked)
        assert (run.status, complaint in run.stderr) == (2, True), run


def tables() -> str:
    """Return the names of all tables."""
    done = subprocess.run(("nft", "list", "tables"), capture_output=True, text=True, check=True)
    return done.stdout
