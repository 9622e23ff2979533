"""The firewalls of others: traffic passes where a rule can help, and otherwise somebody is told."""

import sqlite3
import subprocess
from contextlib import closing

import pytest

from tests.lab import Host
from tests.lab.echo import NO_ANSWER
from tests.lab.nft import nft
from tests.lab.people import printed
from tests.lab.publish import mapping, publishing
from tests.lab.state import LEDGER
from tests.lab.town import FAMILIES, UPLINK, Town

OUT, IN = ("a1", "world", 80), ("world", "host", 8080)
PASSES = ["world:80 saw host", "a1:80 saw world"]
MARKED = "-m mark --mark 0x1000/0x1000 -j ACCEPT"
HOOK = "{ type filter hook forward priority 0; policy drop; }"
# What Docker makes where it turns ip_forward on.
DOCKERS = """\
*filter
:FORWARD DROP [0:0]
:DOCKER-USER - [0:0]
:DOCKER - [0:0]
-A FORWARD -j DOCKER-USER
-A FORWARD -o docker0 -j DOCKER
-A DOCKER-USER -j RETURN
COMMIT
"""
# What matters of firewalld's, from its `nft list table inet firewalld`.
FIREWALLDS = """\
table inet firewalld {
    chain filter_FORWARD {
        type filter hook forward priority 10; policy accept;
        ct state { established, related } accept
        ct status dnat accept
        jump filter_FORWARD_ZONES
        reject with icmpx admin-prohibited
    }
    chain filter_FORWARD_ZONES {
        iifname "trusted0" accept
    }
}
"""


def run(*words: str, stdin: str = "") -> str:
    """Return a tool of the host's."""
    return subprocess.run(words, input=stdin, capture_output=True, text=True, check=True).stdout


def both(*words: str, stdin: str = "") -> None:
    """Run the same with iptables and with ip6tables."""
    for tool in ("iptables", "ip6tables"):
        run(tool + words[0], *words[1:], stdin=stdin)


def rules(chain: str) -> list[str]:
    """Return the rules of a chain, in both families."""
    listed = [run(tool, "-S", chain) for tool in ("iptables", "ip6tables")]
    return [line for text in listed for line in text.splitlines() if "-j ACCEPT" in line]


def traffic(town: Town) -> list[str]:
    """Return what becomes of asking the world, and of the world's asking, in both families; each once."""
    asked = [(*question, "tcp", family) for question in (OUT, IN) for family in FAMILIES]
    return list(dict.fromkeys(town.ask_all(asked, patience=0.5)))


@pytest.fixture
def network(town: Town) -> Town:
    """Return a town with one network, whose container `a1` will publish port 8080."""
    town.network("a", ipMasq=True)
    return town


def attach(town: Town) -> None:
    """ADD; whatever others have made until now has to be as it is when all is over."""
    town.host.remember()
    town.attach("a1", mapping(8080))


def clear(town: Town) -> None:
    """Remove what foreign programs did meanwhile, once nothing of cni-bridge is left."""
    town.host.tidy()
    left = [line for line in town.host.left_behind() if "0x1000" in line or "4096" in line]
    assert not left, left
    nft("flush", "ruleset")
    town.host.remember()


def test_iptables_that_drops_lets_our_traffic_pass_until_the_last_container_goes(
    network: Town,
) -> None:
    both("", "-P", "FORWARD", "DROP")
    attach(network)
    assert traffic(network) == PASSES
    assert rules("FORWARD") == [f"-A FORWARD {MARKED}"] * 2
    network.attach("a2")
    network.detach("a1", environment={"CNI_NETNS": ""}, config={"prevResult": None})
    assert rules("FORWARD") == [f"-A FORWARD {MARKED}"] * 2, "a2 is still there"
    network.detach("a2")
    assert rules("FORWARD") == []


def test_beside_docker_the_rule_comes_after_all_of_dockers(network: Town) -> None:
    both("-restore", stdin=DOCKERS)
    attach(network)
    assert traffic(network) == PASSES
    assert (rules("DOCKER-USER"), rules("FORWARD")) == ([], [f"-A FORWARD {MARKED}"] * 2)
    network.detach("a1")
    assert rules("FORWARD") == []


