"""VLANs on whatever kernel this is: applied where it can filter them, else refused at once.

All that they do is tested in `guest/`, on a kernel that surely can.
"""

from typing import Any

import pytest

from tests.kernel.conftest import VERSIONS, MakeNetwork
from tests.lab import Host
from tests.lab.iproute import ip, ip_json
from tests.lab.state import LEDGER

FIELDS: dict[str, tuple[dict[str, Any], str]] = {
    "vlan": ({"vlan": 100}, "vlan: 100"),
    "trunk": ({"vlanTrunk": [{"id": 5}, {"minID": 7, "maxID": 8}]}, "vlanTrunk: [5, 7, 8]"),
}


@pytest.fixture
def can_filter(host: Host) -> bool:
    """Whether bridges of this kernel have an option for it, as iproute2 sees them."""
    ip("link", "add", "probe0", "type", "bridge")
    (found,) = ip_json("-d", "link", "show", "probe0")
    ip("link", "del", "probe0")
    return "vlan_protocol" in found["linkinfo"]["info_data"]


@pytest.fixture(params=FIELDS)
def field(request: pytest.FixtureRequest) -> str:
    """Every way to ask for VLANs."""
    return str(request.param)


def test_vlans_are_applied_or_refused_before_anything_is_done(
    field: str, host: Host, can_filter: bool, make_network: MakeNetwork
) -> None:
    changes, text = FIELDS[field]
    network = make_network(**changes)
    run = network.add(host.container())
    if can_filter:
        run.result()
        return
    error = run.error()
    assert error["code"] == 2, error
    assert text in error["msg"]
    assert "CONFIG_BRIDGE_VLAN_FILTERING" in error["details"]
    assert not host.changes()
    assert not LEDGER.exists()
    network.delete(host.containers[0]).assert_silent_success()


@pytest.mark.parametrize("version", VERSIONS[-1:])
def test_status_tells_whether_an_add_can_have_vlans(
    host: Host, can_filter: bool, make_network: MakeNetwork
) -> None:
    network = make_network(vlan=100)
    run = network.do("STATUS", host.container(), "eth0")
    if can_filter:
        run.assert_silent_success()
    else:
        assert run.error()["code"] == 50
    assert not [line for line in host.changes() if "link" in line]


@pytest.mark.parametrize("version", VERSIONS[-1:])
def test_a_gateway_whose_name_is_too_long_for_an_interface_is_refused(
    host: Host, make_network: MakeNetwork
) -> None:
    network = make_network(bridge="bridge-of-12", vlan=100)
    error = network.add(host.container()).error()
    assert error["code"] == 7
    assert "bridge-of-12.100" in error["details"]
    assert not host.changes()
