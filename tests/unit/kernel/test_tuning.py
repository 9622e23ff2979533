"""The request that tunes an interface has pyroute2's bytes; its answers are understood."""

from pyroute2.netlink import rtnl
from pyroute2.netlink.rtnl import ifinfmsg

from cni_bridge.kernel import tuning
from cni_bridge.kernel.netlink import Request
from tests.unit.kernel.oracle import link

BOTH = ifinfmsg.IFF_PROMISC | ifinfmsg.IFF_ALLMULTI


def test_everything_is_set_at_once() -> None:
    assert tuning.change("eth0", promisc=True, allmulti=False, tx_queue_length=0) == Request(
        what="tune interface eth0: promisc True, allmulti False, txQLen 0",
        kind=rtnl.RTM_NEWLINK,
        body=link(
            ("IFLA_IFNAME", "eth0"),
            ("IFLA_TXQLEN", 0),
            flags=ifinfmsg.IFF_PROMISC,
            change=BOTH,
        ),
    )


def test_what_is_none_is_left_alone() -> None:
    request = tuning.change("eth0", promisc=None, allmulti=True, tx_queue_length=None)
    flags = ifinfmsg.IFF_ALLMULTI
    assert request.body == link(("IFLA_IFNAME", "eth0"), flags=flags, change=flags)


def test_the_settings_of_an_interface_are_understood() -> None:
    payload = link(("IFLA_TXQLEN", 77), index=2, flags=ifinfmsg.IFF_ALLMULTI | ifinfmsg.IFF_UP)
    assert tuning.parse(payload) == tuning.TunedSettings(
        promisc=False, allmulti=True, tx_queue_length=77
    )
