"""Connections and rules while containers come and go: UDP follows the ports, TCP goes on, nothing is left."""

import json
import subprocess
from dataclasses import replace
from itertools import product
from pathlib import Path

import pytest

from tests.lab import Attachment
from tests.lab.echo import BLOCKED, Question, ask, ask_all
from tests.lab.people import printed
from tests.lab.state import LEDGER
from tests.lab.town import FAMILIES, Town
from tests.lab.tracked import connections
from tests.traffic import packets
from tests.traffic.changes import nft
from tests.traffic.packets import NOT_HEARD
from tests.traffic.rows import published
from tests.traffic.trials import CONNTRACK, RULESET, Trial

REMOVALS = (
    "flush ruleset",
    "delete table inet cni_bridge",
    "delete table inet cni_bridge; add table inet cni_bridge",
)
FLUSHES = ("flush table inet cni_bridge", "flush chain inet cni_bridge publish")
BOTH = tuple(product(("a1", "a2"), FAMILIES))
DAMAGES = tuple(product(("ADD", "DEL"), (*REMOVALS, *FLUSHES)))


@pytest.mark.parametrize("trial", CONNTRACK, ids=str)
def test_udp_follows_the_port(town: Town, trial: Trial) -> None:
    assert trial.outcome(town) == trial.want


@pytest.mark.parametrize("trial", RULESET, ids=str)
def test_the_ruleset_outlives_everything(town: Town, trial: Trial) -> None:
    assert trial.outcome(town) == trial.want


@pytest.mark.parametrize(("command", "damage"), DAMAGES)
def test_the_next_call_mends_what_others_did_to_the_rules(
    town: Town, command: str, damage: str
) -> None:
    town.network("a", ipMasq=True, macspoofchk=True)
    town.attach("a1", *published(8080))
    town.attach("a2", *published(8081))
    nft(damage)
    assert town.ask("world", "host", 8080) == "refused"
    for source in ("", "127.0.0.5"):
        assert packets.service_on_loopback(town, source) == NOT_HEARD, "closed without any rule"
    if command == "ADD":
        town.attach("a3")
    else:
        town.detach("a2")
    assert town.ask("world", "host", 8080) == "a1:80 saw world"
    assert town.ask("a1", "world", 80) == "world:80 saw host"
    assert packets.service_on_loopback(town) == NOT_HEARD
    assert town.host.networks[0].check(town.containers["a1"]).status == 0


@pytest.mark.parametrize("there", [(), ("clsact",), ("ingress",)], ids=lambda words: "".join(words))
def test_no_container_reaches_the_hosts_loopback_whatever_becomes_of_nftables(
    town: Town, there: tuple[str, ...]
) -> None:
    network = town.network("a", ipMasq=True)
    if there:
        town.attach("a2")
        tool("tc", "qdisc", "add", "dev", network.bridge, *there)
    town.attach("a1", *published(8080))
    config = {"runtimeConfig": {"portMappings": list(published(8080))}}
    for bridged in (False, True):
        town.filter_bridged(bridged)
        assert town.ask("host", "loopback", 8080) == "a1:80 saw gateway-a"
    nft("flush ruleset")
    assert packets.service_on_loopback(town) == NOT_HEARD
    town.attach("a3")
    assert town.ask("host", "loopback", 8080) == "a1:80 saw gateway-a"
    network.check(town.containers["a1"], config=config).assert_silent_success()
    tool("tc", "filter", "delete", "dev", network.bridge, "ingress")
    error = network.check(town.containers["a1"], config=config).error()
    assert "expected a filter that drops 127.0.0.0/8, found none" in error["details"]
    assert printed("restore").startswith("restored ")
    network.check(town.containers["a1"], config=config).assert_silent_success()
    nft("flush ruleset")
    assert packets.service_on_loopback(town) == NOT_HEARD, "restore brought the filter back"


