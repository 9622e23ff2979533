"""Bridges that an administrator made: with STP, under an alternative name."""

import time

import pytest

from tests.kernel.conftest import VERSIONS, MakeNetwork
from tests.lab import Host
from tests.lab.iproute import ip, ip_json
from tests.lab.waiting import wait_until

LAYER2 = {"isGateway": False, "ipam": {}}

pytestmark = pytest.mark.parametrize("version", VERSIONS[-1:])


def make_bridge(*options: str, name: str = "cni0") -> None:
    ip("link", "add", name, "type", "bridge", *options)
    ip("link", "set", name, "up")


def port_state() -> str:
    (port,) = (each for each in ip_json("-d", "link", "show", "master", "cni0"))
    return str(port["linkinfo"]["info_slave_data"]["state"])


# ---------------------------------------------------------------- STP


@pytest.mark.parametrize("changes", [LAYER2, {}], ids=["layer 2", "gateway"])
def test_an_add_does_not_wait_for_a_port_that_stp_holds_back(
    host: Host, make_network: MakeNetwork, changes: dict[str, object]
) -> None:
    make_bridge("stp_state", "1")
    network = make_network(**changes)
    container = host.container()
    start = time.monotonic()
    run = network.add(container)
    assert time.monotonic() - start < 2
    run.result()
    assert "is listening: bridge cni0 uses STP" in run.stderr
    assert "after 30 s" in run.stderr
    network.check(container).assert_silent_success()


def test_a_port_forwards_later_where_stp_held_it_back(
    host: Host, make_network: MakeNetwork
) -> None:
    make_bridge("stp_state", "1", "forward_delay", "200")
    network = make_network()
    container = host.container()
    run = network.add(container)
    run.result()
    assert "after 4 s" in run.stderr
    wait_until(lambda: port_state() == "forwarding")
    assert container.can_ping("10.88.0.1")


# ---------------------------------------------------------------- an alternative name


@pytest.mark.parametrize("changes", [{"internal": True}, {}], ids=["internal", "plain"])
def test_an_alternative_name_of_a_bridge_is_refused(
    host: Host, make_network: MakeNetwork, changes: dict[str, object]
) -> None:
    make_bridge(name="real0")
    ip("link", "property", "add", "dev", "real0", "altname", "cni0")
    error = make_network(**changes).add(host.container()).error()
    assert error["code"] == 112
    assert error["msg"] == '"cni0" is an alternative name of interface "real0"'
    assert "set `bridge` to real0" in error["details"]
    ip("link", "del", "real0")
