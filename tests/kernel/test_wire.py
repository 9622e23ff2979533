"""`"mode": "wire"`: two containers on one veth pair, whoever comes, goes and comes back."""

import json

import pytest

from tests.lab import Host, Network, Plugin
from tests.lab.iproute import ip_json
from tests.lab.network import addresses_in, bare
from tests.lab.people import command, printed, printed_json
from tests.lab.waiting import wait_until
from tests.lab.wire import addresses_of, assert_joined, host_ends, wire


@pytest.fixture
def network(host: Host, plugin: Plugin) -> Network:
    """Return a wire."""
    return host.network(plugin, wire(plugin))


def test_the_second_container_completes_the_wire_of_the_first(host: Host, network: Network) -> None:
    one, two = host.container(), host.container()
    network.add(one).result()
    assert len(host_ends()) == 1
    assert not ip_json("link", "show", host_ends()[0])[0]["flags"].count("UP")
    network.check(one).assert_silent_success()
    index = one.link()["ifindex"]
    network.add(two).result()
    assert_joined(network, one, two)
    assert one.link()["ifindex"] == index, "the one that waited keeps its interface"
    assert ip_json("link", "show", "type", "bridge") == []


@pytest.mark.parametrize("old", ["0.1.0", "0.3.1", "0.4.0", "1.0.0"])
def test_every_spec_version_can_report_a_wire(host: Host, network: Network, old: str) -> None:
    network.config["cniVersion"] = old
    one, two = host.container(), host.container()
    for container in (one, two):
        result = network.add(container).result()
        assert [bare(each) for each in addresses_in(result)] == [
            bare(each) for each in container.addresses()
        ]
    assert one.can_ping(addresses_of(network, two)[0])


def test_a_third_container_is_refused_and_told_who_has_the_ends(
    host: Host, network: Network
) -> None:
    one, two, three = (host.container() for _ in range(3))
    network.add(one).result()
    network.add(two).result()
    error = network.add(three).error()
    assert error["code"] == 104
    assert "container c1" in error["msg"]
    assert "container c2" in error["msg"]
    assert three.links() == {"lo"}
    assert_joined(network, one, two)


def test_after_del_and_add_of_one_side_the_other_has_kept_its_interface(
    host: Host, network: Network
) -> None:
    one, two = host.container(), host.container()
    network.add(one).result()
    network.add(two).result()
    index, addresses = one.link()["ifindex"], one.addresses()
    network.delete(two).assert_silent_success()
    assert two.links() == {"lo"}
    assert (one.link()["ifindex"], one.addresses()) == (index, addresses)
    network.check(one).assert_silent_success()
    network.add(two).result()
    assert_joined(network, one, two)


def test_the_other_is_healed_when_one_has_taken_the_wire_with_its_namespace(
    host: Host, network: Network
) -> None:
    one, two, successor = (host.container() for _ in range(3))
    mac = {"runtimeConfig": {"mac": "02:00:00:00:00:05"}, "capabilities": {"mac": True}}
    network.add(one, config={**mac, "args": {"cni": {"mtu": 1400}}, "mtu": 1500}).result()
    network.add(two).result()
    before = one.link()
    two.delete()
    wait_until(lambda: "eth0" not in one.links())  # the kernel removes it some time later
    assert "eth0" in network.check(one).error()["details"]
    network.delete(two).assert_silent_success()
    named = {"CNI_ARGS": "IgnoreUnknown=1;K8S_POD_NAME=shop"}
    network.add(successor, environment=named).result()
    assert_joined(network, one, successor)
    healed = one.link()
    assert "shop" not in healed["ifalias"]  # that is the other one's
    assert (healed["address"], healed["mtu"]) == (before["address"], before["mtu"])
    assert (healed["address"], healed["mtu"]) == ("02:00:00:00:00:05", 1400)
    taken = [what for what, _ in printed_json("trace", successor.name, "--json")[0]["steps"]]
    assert "end of c1 recreated" in taken


def test_a_container_whose_namespace_is_gone_cannot_be_healed_and_that_is_said(
    host: Host, network: Network
) -> None:
    one, two = host.container(), host.container()
    network.add(one).result()
    one.delete()
    run = network.add(two)
    run.result()
    assert "is gone" in run.stderr
    network.check(two).assert_silent_success()
    network.delete(one).assert_silent_success()
    three = host.container()
    network.add(three).result()
    assert_joined(network, two, three)


def test_wires_are_apart_from_each_other(host: Host, plugin: Plugin) -> None:
    containers = [host.container() for _ in range(2)]
    for number in (1, 2):
        ipam = {"type": plugin.ipam_type, "subnet": f"10.{number}.0.0/24"}
        changes = {"name": f"wire{number}", "ipam": ipam}
        network = host.network(plugin, {**wire(plugin), **changes})
        for container in containers:
            network.add(container, f"eth{number}").result()
    assert containers[0].can_ping("10.1.0.3")
    assert containers[0].can_ping("10.2.0.3")
    assert host_ends() == []


def test_a_wire_without_addresses_is_a_wire(host: Host, network: Network) -> None:
    del network.config["ipam"]
    one, two = host.container(), host.container()
    network.add(one).result()
    network.add(two).result()
    for number, container in enumerate((one, two), 1):
        container.ip("addr", "add", f"10.9.0.{number}/24", "dev", "eth0")
    assert one.can_ping("10.9.0.2")


def test_people_see_what_waits_and_what_is_joined(host: Host, network: Network) -> None:
    one, two = host.container(), host.container()
    network.add(one).result()
    (waiting,) = printed_json("show", "--json")["attachments"]
    assert (waiting["health"], waiting["host_end"]["is_up"]) == ("ok", False)
    assert "(parked)" in printed("show")
    network.add(two).result()
    assert {each["health"] for each in printed_json("show", "--json")["attachments"]} == {"ok"}
    assert "wire to c2 eth0" in printed("show")
    assert "c2" in printed("show", "c1")
    assert "eth0 in c2" in printed("graph")
    assert "a wire leads to one other container" in command("isolate", "c1").stderr


def test_plan_says_what_would_become_of_the_wire(host: Host, network: Network) -> None:
    def planned() -> str:
        run = command("plan", stdin=json.dumps(network.config))
        return run.stdout

    one, two = host.container(), host.container()
    assert "parked for a second container" in planned()
    network.add(one).result()
    assert "parked, becomes eth0: wired to c1 eth0" in planned()
    network.add(two).result()
    assert "! " in planned()
    assert "both ends of the wire are held" in planned()
