"""Requests about links have pyroute2's bytes; links that pyroute2 encodes are understood."""

import pytest
from pyroute2.netlink import rtnl
from pyroute2.netlink.rtnl import ifinfmsg

from cni_bridge.kernel import links, messages
from cni_bridge.kernel.netlink import Request
from tests.unit.kernel.oracle import link, nested

MAC = bytes.fromhex("02aabbccddee")
MAC_TEXT = "02:aa:bb:cc:dd:ee"
CREATE = 0x600  # NLM_F_CREATE | NLM_F_EXCL
SKIP_STATS = ("IFLA_EXT_MASK", 8)


def info(kind: str, *data: tuple[str, object]) -> tuple[str, object]:
    attributes: list[tuple[str, object]] = [("IFLA_INFO_KIND", kind)]
    if data:
        attributes.append(("IFLA_INFO_DATA", nested(*data)))
    return ("IFLA_LINKINFO", nested(*attributes))


REQUESTS = {
    "get by name": (
        links.get("cni0"),
        rtnl.RTM_GETLINK,
        0,
        link(("IFLA_IFNAME", "cni0"), SKIP_STATS),
    ),
    "get by index": (links.get(7), rtnl.RTM_GETLINK, 0, link(SKIP_STATS, index=7)),
    "list all": (links.listing(), rtnl.RTM_GETLINK, 0, link(SKIP_STATS)),
    "list ports": (
        links.listing(master=3),
        rtnl.RTM_GETLINK,
        0,
        link(("IFLA_MASTER", 3), SKIP_STATS),
    ),
    "create bridge": (
        links.create_bridge("cni0", mac=MAC, mtu=0, filters_vlans=False),
        rtnl.RTM_NEWLINK,
        CREATE,
        link(
            ("IFLA_IFNAME", "cni0"),
            ("IFLA_ADDRESS", MAC_TEXT),
            info("bridge"),
            flags=ifinfmsg.IFF_UP,
            change=ifinfmsg.IFF_UP,
        ),
    ),
    "create bridge with all options": (
        links.create_bridge("cni0", mac=MAC, mtu=1400, filters_vlans=True),
        rtnl.RTM_NEWLINK,
        CREATE,
        link(
            ("IFLA_IFNAME", "cni0"),
            ("IFLA_ADDRESS", MAC_TEXT),
            ("IFLA_MTU", 1400),
            info("bridge", ("IFLA_BR_VLAN_FILTERING", 1)),
            flags=ifinfmsg.IFF_UP,
            change=ifinfmsg.IFF_UP,
        ),
    ),
    "create veth": (
        links.create_veth("veth01", "eth0", bridge=5, netns=9, mtu=0),
        rtnl.RTM_NEWLINK,
        CREATE,
        link(
            ("IFLA_IFNAME", "veth01"),
            ("IFLA_MASTER", 5),
            info(
                "veth",
                ("VETH_INFO_PEER", nested(("IFLA_IFNAME", "eth0"), ("IFLA_NET_NS_FD", 9))),
            ),
            flags=ifinfmsg.IFF_UP,
            change=ifinfmsg.IFF_UP,
        ),
    ),
    "create veth with all options": (
        links.create_veth("veth01", "eth0", bridge=5, netns=9, mtu=1400, mac=MAC, group=77),
        rtnl.RTM_NEWLINK,
        CREATE,
        link(
            ("IFLA_IFNAME", "veth01"),
            ("IFLA_MTU", 1400),
            ("IFLA_MASTER", 5),
            ("IFLA_GROUP", 77),
            info(
                "veth",
                (
                    "VETH_INFO_PEER",
                    nested(
                        ("IFLA_IFNAME", "eth0"),
                        ("IFLA_ADDRESS", MAC_TEXT),
                        ("IFLA_MTU", 1400),
                        ("IFLA_NET_NS_FD", 9),
                    ),
                ),
            ),
            flags=ifinfmsg.IFF_UP,
            change=ifinfmsg.IFF_UP,
        ),
    ),
    "set port": (
        links.set_port("veth01", hairpin=True, isolated=False, alias="cni-bridge a/b/eth0"),
        rtnl.RTM_NEWLINK,
        0,
        link(
            ("IFLA_IFNAME", "veth01"),
            (
                "IFLA_LINKINFO",
                nested(
                    ("IFLA_INFO_SLAVE_KIND", "bridge"),
                    (
                        "IFLA_INFO_SLAVE_DATA",
                        nested(("IFLA_BRPORT_MODE", 1), ("IFLA_BRPORT_ISOLATED", 0)),
                    ),
                ),
            ),
            ("IFLA_IFALIAS", "cni-bridge a/b/eth0"),
        ),
    ),
    "set up": (links.set_up(4), rtnl.RTM_NEWLINK, 0, link(index=4, flags=1, change=1)),
    "set down": (links.set_up(4, False), rtnl.RTM_NEWLINK, 0, link(index=4, flags=0, change=1)),
    "set promiscuous": (
        links.set_promiscuous("cni0"),
        rtnl.RTM_NEWLINK,
        0,
        link(
            ("IFLA_IFNAME", "cni0"),
            flags=ifinfmsg.IFF_PROMISC,
            change=ifinfmsg.IFF_PROMISC,
        ),
    ),
    "set not promiscuous": (
        links.set_promiscuous(4, False),
        rtnl.RTM_NEWLINK,
        0,
        link(index=4, change=ifinfmsg.IFF_PROMISC),
    ),
    "set MAC": (
        links.set_mac(4, MAC),
        rtnl.RTM_NEWLINK,
        0,
        link(("IFLA_ADDRESS", MAC_TEXT), index=4),
    ),
    "delete by name": (
        links.delete("veth01"),
        rtnl.RTM_DELLINK,
        0,
        link(("IFLA_IFNAME", "veth01")),
    ),
    "delete by index": (links.delete(4), rtnl.RTM_DELLINK, 0, link(index=4)),
    "set alias": (
        links.set_alias(4, "cni-bridge net/c/eth0"),
        rtnl.RTM_NEWLINK,
        0,
        link(("IFLA_IFALIAS", "cni-bridge net/c/eth0"), index=4),
    ),
    "move": (
        links.move(4, "eth0", 9, mtu=1400, mac=MAC),
        rtnl.RTM_NEWLINK,
        0,
        link(
            ("IFLA_IFNAME", "eth0"),
            ("IFLA_NET_NS_FD", 9),
            ("IFLA_MTU", 1400),
            ("IFLA_ADDRESS", MAC_TEXT),
            index=4,
        ),
    ),
    "set master": (links.set_master(4, 5), rtnl.RTM_NEWLINK, 0, link(("IFLA_MASTER", 5), index=4)),
    "filter VLANs": (
        links.filter_vlans(4),
        rtnl.RTM_NEWLINK,
        0,
        link(info("bridge", ("IFLA_BR_VLAN_FILTERING", 1)), index=4),
    ),
    "create veth with both ends here": (
        links.create_veth("veth01", "cni0.100", bridge=5, netns=None, mtu=0),
        rtnl.RTM_NEWLINK,
        CREATE,
        link(
            ("IFLA_IFNAME", "veth01"),
            ("IFLA_MASTER", 5),
            info("veth", ("VETH_INFO_PEER", nested(("IFLA_IFNAME", "cni0.100")))),
            flags=ifinfmsg.IFF_UP,
            change=ifinfmsg.IFF_UP,
        ),
    ),
}