def test_the_next_published_port_brings_the_loopback_filter_back(town: Town) -> None:
    network, status = town.network("a", ipMasq=True), {"cniVersion": "1.1.0"}
    town.attach("a1", *published(8080))
    town.attach("a2")
    network.do("STATUS", town.containers["a1"], "eth0", config=status).assert_silent_success()
    tool("tc", "qdisc", "delete", "dev", network.bridge, "clsact")
    error = network.do("STATUS", town.containers["a1"], "eth0", config=status).error()
    assert (error["code"], "no filter that drops 127.0.0.0/8" in error["msg"]) == (51, True)
    town.attach("a3", *published(8081))
    network.do("STATUS", town.containers["a1"], "eth0", config=status).assert_silent_success()
    nft("flush ruleset")
    assert packets.service_on_loopback(town) == NOT_HEARD, "ADD brought the filter back"
    town.detach("a3")
    assert town.ask("host", "loopback", 8080) == "a1:80 saw gateway-a"
    tool("tc", "qdisc", "delete", "dev", network.bridge, "clsact")
    town.detach("a1")
    setting = Path(f"/proc/sys/net/ipv4/conf/{network.bridge}/route_localnet")
    assert setting.read_text() == "0\n", "nothing is published"
    network.do("STATUS", town.containers["a2"], "eth0", config=status).assert_silent_success()
    setting.write_text("1")
    tool("tc", "qdisc", "add", "dev", network.bridge, "ingress_block", "7", "clsact")
    town.attach("a4", *published(8080))
    assert setting.read_text() == "0\n", "a shared block refuses the filter"


@pytest.mark.parametrize("command", ["ADD", "DEL"])
def test_a_call_that_leaves_ports_published_brings_the_loopback_filter_back(
    town: Town, command: str
) -> None:
    network = town.network("a", ipMasq=True)
    town.attach("a1", *published(8080))
    town.attach("a2", *published(8081))
    town.attach("a3")
    tool("tc", "qdisc", "delete", "dev", network.bridge, "clsact")
    error = network.check(town.containers["a3"]).error()
    assert "expected a filter that drops 127.0.0.0/8, found none" in error["details"]
    if command == "ADD":
        town.attach("a4")
    else:
        town.detach("a2")
    network.check(town.containers["a3"]).assert_silent_success()
    nft("flush ruleset")
    assert packets.service_on_loopback(town) == NOT_HEARD
    town.attach("a5")
    assert town.ask("host", "loopback", 8080) == "a1:80 saw gateway-a"


def tool(*words: str) -> None:
    """Run a program of the host."""
    subprocess.run(words, timeout=30, check=True)


def test_gc_takes_the_rules_of_what_is_gone(town: Town) -> None:
    network = town.network("a", ipMasq=True, macspoofchk=True, ipspoofchk=True)
    before = town.host.state()
    for number in (1, 2, 3):
        town.attach(f"a{number}", *published(8080 + number))
    collected = {"cniVersion": "1.1.0", "cni.dev/valid-attachments": []}
    network.do("GC", town.containers["a1"], "eth0", config=collected).assert_silent_success()
    left = {line for line in town.host.state() - before if line.kind.startswith("nft")}
    assert not left
    assert town.ask("world", "host", 8081) == "refused"
    network.results.clear()


def test_del_needs_nothing_but_who_it_is(town: Town) -> None:
    network = town.network("a", ipMasq=True, macspoofchk=True, isolation="on")
    town.attach("a1", *published(8080))
    name = network.config["name"]
    bare = {"cniVersion": "1.0.0", "name": name, "type": network.config["type"]}
    town.detach("a1", environment={"CNI_NETNS": None}, stdin=json.dumps(bare))


# ---------------------------------------------------------------- connections and their container


