"""`cni-bridge isolate` and `join`: who meets an isolated container, and what knows that it is one."""

import socket
import time
from collections.abc import Iterable
from functools import partial

import pytest

from tests.kernel.conftest import MakeNetwork
from tests.kernel.test_stale import sql
from tests.lab import Host, Network, namespaces
from tests.lab.echo import Conversation
from tests.lab.frames import (
    BROADCAST,
    ETH_P_8021Q,
    ETH_P_ALL,
    ETH_P_ARP,
    ETH_P_IP,
    ETH_P_IPV6,
    arp,
    ethernet,
    send,
    solicitation,
    tagged,
    udp,
)
from tests.lab.nft import held, nft
from tests.lab.people import command, printed, printed_json
from tests.lab.state import LEDGER
from tests.lab.town import HOST_PORT, Town
from tests.traffic.rows import KEPT_OUT, Row, answers, published
from tests.traffic.scenes import FROM_A_SIBLING, FROM_THE_WORLD, INSIDE, TO_THE_WORLD

FENCE = b"the last frame"
FOREIGN_MAC = "02:66:66:66:66:66"
PARTED = (
    Row("to a sibling", "a1", "a2", 80, KEPT_OUT),
    Row("from a sibling", "a2", "a1", 80, KEPT_OUT),
    Row("from a sibling, by a published port", "a2", "host", 8080, KEPT_OUT),
    Row("to another network", "a1", "b1", 80, KEPT_OUT),
    Row("from another network", "b1", "a1", 80, KEPT_OUT),
    Row("from another network, by a published port", "b1", "host", 8080, KEPT_OUT),
    Row("to another network's published port", "a1", "host", 8090, KEPT_OUT),
    Row("to a network without a firewall", "a1", "c1", 80, KEPT_OUT),
    Row("from a network without a firewall", "c1", "a1", 80, KEPT_OUT),
    TO_THE_WORLD,
    FROM_THE_WORLD,
    Row("to the host", "a1", "gateway-a", HOST_PORT, "host:9000 saw a1"),
    Row("from the host", "host", "a1", 80, "a1:80 saw gateway-a"),
    Row("others meet", "a2", "b1", 80, "b1:80 saw gateway-b"),
)
JOINED = (
    INSIDE,
    FROM_A_SIBLING,
    TO_THE_WORLD,
    Row("to another network", "a1", "b1", 80, "b1:80 saw gateway-b"),
    Row("from a network without a firewall", "c1", "a1", 80, "a1:80 saw c1"),
)


@pytest.fixture
def version() -> str:
    """Use one version of the spec, which the commands do not depend on."""
    return "1.1.0"


def test_no_packet_passes_between_an_isolated_container_and_another(town: Town) -> None:
    for letter, config in {"a": {"ipMasq": True}, "b": {"ipMasq": True}, "c": {}}.items():
        town.network(letter, **config)
    ports = {"a1": published(8080), "b1": published(8090)}
    for name in ("a1", "a2", "b1", "c1"):
        town.attach(name, *ports.get(name, ()))
    neighbour = Conversation(town.question("a2", "a1", 80))
    client = Conversation(town.question("world", "host", 8080))
    assert (neighbour.say(), client.say()) == ("a1:80 saw 10.1.0.3", "a1:80 saw 192.0.2.2")
    assert printed("isolate", "a1") == "a1 on net-a is isolated\n"
    assert client.say() == "a1:80 saw 192.0.2.2"
    assert neighbour.say() != "a1:80 saw 10.1.0.3"
    answers(town, PARTED).assert_wanted()
    assert printed("join", "a1") == "a1 on net-a is not isolated any more\n"
    answers(town, JOINED).assert_wanted()
    for each in (neighbour, client):
        each.close()


@pytest.mark.parametrize("bridged", [False, True], ids=["bridge", "br_netfilter"])
def test_made_up_addresses_are_no_way_around(town: Town, *, bridged: bool) -> None:
    town.network("a")
    town.network("b")
    for name in ("a1", "a2", "b1"):
        town.attach(name)
    town.filter_bridged(bridged)
    town.containers["a1"].ip("addr", "add", "10.1.0.77/24", "dev", "eth0")  # no lease
    made = made_up(town)
    printed("isolate", "a1")
    for (speaker, listener), frames in made.items():
        assert marks_heard(town, speaker, listener, frames, wanted=0) == 0, (speaker, listener)
    printed("join", "a1")
    for (speaker, listener), frames in made.items():
        count = len(frames)
        assert marks_heard(town, speaker, listener, frames, wanted=count) == count


def made_up(town: Town) -> dict[tuple[str, str], tuple[bytes, ...]]:
    """Return the frames that one container sends to get to another, none of which a kernel would send."""
    mac = {name: town.containers[name].link()["address"] for name in ("a1", "a2", "b1")}
    gateway = {letter: town.bridge_mac(letter) for letter in "ab"}
    return {
        ("a1", "a2"): (
            ethernet(mac["a2"], FOREIGN_MAC, ETH_P_IP, udp("10.1.0.99", "10.1.0.3", 9, b"mark-0")),
            tagged(
                ethernet(mac["a2"], mac["a1"], ETH_P_IP, udp("10.1.0.2", "10.1.0.3", 9, b"mark-1")),
                (ETH_P_8021Q, 0),
            ),
            ethernet(
                BROADCAST, mac["a1"], ETH_P_ARP, arp(mac["a1"], "10.1.0.2", "10.1.0.3", b"mark-2")
            ),
            ethernet(
                "33:33:00:00:00:01",
                mac["a1"],
                ETH_P_IPV6,
                solicitation("fd01::2", "ff02::1", "fd01::3", b"mark-3", mac["a1"]),
            ),
        ),
        ("a1", "b1"): (
            ethernet(
                gateway["a"], FOREIGN_MAC, ETH_P_IP, udp("10.1.0.3", "10.2.0.2", 9, b"mark-4")
            ),
            ethernet(gateway["a"], mac["a2"], ETH_P_IPV6, udp("fd01::99", "fd02::2", 9, b"mark-5")),
        ),
        ("a2", "a1"): (
            ethernet(
                BROADCAST, mac["a2"], ETH_P_ARP, arp(mac["a2"], "10.1.0.3", "10.1.0.2", b"mark-6")
            ),
            ethernet(mac["a1"], gateway["a"], ETH_P_IP, udp("10.1.0.1", "10.1.0.2", 9, b"mark-7")),
        ),
        ("b1", "a1"): (
            ethernet(
                gateway["b"], FOREIGN_MAC, ETH_P_IP, udp("10.2.0.9", "10.1.0.77", 9, b"mark-8")
            ),
            ethernet(gateway["b"], mac["b1"], ETH_P_IPV6, udp("fd02::9", "fd01::2", 9, b"mark-9")),
        ),
    }