@pytest.mark.parametrize("name", REQUESTS)
def test_a_request_has_the_bytes_that_pyroute2_makes(name: str) -> None:
    request, kind, flags, body = REQUESTS[name]
    assert request == Request(what=request.what, kind=kind, flags=flags, body=body)


def test_a_request_says_to_people_what_it_does() -> None:
    assert links.set_up("cni0").what == "set interface cni0 up"
    assert links.set_mac(4, MAC).what == f"set MAC {MAC_TEXT} on interface 4"


def test_a_bridge_port_is_understood() -> None:
    port = ("IFLA_BRPORT_STATE", 3), ("IFLA_BRPORT_MODE", 1), ("IFLA_BRPORT_ISOLATED", 1)
    payload = link(
        ("IFLA_IFNAME", "veth01"),
        ("IFLA_ADDRESS", MAC_TEXT),
        ("IFLA_MTU", 1500),
        ("IFLA_LINK", 2),
        ("IFLA_MASTER", 5),
        ("IFLA_OPERSTATE", "UP"),
        (
            "IFLA_LINKINFO",
            nested(
                ("IFLA_INFO_KIND", "veth"),
                ("IFLA_INFO_SLAVE_KIND", "bridge"),
                ("IFLA_INFO_SLAVE_DATA", nested(*port)),
            ),
        ),
        ("IFLA_IFALIAS", "whose it is"),
        ("IFLA_GROUP", 7),
        ("IFLA_LINK_NETNSID", 0),
        index=6,
        flags=ifinfmsg.IFF_UP,
    )
    veth = links.parse(payload)
    assert (veth.index, veth.name, veth.kind) == (6, "veth01", "veth")
    assert (veth.mtu, veth.mac, veth.alias, veth.group) == (1500, MAC_TEXT, "whose it is", 7)
    assert (veth.is_up, veth.is_promiscuous) == (True, False)
    assert (veth.operstate, veth.master) == (messages.IF_OPER_UP, 5)
    assert (veth.peer, veth.peer_netns) == (2, 0)
    state = links.BR_STATE_FORWARDING
    assert veth.port == links.BridgePort(state=state, hairpin=True, isolated=True)
    assert (veth.filters_vlans, veth.forward_delay) == (False, 0)


def test_a_bridge_is_understood() -> None:
    payload = link(
        ("IFLA_IFNAME", "cni0"),
        info("bridge", ("IFLA_BR_VLAN_FILTERING", 1)),
        index=5,
        flags=ifinfmsg.IFF_PROMISC,
    )
    bridge = links.parse(payload)
    assert (bridge.kind, bridge.filters_vlans, bridge.is_promiscuous) == ("bridge", True, True)
    assert (bridge.is_up, bridge.port, bridge.peer_netns) == (False, None, None)


def test_a_veth_with_a_number_where_bridges_keep_vlan_filtering_is_no_vlan_filter() -> None:
    payload = link(info("macvlan", ("IFLA_MACVLAN_MACADDR_COUNT", 1)))
    assert not links.parse(payload).filters_vlans
