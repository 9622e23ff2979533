"""Requests about VLANs have pyroute2's bytes; port VLANs that pyroute2 encodes are understood."""

from socket import AF_BRIDGE
from typing import Any

import pytest
from pyroute2.netlink import rtnl

from cni_bridge.kernel import messages, vlans
from cni_bridge.kernel.netlink import Request
from cni_bridge.model_optional import VlanFilter
from tests.unit.kernel.oracle import link, nested

CREATE = 0x600  # NLM_F_CREATE | NLM_F_EXCL
NATIVE = vlans.ACCESS

REQUESTS = {
    "add one VLAN": (
        vlans.add(
            4,
            100,
            100,
            messages.BRIDGE_VLAN_INFO_PVID | messages.BRIDGE_VLAN_INFO_UNTAGGED,
        ),
        rtnl.RTM_SETLINK,
        0,
        link(
            (
                "IFLA_AF_SPEC",
                nested(("IFLA_BRIDGE_VLAN_INFO", {"vid": 100, "flags": ["pvid", "untagged"]})),
            ),
            family=AF_BRIDGE,
            index=4,
        ),
    ),
    "add VLANs": (
        vlans.add(4, 100, 110),
        rtnl.RTM_SETLINK,
        0,
        link(
            (
                "IFLA_AF_SPEC",
                nested(
                    ("IFLA_BRIDGE_VLAN_INFO", {"vid": 100, "flags": ["range_begin"]}),
                    ("IFLA_BRIDGE_VLAN_INFO", {"vid": 110, "flags": ["range_end"]}),
                ),
            ),
            family=AF_BRIDGE,
            index=4,
        ),
    ),
    "delete all VLANs": (
        vlans.delete(4),
        rtnl.RTM_DELLINK,
        0,
        link(
            (
                "IFLA_AF_SPEC",
                nested(
                    ("IFLA_BRIDGE_VLAN_INFO", {"vid": 1, "flags": ["range_begin"]}),
                    ("IFLA_BRIDGE_VLAN_INFO", {"vid": 4094, "flags": ["range_end"]}),
                ),
            ),
            family=AF_BRIDGE,
            index=4,
        ),
    ),
    "list port VLANs": (
        vlans.listing(),
        rtnl.RTM_GETLINK,
        0,
        link(("IFLA_EXT_MASK", 2), family=AF_BRIDGE),
    ),
    "probe": (
        vlans.probe(),
        rtnl.RTM_NEWLINK,
        CREATE,
        link(
            ("IFLA_NET_NS_FD", 0xFFFFFFFF),
            (
                "IFLA_LINKINFO",
                nested(
                    ("IFLA_INFO_KIND", "bridge"),
                    ("IFLA_INFO_DATA", nested(("IFLA_BR_VLAN_PROTOCOL", 0))),
                ),
            ),
        ),
    ),
}


@pytest.mark.parametrize("name", REQUESTS)
def test_a_request_has_the_bytes_that_pyroute2_makes(name: str) -> None:
    request, kind, flags, body = REQUESTS[name]
    assert request == Request(what=request.what, kind=kind, flags=flags, body=body)


@pytest.mark.parametrize(
    ("port", "expected"),
    [
        (VlanFilter(access=100), {100: NATIVE}),
        (VlanFilter(trunk=(5, 6, 9)), {1: NATIVE, 5: 0, 6: 0, 9: 0}),
        (VlanFilter(access=6, trunk=(5, 6, 7)), {5: 0, 6: NATIVE, 7: 0}),
    ],
)
def test_a_port_has_one_untagged_vlan(port: VlanFilter, expected: dict[int, int]) -> None:
    assert vlans.desired(port) == expected


def test_a_port_loses_its_default_unless_that_is_kept() -> None:
    added = vlans.add(4, 100, 100, NATIVE)
    assert vlans.configure(4, VlanFilter(access=100)) == [vlans.delete(4), added]
    assert vlans.configure(4, VlanFilter(access=100, keeps_default=True)) == [added]


def test_neighbouring_vlans_are_one_request() -> None:
    port = VlanFilter(access=100, trunk=tuple(range(1, 4095)))
    assert vlans.configure(4, port) == [
        vlans.delete(4),
        vlans.add(4, 1, 99),
        vlans.add(4, 100, 100, NATIVE),
        vlans.add(4, 101, 4094),
    ]


def vlan_info(vlan: int, *flags: str) -> tuple[str, dict[str, Any]]:
    return ("IFLA_BRIDGE_VLAN_INFO", {"vid": vlan, "flags": list(flags)})


def test_the_vlans_of_a_port_are_found_among_those_of_others() -> None:
    def port(index: int, *infos: tuple[str, dict[str, Any]]) -> bytes:
        return link(("IFLA_AF_SPEC", nested(*infos)), family=AF_BRIDGE, index=index)

    answers = [
        port(3, vlan_info(1, "pvid", "untagged")),
        port(4, vlan_info(6), vlan_info(7, "untagged"), vlan_info(100, "pvid", "untagged")),
        link(family=AF_BRIDGE, index=5),
    ]
    untagged = messages.BRIDGE_VLAN_INFO_UNTAGGED
    assert vlans.of_port(4, answers) == {6: 0, 7: untagged, 100: NATIVE}
    assert vlans.of_port(5, answers) == {}


def test_the_default_vlan_of_a_bridge_is_understood() -> None:
    data = nested(("IFLA_BR_VLAN_DEFAULT_PVID", 7))
    info = nested(("IFLA_INFO_KIND", "bridge"), ("IFLA_INFO_DATA", data))
    assert vlans.default_vlan(link(("IFLA_LINKINFO", info))) == 7
    assert vlans.default_vlan(link()) == 0


@pytest.mark.parametrize(
    ("flags", "text"), [(NATIVE, "pvid untagged"), (0, "tagged"), (None, "none")]
)
def test_a_vlan_is_described_as_people_know_it(flags: int | None, text: str) -> None:
    assert vlans.describe(flags) == text
