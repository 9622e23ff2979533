"""A MAC is held once on a bridge, whoever asks for it: no container takes what another one has."""

import json
from collections.abc import Callable

import pytest

from tests.kernel.conftest import GATEWAY4, MakeNetwork
from tests.lab import Container, Host, Json, Network
from tests.lab.iproute import ip, ip_json
from tests.lab.state import LEDGER
from tests.lab.waiting import wait_until

MAC = "02:00:00:00:00:05"
IN_USE = 101
pytestmark = pytest.mark.parametrize("version", ["1.1.0"])

ASKED: dict[str, Callable[[str], Json]] = {
    "CNI_ARGS": lambda mac: {"environment": {"CNI_ARGS": f"IgnoreUnknown=1;MAC={mac}"}},
    "runtimeConfig": lambda mac: {"config": {"runtimeConfig": {"mac": mac}}},
    "args.cni": lambda mac: {"config": {"args": {"cni": {"mac": mac}}}},
    "mac": lambda mac: {"config": {"mac": mac}},
}


@pytest.fixture(params=[False, True], ids=["unchecked", "macspoofchk"])
def network(request: pytest.FixtureRequest, make_network: MakeNetwork) -> Network:
    """Make a network with and without the spoof check."""
    return make_network(macspoofchk=request.param)


def ask(network: Network, container: Container, mac: str = MAC, how: str = "runtimeConfig") -> Json:
    """Ask for a MAC; return the result or the error."""
    run = network.add(container, **ASKED[how](mac))
    answer: Json = json.loads(run.stdout)
    return answer


@pytest.mark.parametrize("how", ASKED)
def test_a_mac_that_another_container_asked_for_is_refused_with_its_holder(
    how: str, host: Host, network: Network
) -> None:
    one, two = host.container(), host.container()
    ask(network, one, how=how)
    assert one.link()["address"] == MAC
    error = ask(network, two, MAC.replace(":", "-") if how == "mac" else MAC, how)
    assert (error["code"], error["msg"]) == (IN_USE, f"MAC address {MAC} is in use on bridge cni0")
    assert f"interface eth0 of container {one.name} on network testnet" in error["details"]
    assert two.links() == {"lo"}
    network.delete(one).assert_silent_success()
    assert "code" not in ask(network, two, how=how)


def test_a_mac_that_another_container_has_without_asking_is_refused(
    host: Host, network: Network
) -> None:
    one, two = host.container(), host.container()
    network.add(one).result()
    assert ask(network, two, one.link()["address"])["code"] == IN_USE
    LEDGER.unlink()  # what the kernel shows counts, too
    assert ask(network, two, one.link()["address"])["code"] == IN_USE
    assert one.can_ping(GATEWAY4)


def test_the_macs_of_the_bridge_and_its_ports_are_refused(host: Host, network: Network) -> None:
    network.add(host.container()).result()
    (shared,) = ip_json("link", "show", network.bridge)
    (port,) = ip_json("link", "show", "master", network.bridge)
    for link in (shared, port):
        error = ask(network, host.container(), link["address"])
        assert error["code"] == IN_USE
        assert f"this host's interface {link['ifname']}" in error["details"]


def test_the_first_container_can_not_have_the_mac_that_the_bridge_will_get(
    host: Host, network: Network
) -> None:
    container = host.container()
    network.add(container).result()
    (shared,) = ip_json("link", "show", network.bridge)
    network.delete(container).assert_silent_success()
    ip("link", "del", network.bridge)
    assert ask(network, container, shared["address"])["code"] == IN_USE


def test_a_mac_is_free_on_another_bridge_and_after_a_failed_add(
    host: Host, network: Network, make_network: MakeNetwork
) -> None:
    other = make_network(
        name="other", bridge="cni1", ipam={"ranges": [[{"subnet": "10.9.0.0/24"}]]}
    )
    one, two = host.container(), host.container()
    one.ip("link", "add", "eth0", "type", "bridge")
    assert ask(network, one)["code"] == 112
    one.ip("link", "del", "eth0")
    ask(network, two)
    assert "code" not in ask(other, one)


def test_a_stale_holder_gives_its_mac_away(host: Host, network: Network) -> None:
    one, two = host.container(), host.container()
    ask(network, one)
    before = len(ip_json("link"))
    one.delete()
    wait_until(lambda: len(ip_json("link")) < before)
    assert "code" not in ask(network, two)
    network.check(two, **ASKED["runtimeConfig"](MAC)).assert_silent_success()
