"""Requests about traffic control have pyroute2's bytes; what pyroute2 encodes is understood."""

from typing import Any

import pytest
from pyroute2.netlink import rtnl
from pyroute2.netlink.rtnl.tcmsg import act_mirred, act_police, common, sched_tbf, tcmsg

from cni_bridge.kernel import shaping
from cni_bridge.kernel.netlink import Request
from tests.unit.kernel.oracle import HEADER_SIZE, Attribute, link, nested

CREATE = 0x600  # NLM_F_CREATE | NLM_F_EXCL
ECHO = 0x8
INGRESS = 0xFFFF0000
RATE = {"rate_cell_log": 3, "rate___reserved": 1, "rate": 125_000}  # 1: LINKLAYER_ETHERNET
TABLE_SIZE = 1024


class NewerTbf(sched_tbf.options):
    """With the attributes that linux/pkt_sched.h has and pyroute2 lacks."""

    nla_map = (  # type: ignore[assignment] # pyroute2 has no types
        *sched_tbf.options.nla_map,
        ("TCA_TBF_RATE64", "uint64"),
        ("TCA_TBF_PRATE64", "uint64"),
        ("TCA_TBF_BURST", "uint32"),
    )


@pytest.fixture(autouse=True)
def pyroute2_as_we_want_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sched_tbf, "options", NewerTbf)
    monkeypatch.setattr(act_mirred.options, "nla_flags", 0)  # we set NLA_F_NESTED nowhere


def traffic(*attributes: Attribute, **header: int) -> bytes:
    """Return the body of an RTM_*QDISC or RTM_*TFILTER message."""
    cls: Any = tcmsg
    message = cls()
    for name, value in header.items():
        message[name] = value
    message["attrs"] = list(attributes)
    message.encode()
    return bytes(message.data[HEADER_SIZE:])


def bucket(parms: dict[str, int], *more: Attribute) -> bytes:
    options = nested(("TCA_TBF_PARMS", parms), *more)
    return traffic(
        ("TCA_KIND", "tbf"),
        ("TCA_OPTIONS", options),
        index=4,
        handle=0x10000,
        parent=rtnl.TC_H_ROOT,
    )


def catch_all(kind: str, *options: Attribute) -> bytes:
    action = nested(("TCA_ACT_KIND", kind), ("TCA_ACT_OPTIONS", nested(*options)))
    return traffic(
        ("TCA_KIND", "u32"),
        (
            "TCA_OPTIONS",
            nested(
                ("TCA_U32_ACT", nested(("TCA_ACT_PRIO_1", action))),
                ("TCA_U32_SEL", {"keys": []}),
            ),
        ),
        index=4,
        parent=INGRESS,
        info=0x00010300,
    )


def mirred() -> bytes:
    parms = {"action": common.tc_actions["stolen"], "eaction": 1, "ifindex": 9}
    return catch_all("mirred", ("TCA_MIRRED_PARMS", parms))


def police() -> bytes:
    ticks = 200_000 * 10**9 // 125_000 // 64
    parms = {"action": act_police.actions["drop"], "burst": ticks, "mtu": 0xFFFFFFFF, **RATE}
    return catch_all("police", ("TCA_POLICE_TBF", parms), ("TCA_POLICE_RATE", True))


def without_table(body: bytes) -> bytes:
    """With zeros for the table of transmission times, which comes before the 20 bytes at the end."""
    return body[: -TABLE_SIZE - 20] + bytes(TABLE_SIZE) + body[-20:]


