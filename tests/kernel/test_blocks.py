"""A network over many hosts, as one host's ADD sees it: blocks in the ledger, which the agent writes."""

from collections.abc import Iterator

import pytest

from cni_bridge.address import parse_prefix
from cni_bridge.kernel import machine
from cni_bridge.ledger import block_leases, blocks, store
from cni_bridge.ledger.store import Ledger
from tests.lab import Host, Network
from tests.lab.iproute import ip_json
from tests.lab.network import addresses_in
from tests.lab.nft import nft
from tests.lab.state import LEDGER

TRY_AGAIN, LIMITED = 11, 51
HOUR_MS = 3_600_000
CLUSTER = {
    "endpoints": ["http://192.0.2.1:2379"],
    "network": "10.64.0.0/12",
    "network6": "fd64::/48",
}
BLOCK, BLOCK6 = "10.64.3.0/26", "fd64::40/122"


@pytest.fixture
def version() -> str:
    """Where addresses come from does not depend on the spec version."""
    return "1.1.0"


@pytest.fixture
def over_hosts(network: Network) -> Network:
    """Return a network that many hosts have."""
    network.config |= {"cluster": CLUSTER, "ipam": {"type": "cni-bridge"}}
    return network


@pytest.fixture
def ledger(host: Host) -> Iterator[Ledger]:
    """Yield the host's, as the agent opens it."""
    opened = store.open_ledger(str(LEDGER.parent))
    yield opened
    opened.close()


def publish(ledger: Ledger, *subnets: str, ms: int = HOUR_MS, boot: str = "", mtu: int = 0) -> None:
    """Do what the agent does when the store has leased it these blocks for that long."""
    block_leases.publish(
        ledger.database,
        "testnet",
        [parse_prefix(each) for each in subnets],
        until_ms=blocks.now_ms() + ms,
        boot_id=boot or machine.boot_id(),
        mtu=mtu,
    )


def test_an_address_comes_from_a_block_of_each_family_with_the_way_to_all_others(
    over_hosts: Network, host: Host, ledger: Ledger
) -> None:
    publish(ledger, BLOCK, BLOCK6)
    container = host.container()
    result = over_hosts.add(container).result()
    assert addresses_in(result) == ["10.64.3.2/26", "fd64::42/122"]
    assert [route["dst"] for route in result["routes"]] == ["10.64.0.0/12", "fd64::/48"]
    assert container.can_ping("10.64.3.1")
    assert container.can_ping("fd64::41")
    over_hosts.check(container).assert_silent_success()
    over_hosts.delete(container).assert_silent_success()


def test_without_a_block_nobody_is_added_and_the_message_names_the_agent(
    over_hosts: Network, host: Host
) -> None:
    error = over_hosts.add(host.container()).error()
    assert error["code"] == TRY_AGAIN
    assert "no block of cluster network testnet" in error["msg"]
    assert "cni-bridge agent" in error["details"]
    assert over_hosts.do("STATUS", host.container(), "eth0").error()["code"] == LIMITED


def test_when_the_lease_has_ended_nobody_is_added_and_who_is_there_stays(
    over_hosts: Network, host: Host, ledger: Ledger
) -> None:
    publish(ledger, BLOCK)
    container = host.container()
    over_hosts.add(container).result()
    publish(ledger, BLOCK, ms=-1)
    error = over_hosts.add(host.container()).error()
    assert error["code"] == TRY_AGAIN
    assert "ended 0 s ago" in error["msg"]
    assert container.can_ping("10.64.3.1")
    over_hosts.check(container).assert_silent_success()
    over_hosts.delete(container).assert_silent_success()


def test_a_block_of_an_earlier_boot_is_none(
    over_hosts: Network, host: Host, ledger: Ledger
) -> None:
    publish(ledger, BLOCK, boot="11111111-2222-3333-4444-555555555555")
    assert over_hosts.add(host.container()).error()["code"] == TRY_AGAIN


def test_when_a_block_is_full_the_next_one_goes_on_and_both_reach_each_other(
    over_hosts: Network, host: Host, ledger: Ledger
) -> None:
    publish(ledger, "10.64.3.0/30", "10.64.8.0/30")
    one, other = host.container(), host.container()
    found = [addresses_in(over_hosts.add(each).result()) for each in (one, other)]
    assert found == [["10.64.3.2/30"], ["10.64.8.2/30"]]
    assert one.can_ping("10.64.8.2")
    assert over_hosts.add(host.container()).error()["code"] == 100


def test_a_block_is_withdrawn_only_when_nobody_has_an_address_of_it(
    over_hosts: Network, host: Host, ledger: Ledger
) -> None:
    publish(ledger, BLOCK)
    container = host.container()
    over_hosts.add(container).result()
    (leased,) = block_leases.listed(ledger.database, "testnet")
    assert (leased.used, leased.size) == (1, 61)
    assert not block_leases.withdraw(ledger.database, "testnet", parse_prefix(BLOCK))
    over_hosts.delete(container).assert_silent_success()
    assert block_leases.withdraw(ledger.database, "testnet", parse_prefix(BLOCK))
    assert block_leases.listed(ledger.database, "testnet") == ()


def test_what_goes_to_the_cluster_keeps_its_address(
    over_hosts: Network, host: Host, ledger: Ledger
) -> None:
    publish(ledger, BLOCK)
    over_hosts.config["ipMasq"] = True
    container = host.container()
    over_hosts.add(container).result()
    assert "10.64.0.0/12" in nft("list", "set", "inet", "cni_bridge", "cluster4")
    over_hosts.check(container).assert_silent_success()
    over_hosts.delete(container).assert_silent_success()
    assert "10.64.0.0/12" not in nft("list", "set", "inet", "cni_bridge", "cluster4")


def test_containers_have_the_mtu_that_fits_through_to_other_hosts(
    over_hosts: Network, host: Host, ledger: Ledger
) -> None:
    publish(ledger, BLOCK, mtu=1450)
    container = host.container()
    result = over_hosts.add(container).result()
    assert {link["ifname"]: link["mtu"] for link in ip_json("link")}["cni0"] == 1450
    assert [each.get("mtu") for each in result["interfaces"]] == [1450] * 3
    over_hosts.check(container).assert_silent_success()


def test_a_requested_address_has_to_be_of_a_block_of_this_host(
    over_hosts: Network, host: Host, ledger: Ledger
) -> None:
    publish(ledger, BLOCK)
    asked = {"runtimeConfig": {"ips": ["10.64.3.20"]}}
    assert addresses_in(over_hosts.add(host.container(), config=asked).result()) == [
        "10.64.3.20/26"
    ]
    elsewhere = {"runtimeConfig": {"ips": ["10.64.9.20"]}}
    assert over_hosts.add(host.container(), config=elsewhere).error()["code"] == 7