@pytest.mark.parametrize("chain", ["DOCKER-USER", "FORWARD"])
def test_an_administrators_drop_wins(network: Town, chain: str) -> None:
    both("-restore", stdin=DOCKERS)
    for words in (("-A", chain), ("-I", "DOCKER-USER")):
        both("", *words, "-i", UPLINK, "-p", "tcp", "-m", "tcp", "--dport", "80", "-j", "DROP")
        attach(network) if words[0] == "-A" else None
        if words == ("-A", "DOCKER-USER"):  # it never gets past Docker's own RETURN
            assert traffic(network) == PASSES
            continue
        assert traffic(network) == ["world:80 saw host", NO_ANSWER]
        both(
            "",
            "-D",
            words[1],
            "-i",
            UPLINK,
            "-p",
            "tcp",
            "-m",
            "tcp",
            "--dport",
            "80",
            "-j",
            "DROP",
        )
    clear(network)


def test_rules_that_return_early_leave_the_way_open(network: Town) -> None:
    both("-restore", stdin=DOCKERS)
    both("", "-I", "DOCKER-USER", "-m", "conntrack", "--ctstate", "ESTABLISHED", "-j", "RETURN")
    attach(network)
    assert traffic(network) == PASSES
    network.detach("a1")
    clear(network)


def test_a_drop_that_is_added_behind_the_rule_wins_from_the_next_add(network: Town) -> None:
    both("", "-P", "FORWARD", "DROP")
    attach(network)
    both("", "-A", "FORWARD", "-i", UPLINK, "-p", "tcp", "-m", "tcp", "--dport", "80", "-j", "DROP")
    network.attach("a2")
    assert traffic(network) == ["world:80 saw host", NO_ANSWER]
    clear(network)


UFWS = """\
*filter
:FORWARD DROP [0:0]
:ufw-before-forward - [0:0]
:ufw-after-logging-forward - [0:0]
:ufw-reject-forward - [0:0]
-A FORWARD -j ufw-before-forward
-A FORWARD -j ufw-after-logging-forward
-A FORWARD -j ufw-reject-forward
-A ufw-before-forward -p udp -m udp --dport 7 -j DROP
-A ufw-after-logging-forward -m limit --limit 3/min -j LOG --log-prefix "[UFW BLOCK] "
-A ufw-reject-forward -j REJECT
COMMIT
"""


def test_the_rule_comes_before_what_refuses_all_and_before_its_log(network: Town) -> None:
    both("-restore", stdin=UFWS)
    attach(network)
    assert traffic(network) == PASSES
    chains = [line.split()[-1] for line in run("iptables", "-S", "FORWARD").splitlines()[1:]]
    assert chains == [
        "ufw-before-forward",
        "ACCEPT",
        "ufw-after-logging-forward",
        "ufw-reject-forward",
    ]
    clear(network)


def test_packets_keep_their_mark_where_nothing_drops(network: Town) -> None:
    both("", "-t", "mangle", "-A", "PREROUTING", "-j", "MARK", "--set-mark", "10")
    both("", "-A", "FORWARD", "-m", "mark", "!", "--mark", "10", "-j", "DROP")
    attach(network)
    assert traffic(network) == PASSES
    network.detach("a1")
    clear(network)


def test_nothing_is_changed_where_nothing_drops(network: Town) -> None:
    both("", "-A", "FORWARD", "-j", "ACCEPT")
    attach(network)
    assert MARKED not in " ".join(rules("FORWARD"))


def test_a_rule_that_somebody_else_has_made_is_left_to_them(network: Town) -> None:
    both("", "-P", "FORWARD", "DROP")
    both("", "-A", "FORWARD", *MARKED.split(), "-m", "comment", "--comment", "mine")
    before = rules("FORWARD")
    attach(network)
    assert traffic(network) == PASSES
    network.detach("a1")
    assert rules("FORWARD") == before != []


