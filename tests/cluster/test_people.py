"""The people's commands on a host of a cluster network: what its agent has seen, told in their words."""

import json
import signal
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.lab import Container
from tests.lab.agents import CONF_DIR, Node, Nodes, nodes
from tests.lab.clinic import explain
from tests.lab.iproute import ip
from tests.lab.nft import nft
from tests.lab.people import command, printed, printed_json
from tests.lab.waiting import wait_until


@pytest.fixture(scope="module")
def hosts() -> Iterator[Nodes]:
    """Three of them, with a container each."""
    with nodes(3, backend="vxlan", ttl=6) as found:
        found.start()
        for node in found.nodes.values():
            node.container()
        found.settle()
        yield found
        for node in found.nodes.values():
            node.tidy()


def container(node: Node) -> Container:
    """Return the only one there."""
    (only,) = node.addresses
    return only


@contextmanager
def dropping(node: Node, hook: str, match: str) -> Iterator[None]:
    """Yield a table of somebody else's drops packets there while the block lasts."""
    with node.machine.entered():
        nft(f"""table inet other {{
            chain drops {{ type filter hook {hook} priority 0; {match} drop; }}
        }}""")
    try:
        yield
    finally:
        with node.machine.entered():
            nft("delete table inet other")


def causes(node: Node) -> list[str]:
    """Return what doctor finds of the cluster."""
    with node.machine.entered():
        told = json.loads(command("doctor", "--json", "--conf-dir", str(CONF_DIR)).stdout)
    return [each["cause"] for each in told["findings"] if each["check"] == "clusters"]


def test_show_cluster_has_all_hosts_and_their_blocks(hosts: Nodes) -> None:
    with hosts[1].machine.entered():
        text, (document,) = printed("show", "cluster"), printed_json("show", "cluster", "--json")
    for block, host in hosts.blocks().items():
        assert block in text
        assert [each["id"] for each in document["hosts"] if block in each["blocks"]] == [host]
    assert all(each["is_member"] for each in document["hosts"])
    assert [each["used"] for each in document["own_blocks"]] == [1, 1]
    assert document["agent"]["is_running"]
    assert "10.64.0.0/16 in /26 (3 leased, 1021 free), fd64::/48 in /122 (3 leased)" in text
    assert [each["leased"] for each in document["pools"]] == [3, 3]


def test_a_network_that_is_none_is_refused_with_those_that_are(hosts: Nodes) -> None:
    with hosts[1].machine.entered():
        run = command("show", "cluster", "other")
    assert (run.status, "cluster networks: pods" in run.stderr) == (1, True)


@pytest.mark.parametrize("notation", ["text", "mermaid", "dot", "svg", "html"])
def test_every_picture_has_the_other_hosts(hosts: Nodes, notation: str) -> None:
    with hosts[1].machine.entered():
        drawn = printed("graph", "--format", notation)
    others = [block for block, host in hosts.blocks().items() if host != "host-1"]
    names = ("h2", "h3", "192.0.2.2", "192.0.2.3")
    assert [each for each in (*names, *others) if each not in drawn] == []


def test_explain_names_the_host_that_a_connection_goes_to(hosts: Nodes) -> None:
    there = hosts[2].addresses[container(hosts[2])][0]
    with hosts[1].machine.entered():
        hops, why = explain(container(hosts[1]).name, f"{there}:80")
    last = hops[-1]["text"]
    assert why == ""
    assert "via vxlan-4096, with its own source address" in last
    assert "192.0.2.2" in last
    assert not [hop for hop in hops if "masquerade" in hop["text"]]
    told = last.partition("`cni-bridge explain ")[2].strip("`").split()
    with hosts[2].machine.entered():
        assert explain(*told)[1].startswith("nothing listens on tcp/80 in ")
    ours = hosts[1].addresses[container(hosts[1])][0]
    with dropping(hosts[2], "forward", f"ip saddr {ours}"), hosts[2].machine.entered():
        assert "inet other drops drops it" in explain(*told)[1]


def test_explain_says_that_nobody_has_an_address(hosts: Nodes) -> None:
    free = next(f"10.64.{each}.2" for each in range(256) if not _is_taken(hosts, each))
    with hosts[1].machine.entered():
        _, why = explain(container(hosts[1]).name, f"{free}:80")
    assert why == f"no host has a block with {free} of pods, so no container has that address"


def test_doctor_finds_nothing_where_all_is_well(hosts: Nodes) -> None:
    assert causes(hosts[1]) == []


@pytest.mark.parametrize(
    ("dropped", "cause"),
    [
        (
            "ip saddr 192.0.2.2",
            "hosts of pods renew their membership but do not answer here: h2 at 192.0.2.2",
        ),
        (
            "udp dport 4789 ip saddr 192.0.2.2",
            "hosts of pods answer, but not through the tunnel: h2 at ",
        ),
    ],
)
def test_doctor_finds_a_host_that_only_the_store_hears(
    hosts: Nodes, dropped: str, cause: str
) -> None:
    with dropping(hosts[1], "input", dropped):
        found = causes(hosts[1])
    assert [each.startswith(cause) for each in found] == [True]
    assert causes(hosts[1]) == []


def test_doctor_finds_a_link_between_that_takes_less_than_the_hosts_own(hosts: Nodes) -> None:
    ip("link", "set", "host2", "mtu", "1400")
    try:
        (cause,) = causes(hosts[1])
    finally:
        ip("link", "set", "host2", "mtu", "1500")
    ends = "h2 at 192.0.2.2, h2 at 2001:db8::2"
    assert (
        cause == f"packets of 1500 bytes do not reach hosts of pods that answer short ones: {ends}"
    )
    assert causes(hosts[1]) == []


def test_doctor_finds_an_agent_that_does_not_run_and_hosts_that_do_not_renew(hosts: Nodes) -> None:
    hosts[3].stop(signal.SIGKILL)
    wait_until(lambda: hosts.members() == {"host-1", "host-2"})
    wait_until(lambda: bool(causes(hosts[1])))
    assert "1 of 3 hosts of pods do not renew" in causes(hosts[1])[0]
    here = causes(hosts[3])
    assert here[0] == "the agent of pods does not run"
    assert here[1].startswith("this host's membership lease of pods ")
    hosts[3].start()
    hosts.settle()
    assert causes(hosts[3]) == []


def test_doctor_finds_a_store_that_is_not_heard(hosts: Nodes) -> None:
    for member in hosts.store.members:
        member.kill()
    wait_until(lambda: any("has not reached the store" in each for each in causes(hosts[1])))
    wait_until(lambda: hosts[1].status().status != 0)
    with hosts[1].machine.entered():
        assert (
            "new containers are refused already"
            in command("doctor", "--conf-dir", str(CONF_DIR)).stdout
        )
    hosts.store.start()
    hosts.settle()
    assert causes(hosts[1]) == []


def _is_taken(hosts: Nodes, third: int) -> bool:
    return any(block.startswith(f"10.64.{third}.") for block in hosts.blocks())
