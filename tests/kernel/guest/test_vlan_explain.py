"""`cni-bridge explain` where a bridge keeps VLANs apart: what it says is what a ping meets."""

import pytest

from tests.kernel.conftest import GATEWAY4, MakeNetwork
from tests.lab import Container, Host, Network
from tests.lab.clinic import explain
from tests.lab.iproute import bridge, ip_json
from tests.lab.network import addresses_in, bare

PORT = 80  # nothing listens there: whoever is reached refuses


@pytest.fixture
def version() -> str:
    """Return what people see does not depend on the spec version."""
    return "1.1.0"


def attach(host: Host, network: Network) -> tuple[Container, str]:
    """Return a container, and its address."""
    container = host.container()
    return container, bare(addresses_in(network.add(container).result())[0])


def test_the_vlans_that_keep_containers_apart_are_named(
    host: Host, make_network: MakeNetwork
) -> None:
    hundred = make_network(isGateway=False, vlan=100)
    asker, _ = attach(host, hundred)
    _, beside = attach(host, hundred)
    _, apart = attach(host, make_network(isGateway=False, vlan=200))
    _, why = explain(asker.name, f"{beside}:{PORT}")
    assert "nothing listens" in why
    assert asker.can_ping(beside)
    _, why = explain(asker.name, f"{apart}:{PORT}")
    assert "is in VLAN 100 of cni0" in why
    assert why.endswith("in 200")
    assert not asker.can_ping(apart)


def test_a_gateway_that_has_left_its_vlan_is_named(host: Host, make_network: MakeNetwork) -> None:
    asker, _ = attach(host, make_network(vlan=100, isDefaultGateway=True))
    _, why = explain(asker.name, f"{GATEWAY4}:{PORT}")
    assert "nothing listens" in why
    assert asker.can_ping(GATEWAY4)
    port = str(ip_json("link", "show", "cni0.100")[0]["link"])
    bridge("vlan", "del", "dev", port, "vid", "100")
    _, why = explain(asker.name, f"{GATEWAY4}:{PORT}")
    assert f"is in VLAN 100 of cni0, {port} in none" in why
    assert not asker.can_ping(GATEWAY4)
