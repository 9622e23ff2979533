"""A ledger that was lost while containers run: nobody's address or port is given away."""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.kernel.conftest import MakeNetwork
from tests.kernel.test_state_directory import damaged, newer
from tests.lab import Container, Host, Network, namespaces
from tests.lab.iproute import ip, ip_json
from tests.lab.network import addresses_in
from tests.lab.nft import ports
from tests.lab.people import command, printed
from tests.lab.publish import mapping, publish, publishing
from tests.lab.state import LEDGER


@pytest.fixture
def version() -> str:
    """Return what the kernel shows does not depend on the spec version."""
    return "1.1.0"


def lose() -> None:
    """Somebody has tidied /run up."""
    subprocess.run(["rm", "-rf", LEDGER.parent], check=True)


def add_all(network: Network, containers: list[Container]) -> list[str]:
    """All addresses that the containers get."""
    return [ip for each in containers for ip in addresses_in(network.add(each).result())]


def empty() -> None:
    """Empty the ledger's file, as a full file system or `> ledger.sqlite` does."""
    os.truncate(LEDGER, 0)


@pytest.mark.parametrize("how", [lose, empty])
def test_the_next_add_gives_nothing_that_a_running_container_has(
    how: Callable[[], None], host: Host, network: Network
) -> None:
    given = add_all(network, [host.container() for _ in range(3)])
    how()
    network.do("STATUS", host.containers[0], "eth0").assert_silent_success()  # makes a new one
    late = host.container()
    run = network.add(late)
    assert not set(given) & set(addresses_in(run.result()))
    assert "the ledger was lost: recorded 10.88.0.2/16, fd00:88::2/64 of c1 eth0" in run.stderr
    for each in host.containers:
        network.check(each).assert_silent_success()


def test_published_ports_stay_with_their_containers(host: Host, make_network: MakeNetwork) -> None:
    one = make_network(name="one", ipMasq=True, macspoofchk=True, ipspoofchk=True)
    two = make_network(name="two", bridge="cni1", isolation="on", icc=False)
    two.config["ipam"]["ranges"] = [[{"subnet": "10.9.0.0/24"}]]
    first, second, third = (host.container() for _ in range(3))
    publish(one, first, mapping(8080)).result()
    two.add(second).result()
    before = host.state()
    lose()
    assert publish(one, third, mapping(8080)).error()["code"] == 103
    one.check(first, config=publishing(mapping(8080))).assert_silent_success()
    two.check(second).assert_silent_success()
    assert {
        line for line in before if "element" in line.kind and "nft" in line.kind
    } <= host.state()
    one.delete(first).assert_silent_success()
    two.delete(second).assert_silent_success()
    assert ports("port4") == []


@pytest.mark.parametrize("how", [lose, damaged, newer])
def test_restore_from_kernel_makes_the_ledger_anew(
    how: Callable[[], None], host: Host, make_network: MakeNetwork
) -> None:
    network = make_network(ipMasq=True)
    first, second = host.container(), host.container()
    publish(network, first, mapping(8080)).result()
    network.add(second).result()
    how()
    told = printed("restore", "--from-kernel")
    assert ("moved it to /run/cni-bridge/ledger.sqlite.2" in told) == (how is not lose)
    assert "recorded 10.88.0.2/16, fd00:88::2/64 of c1 eth0 on testnet" in told
    network.check(first, config=publishing(mapping(8080))).assert_silent_success()
    network.check(second).assert_silent_success()
    assert "the ledger was complete" in printed("restore", "--from-kernel")


def test_a_network_with_a_directory_of_its_own_is_restored_there(
    host: Host, make_network: MakeNetwork
) -> None:
    network = make_network({"dataDir": "/run/elsewhere"}, ipMasq=True)
    container = host.container()
    publish(network, container, mapping(8080)).result()
    lose()
    subprocess.run(["rm", "-rf", "/run/elsewhere"], check=True)
    told = printed("restore", "--from-kernel", "--state-dir", "/run/elsewhere/cni-bridge")
    assert "recorded 10.88.0.2/16, fd00:88::2/64 of c1 eth0 on testnet" in told
    network.check(container, config=publishing(mapping(8080))).assert_silent_success()


def test_restore_from_kernel_says_what_no_path_leads_to(host: Host, network: Network) -> None:
    container, hidden = host.container(), Path("/run/hidden")
    network.add(container).result()
    lose()
    hidden.touch()
    namespaces.mount(str(container.netns), hidden, flags=namespaces.MS_BIND)
    container.delete()
    told = printed("restore", "--from-kernel")
    assert "recorded c1 eth0 on testnet without addresses: no path leads to its namespace" in told
    network.delete(container).assert_silent_success()
    namespaces.delete_netns(hidden)


def test_a_pair_elsewhere_with_the_same_numbers_is_not_taken_for_ours(
    host: Host, network: Network
) -> None:
    container = host.container()
    network.add(container).result()
    inner = next(
        each for each in ip_json("link", container=container.name) if each["ifname"] == "eth0"
    )
    twin = host.container("0")  # looked into before the other
    one, other = (("index", str(inner[each])) for each in ("ifindex", "link_index"))
    words = ("link", "add", "eth0", *one, "type", "veth", "peer", "name", "far", *other)
    ip(*words, container=twin.name)
    ip("address", "add", "192.0.2.1/24", "dev", "eth0", container=twin.name)
    lose()
    told = printed("restore", "--from-kernel")
    assert f"recorded 10.88.0.2/16, fd00:88::2/64 of {container.name} eth0 on testnet" in told
    assert "192.0.2.1" not in told
    ip("link", "delete", "eth0", container=twin.name)


def test_restore_from_kernel_refuses_a_directory_that_is_not_ours_alone(
    host: Host, network: Network
) -> None:
    network.add(host.container()).result()
    LEDGER.parent.chmod(0o777)
    assert "is writable by other users" in command("restore", "--from-kernel").stderr
    LEDGER.parent.chmod(0o700)
