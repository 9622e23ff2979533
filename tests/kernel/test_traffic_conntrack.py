"""Connections and rules while containers come and go: UDP follows the ports, TCP goes on, nothing is left."""

import json
from itertools import product

import pytest

from tests.lab.town import Town
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
    if command == "ADD":
        town.attach("a3")
    else:
        town.detach("a2")
    assert town.ask("world", "host", 8080) == "a1:80 saw world"
    assert town.ask("a1", "world", 80) == "world:80 saw host"
    assert packets.service_on_loopback(town) == NOT_HEARD
    assert town.host.networks[0].check(town.containers["a1"]).status == 0


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