@pytest.mark.parametrize("ending", ["DEL", "DEL without netns", "DEL without ledger", "GC"])
def test_no_connection_outlives_its_container(town: Town, ending: str) -> None:
    network = town.network("a", ipMasq=True)
    for name in ("a1", "a2"):
        town.attach(name, *published({"a1": 8080, "a2": 8081}[name]))
    for family, protocol in product(FAMILIES, ("tcp", "udp")):
        for name, port in (("a1", 8080), ("a2", 8081)):
            assert town.ask(name, "world", 80, protocol, family) == "world:80 saw host"
            assert town.ask("world", "host", port, protocol, family) == f"{name}:80 saw world"
    assert all(connections(town.address(name, family)) for name, family in BOTH)
    if ending == "GC":
        listed = [{"containerID": "a2", "ifname": "eth0"}]
        valid = {"cniVersion": "1.1.0", "cni.dev/valid-attachments": listed}
        network.do("GC", town.containers["a1"], "eth0", config=valid).assert_silent_success()
        network.results.pop(Attachment(town.containers["a1"]))
    elif ending == "DEL without ledger":
        kept = LEDGER.rename(LEDGER.with_name("kept"))
        town.detach("a1")
        kept.rename(LEDGER)
        network.delete(town.containers["a1"]).assert_silent_success()
    else:
        town.detach("a1", environment={"CNI_NETNS": None} if "netns" in ending else {})
    for name, family in BOTH:
        assert bool(connections(town.address(name, family))) == (name == "a2"), (name, family)


@pytest.mark.parametrize("family", FAMILIES)
def test_no_connection_awaits_the_next_holder_of_an_address(town: Town, family: int) -> None:
    town.network("a", ipMasq=True)
    town.attach("a1")
    address = town.address("a1", family)
    town.detach("a1")
    question = Question(town.netns("world"), address, 80, "udp", 4444)
    ask_all([question], patience=0.05)  # nobody is there, but the kernel remembers the question
    assert connections(address)
    asked = {"args": {"cni": {"ips": [address]}}}
    town.networks["a"].add(town.containers["a1"], config=asked).result()
    assert address in {each.partition("/")[0] for each in town.containers["a1"].addresses()}
    # The kernel may still hand over the question itself, which waited for a neighbour: an answer
    # begins a connection of the container's own.
    assert not [
        destination for _, destination, *_ in connections(address) if destination == address
    ]


def test_publishing_a_udp_port_does_not_cut_others_connections_to_that_port(town: Town) -> None:
    town.network("a", ipMasq=True)
    town.attach("a1")
    for family in FAMILIES:
        assert town.ask("a1", "world", 80, "udp", family) == "world:80 saw host"
    before = [connections(town.address("a1", family)) for family in FAMILIES]
    town.attach("a2", *published(80))
    town.detach("a2")
    assert [connections(town.address("a1", family)) for family in FAMILIES] == before


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(
    "stricter", [{"internal": True}, {"closed": True}], ids=lambda config: next(iter(config))
)
def test_no_flow_survives_a_network_that_becomes_stricter(
    town: Town, family: int, stricter: dict[str, bool]
) -> None:
    network = town.network("a", ipMasq=True)
    town.attach("a1")
    flow = replace(town.question("world", "a1", 80, "udp", family), source_port=4444)
    assert town.named(ask(flow)) == "a1:80 saw world"
    network.config |= stricter
    town.attach("a2")
    assert ask(flow) in BLOCKED


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("isolation", ["on", "strict"])
def test_no_flow_survives_networks_that_become_isolated(
    town: Town, family: int, isolation: str
) -> None:
    for letter in ("a", "b"):
        town.network(letter, ipMasq=True)
        town.attach(f"{letter}1")
    flow = replace(town.question("b1", "a1", 80, "udp", family), source_port=4444)
    assert ask(flow) not in BLOCKED
    for letter in ("a", "b"):
        town.networks[letter].config |= {"isolation": isolation}
        town.attach(f"{letter}2")
    assert ask(flow) in BLOCKED