def marks_heard(
    town: Town, speaker: str, listener: str, frames: Iterable[bytes], *, wanted: int
) -> int:
    """Return how many of the frames reach the listener before one that the host sends after them."""
    with namespaces.visiting(town.containers[listener].netns):
        ear = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        ear.bind(("eth0", ETH_P_ALL))
    found: set[bytes] = set()
    with ear, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as host:
        send(town.containers[speaker].netns, *frames)
        host.sendto(FENCE, (town.address(listener, 4), 9))
        deadline = time.monotonic() + 10
        while not (FENCE in found and len(found) > wanted):
            ear.settimeout(deadline - time.monotonic())
            frame = ear.recv(2048)
            found.update(mark for mark in (FENCE, *marks(frame)) if mark in frame)
    return len(found) - 1


def marks(frame: bytes) -> Iterable[bytes]:
    """Return the mark in a frame, if there is one."""
    at = frame.find(b"mark-")
    return [frame[at : at + 6]] if at >= 0 else []


def test_whatever_shows_a_container_says_that_it_is_isolated(host: Host, network: Network) -> None:
    """The network has no firewall key."""
    first, second = host.container("c1"), host.container("c2")
    for each in (first, second):
        network.add(each).result()
    found = printed_json("isolate", "c1", "--json")
    assert found == {
        "attachments": [
            {"network": "testnet", "container": "c1", "ifname": "eth0", "is_isolated": True}
        ]
    }
    printed("isolate", "c1")  # twice is as well
    note = "isolated from all other containers: `cni-bridge join c1` ends that"
    for words in (("show", "testnet"), ("show", "c1")):
        assert note in printed(*words)
    shown = {each["container"]: each for each in printed_json("show", "--json")["attachments"]}
    assert [shown[each]["firewall"]["is_isolated"] for each in ("c1", "c2")] == [True, False]
    assert shown["c1"]["health"] == "ok"
    for words in (("c1", "c2:80"), ("c2", "c1:80")):
        refused = command("explain", *words)
        assert (refused.status, "c1 is isolated: `cni-bridge join c1`" in refused.stdout) == (
            1,
            True,
        )
    network.check(first).assert_silent_success()
    network.check(second).assert_silent_success()
    printed("join", "c1")
    assert note not in printed("show")
    assert alone() == []


def test_isolation_survives_a_flush_and_a_lost_ledger_and_ends_with_the_container(
    host: Host, network: Network
) -> None:
    container, other = host.container("c1"), host.container("c2")
    for each in (container, other):
        network.add(each).result()
    printed("isolate", "c1")
    own = alone()
    nft("flush", "ruleset")
    assert network.check(container).error()["code"]
    assert "cni-bridge restore" in command("doctor").stdout
    printed("restore")
    assert alone() == own
    LEDGER.unlink()
    printed("restore", "--from-kernel")
    nft("flush", "set", "bridge", "cni_bridge", "watched")
    printed("restore")
    assert alone() == own
    network.check(container).assert_silent_success()
    network.delete(container).assert_silent_success()
    assert alone() == []
    network.add(container).result()
    assert container.can_ping("10.88.0.3")
    network.check(container).assert_silent_success()


def alone() -> list[str]:
    """Return what isolates containers in the kernel; nothing else marks the frames of all."""
    found = held("alone", "bridge")
    assert held("watched", "bridge") == (["ether"] if found else [])
    return found


def test_one_network_of_a_container_is_isolated_or_all(
    host: Host, make_network: MakeNetwork
) -> None:
    ranges = ("10.1.0.0/24", "10.2.0.0/24")
    make = partial(make_network, icc=False)
    first, second = (
        make(name=name, bridge=f"{name}0", ipam={"ranges": [[{"subnet": subnet}]]})
        for name, subnet in zip(("one", "two"), ranges, strict=True)
    )
    container = host.container("c1")
    first.add(container).result()
    second.add(container, "eth1").result()
    assert printed("isolate", "c1", "--network", "two") == "c1 on two is isolated\n"
    assert len(alone()) == 1
    assert printed("isolate", "c1") == "c1 on one is isolated\nc1 on two is isolated\n"
    assert len(alone()) == 2
    network_still_says = "the config of one still says: no traffic inside\n"
    assert printed("join", "c1", "--network", "one").endswith(network_still_says)
    assert len(alone()) == 1
    assert "is not attached to three" in command("isolate", "c1", "--network", "three").stderr
    sql("insert into block values ('one', x'0a010000', 24, '', 0, 0)")
    assert "network one spans hosts" in command("isolate", "c1").stderr
    assert len(alone()) == 1
    sql("delete from block")
    printed("join", "c1")
    assert alone() == []
