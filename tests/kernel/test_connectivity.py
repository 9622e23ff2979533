"""Traffic passes from the first packet on, whatever the neighbours remember of a reused address."""

from pathlib import Path

import pytest

from tests.kernel.conftest import GATEWAY4, GATEWAY6, MakeNetwork
from tests.lab import Container, Host, Network
from tests.lab.iproute import ip
from tests.lab.namespaces import visiting
from tests.lab.network import addresses_in, bare
from tests.lab.ping import answers
from tests.lab.sniffer import listening

pytestmark = pytest.mark.parametrize("version", ["1.1.0"])

REUSED = ["10.88.0.77", "fd00:88::77"]
STALE_MAC = "02:00:00:00:00:99"
ROUNDS = 15
IN_TIME = 0.9  # seconds; a lost packet is asked for again after one


def add(network: Network, container: Container, *addresses: str) -> str:
    """Add a container with these addresses; its MAC."""
    run = network.add(container, config={"runtimeConfig": {"ips": list(addresses)}})
    return str(run.result()["interfaces"][2]["mac"])


def mislead(sibling: Container, bridge: str) -> None:
    """Lets the host and a sibling remember another MAC for the addresses."""
    for address in REUSED:
        entry = ("neigh", "replace", address, "lladdr", STALE_MAC, "nud", "reachable", "dev")
        ip(*entry, bridge)
        sibling.ip(*entry, "eth0")


def test_every_address_is_announced_to_siblings(host: Host, network: Network) -> None:
    sibling, container = host.container(), host.container()
    network.add(sibling).result()
    with listening(sibling.netns) as sniffer:
        mac = add(network, container, *REUSED)
        heard = sniffer.announced(set(REUSED))
    assert {address: heard.get(address) for address in REUSED} == dict.fromkeys(REUSED, mac)


def test_a_reused_address_is_reached_at_once(host: Host, network: Network) -> None:
    sibling, container = host.container(), host.container()
    network.add(sibling).result()
    for _ in range(ROUNDS):
        mislead(sibling, network.bridge)
        mac = add(network, container, *REUSED)
        for address in REUSED:
            assert f"lladdr {mac}" in ip("neigh", "show", address, "dev", network.bridge)
            assert f"lladdr {mac}" in sibling.ip("neigh", "show", address, "dev", "eth0")
            assert answers(address, IN_TIME)
            with visiting(sibling.netns):
                assert answers(address, IN_TIME)
        network.delete(container).assert_silent_success()


@pytest.mark.parametrize("is_new", [True, False], ids=["new bridge", "idle bridge"])
def test_the_first_packet_passes_both_ways(is_new: bool, host: Host, network: Network) -> None:
    container = host.container()
    for _ in range(ROUNDS):
        own = [bare(address) for address in addresses_in(network.add(container).result())]
        with visiting(container.netns):
            assert all(answers(each, IN_TIME) for each in (GATEWAY6, GATEWAY4))
        assert all(answers(each, IN_TIME) for each in own)
        network.delete(container).assert_silent_success()
        if is_new:
            ip("link", "del", network.bridge)


def test_an_address_with_duplicate_detection_is_usable_when_add_returns(
    host: Host, make_network: MakeNetwork
) -> None:
    network = make_network(enabledad=True)
    container = host.container()
    network.add(container).result()
    assert "tentative" not in container.ip("-6", "addr", "show", "dev", "eth0", "scope", "global")
    assert container.can_ping(GATEWAY6)


def test_a_duplicate_is_found_and_undone(host: Host, make_network: MakeNetwork) -> None:
    network = make_network(enabledad=True)
    squatter, container = host.container(), host.container()
    network.add(squatter).result()
    squatter.ip("addr", "add", "fd00:88::77/64", "dev", "eth0", "nodad")
    error = network.add(container, config={"runtimeConfig": {"ips": REUSED}}).error()
    assert error["code"] == 101
    assert "fd00:88::77/64 is a duplicate" in error["msg"]
    assert container.links() == {"lo"}


@pytest.mark.parametrize("everywhere", [True, False])
def test_a_container_on_two_networks_answers_despite_strict_reverse_path_filtering(
    host: Host, make_network: MakeNetwork, everywhere: bool
) -> None:
    for interface in ("all", "default") if everywhere else ("default",):
        Path(f"/proc/sys/net/ipv4/conf/{interface}/rp_filter").write_text("1")
    container, neighbour = host.container(), host.container("lan")
    ip("link", "add", "up0", "type", "veth", "peer", "name", "eth0", "netns", neighbour.name)
    ip("addr", "add", "192.0.2.1/24", "dev", "up0")
    ip("link", "set", "up0", "up")
    neighbour.ip("addr", "add", "192.0.2.9/24", "dev", "eth0")
    neighbour.ip("link", "set", "eth0", "up")
    neighbour.ip("route", "add", "default", "via", "192.0.2.1")
    first = make_network(name="first", bridge="first0", isDefaultGateway=True)
    ranges = {"ranges": [[{"subnet": "10.89.0.0/24"}]]}
    second = make_network(ranges, name="second", bridge="second0", isDefaultGateway=True)
    result = first.add(container).result()
    second.add(container, "eth1").result()
    container.ip("route", "del", "default", "via", "10.88.0.1")
    assert neighbour.can_ping(bare(addresses_in(result)[0]))
    ip("link", "del", "up0")