def test_a_token_bucket_has_the_bytes_that_pyroute2_makes() -> None:
    parms = {**RATE, "limit": 13_125, "buffer": 10_000 * 8000 // 64}
    assert shaping.add_bucket(4, rate=125_000, burst=10_000, limit=13_125) == Request(
        what="limit what interface 4 sends to 125000 bytes per second",
        kind=rtnl.RTM_NEWQDISC,
        flags=CREATE,
        body=bucket(parms, ("TCA_TBF_BURST", 10_000)),
    )


def test_a_rate_beyond_32_bits_has_an_attribute_of_its_own() -> None:
    parms = {**RATE, "rate": 0xFFFFFFFF, "limit": 5, "buffer": 10**4 * 10**9 // 2**33 // 64}
    request = shaping.add_bucket(4, rate=1 << 33, burst=10_000, limit=5)
    wanted = bucket(parms, ("TCA_TBF_RATE64", 1 << 33), ("TCA_TBF_BURST", 10_000))
    assert request.body == wanted
    assert shaping.parse_bucket(wanted) == shaping.Bucket(rate=1 << 33, limit=5)


def assert_is(request: Request, kind: int, flags: int, body: bytes) -> None:
    assert request == Request(what=request.what, kind=kind, flags=flags, body=body)


def test_filters_have_the_bytes_that_pyroute2_makes() -> None:
    ingress = traffic(("TCA_KIND", "ingress"), index=4, handle=INGRESS, parent=rtnl.TC_H_INGRESS)
    assert_is(shaping.add_ingress(4), rtnl.RTM_NEWQDISC, CREATE, ingress)
    assert_is(shaping.redirect(4, 9), rtnl.RTM_NEWTFILTER, CREATE, mirred())
    request = shaping.police(4, rate=125_000, burst=200_000)
    assert_is(request, rtnl.RTM_NEWTFILTER, CREATE, without_table(police()))


def test_an_ifb_has_the_bytes_that_pyroute2_makes_and_its_probe_has_too_many_queues() -> None:
    name = ("IFLA_IFNAME", "ifb-1")
    kind = ("IFLA_LINKINFO", nested(("IFLA_INFO_KIND", "ifb")))
    made = link(name, ("IFLA_MTU", 1400), kind, flags=1, change=1)
    assert_is(shaping.create_ifb("ifb-1", 1400), rtnl.RTM_NEWLINK, CREATE, made)
    probed = link(name, ("IFLA_NUM_TX_QUEUES", 4097), kind, flags=1, change=1)
    assert_is(shaping.probe_ifb("ifb-1"), rtnl.RTM_NEWLINK, CREATE, probed)


def test_questions_have_the_bytes_that_pyroute2_makes() -> None:
    root = traffic(index=4, parent=rtnl.TC_H_ROOT)
    assert_is(shaping.get_root(4), rtnl.RTM_GETQDISC, ECHO, root)
    assert_is(shaping.filters(4), rtnl.RTM_GETTFILTER, 0, traffic(index=4, parent=INGRESS))
    probe = traffic(("TCA_KIND", "tbf"), index=1, parent=rtnl.TC_H_ROOT)
    assert_is(shaping.probe_qdisc("tbf"), rtnl.RTM_NEWQDISC, CREATE, probe)


def test_a_probe_for_an_action_names_its_kind_alone() -> None:
    """pyroute2 has no message for actions by themselves; the bytes are those of `tc actions`."""
    request = shaping.probe_action("police")
    kind = b"\x0b\0\x01\0police\0\0"  # TCA_ACT_KIND
    assert request.kind == rtnl.RTM_NEWACTION
    assert request.body == bytes(4) + b"\x14\0\x01\0" + b"\x10\0\x01\0" + kind


def test_other_disciplines_are_no_bucket() -> None:
    other = traffic(("TCA_KIND", "pfifo_fast"), index=4, parent=rtnl.TC_H_ROOT)
    assert shaping.parse_bucket(other) is None


def test_what_filters_do_is_understood() -> None:
    assert shaping.parse_filter(mirred()) == shaping.Action(kind="mirred", target=9)
    assert shaping.parse_filter(police()) == shaping.Action(kind="police", rate=125_000)
    other = traffic(("TCA_KIND", "u32"), index=4, parent=INGRESS)
    assert shaping.parse_filter(other) is None