def test_check_misses_the_rule_and_the_next_add_or_restore_puts_it_back(network: Town) -> None:
    both("", "-P", "FORWARD", "DROP")
    attach(network)
    a, container = network.networks["a"], network.containers["a1"]
    a.check(container, config=publishing(mapping(8080))).assert_silent_success()
    both("", "-F", "FORWARD")
    error = a.check(container, config=publishing(mapping(8080))).error()
    assert "chain ip filter FORWARD: expected to accept the mark 0x1000" in error["details"]
    assert "chain ip6 filter FORWARD" in error["details"]
    network.attach("a2")
    a.check(container, config=publishing(mapping(8080))).assert_silent_success()
    both("", "-F", "FORWARD")
    printed("restore")
    assert traffic(network) == PASSES
    clear(network)


def test_what_comes_later_is_noticed_by_the_next_add(network: Town) -> None:
    attach(network)
    both("", "-P", "FORWARD", "DROP")
    assert traffic(network) != PASSES
    network.attach("a2")
    assert traffic(network) == PASSES
    clear(network)


def test_a_rule_that_was_never_made_or_is_gone_does_not_stop_del(network: Town) -> None:
    both("", "-P", "FORWARD", "DROP")
    attach(network)
    nft("delete", "table", "ip6", "filter")
    both("", "-F", "FORWARD")
    network.detach("a1")
    with closing(sqlite3.connect(LEDGER)) as ledger:
        assert ledger.execute("select * from accepting").fetchall() == []
    clear(network)


def test_firewalld_is_reported_with_the_words_to_tell_it(network: Town) -> None:
    run("nft", "-f", "-", stdin=FIREWALLDS)
    result = network.try_to_attach("a1", mapping(8080))
    trust = f"firewall-cmd --zone=trusted --add-interface={network.networks['a'].bridge}"
    assert "inet firewalld filter_FORWARD (firewalld) refuses by its last rule" in result.stderr
    assert trust in result.stderr
    a, container = network.networks["a"], network.containers["a1"]
    a.config["cniVersion"] = "1.1.0"  # the first with STATUS
    status = a.do("STATUS", container, "eth0").error()
    assert status["code"] == 51
    assert trust in status["details"]
    # As firewalld does when told so.
    bridge = a.bridge
    nft("insert", "rule", "inet", "firewalld", "filter_FORWARD_ZONES", "iifname", bridge, "accept")
    a.do("STATUS", container, "eth0").assert_silent_success()
    network.attach("a2")
    assert network.ask("a2", "world", 80) == "world:80 saw host"
    clear(network)


def test_a_table_of_the_administrators_is_left_alone_and_reported(network: Town) -> None:
    nft("add", "table", "inet", "mine")
    nft("add", "chain", "inet", "mine", "routed", HOOK)
    word = "nft add rule inet mine routed meta mark and 0x1000 == 0x1000 accept"
    assert word in network.try_to_attach("a1", mapping(8080)).stderr
    assert word in network.try_to_attach("a2").stderr, "each time, until it is mended"
    run(*word.split())
    assert network.try_to_attach("a3").stderr == ""
    nft("delete", "table", "inet", "mine")


def test_the_older_iptables_is_reported(network: Town) -> None:
    run("iptables-legacy", "-P", "FORWARD", "DROP")
    stderr = network.try_to_attach("a1").stderr
    assert f"iptables-legacy -A FORWARD {MARKED}" in stderr
    run("iptables-legacy", "-A", "FORWARD", *MARKED.split())
    assert network.try_to_attach("a2").stderr == ""


def test_a_network_without_a_firewall_asks_nobody(network: Town) -> None:
    both("", "-P", "FORWARD", "DROP")
    network.host.remember()
    network.network("b")
    network.attach("b1")
    assert rules("FORWARD") == []


def test_the_ledger_has_the_chain_before_the_kernel_has_the_rule(host: Host, network: Town) -> None:
    both("", "-P", "FORWARD", "DROP")
    attach(network)
    with closing(sqlite3.connect(LEDGER)) as ledger:
        chains = ledger.execute("select chain from accepting").fetchall()
    assert chains == [("ip filter FORWARD",), ("ip6 filter FORWARD",)]
    assert any("accepting" in line for line in host.changes())
