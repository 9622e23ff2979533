"""Writes `kernel/messages.py` and `kernel/nfmessages.py`: what pyroute2 knows, as plain tables.

Only the attributes and constants named here are taken; nothing here knows a number.
"""

import sys
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

from pyroute2 import netlink
from pyroute2.netlink import nlmsg, nlmsgerr, rtnl
from pyroute2.netlink.nfnetlink import nfctsocket, nfgen_msg, nftsocket
from pyroute2.netlink.rtnl import ifaddrmsg, ifinfmsg, rtmsg, tcmsg
from pyroute2.netlink.rtnl.tcmsg import act_mirred, act_police, cls_u32, common_act, sched_tbf

KERNEL = Path(__file__).parent.parent / "cni_bridge" / "kernel"

PREAMBLE = '''\
"""{title} as tables: header formats, attribute numbers and their kinds, constants.

Generated from pyroute2 by `make generate`; not to be edited, and nothing may be computed here.
"""

TYPE_CHECKING = False

if TYPE_CHECKING:
    from cni_bridge.kernel.netlink import Message, Table
'''

Class = Any  # a pyroute2 message or attribute class; pyroute2 has no types
Constants = tuple[tuple[ModuleType, str], ...]
Named = tuple[tuple[dict[str, int], str], ...]
Tables = tuple[tuple[str, Class, str], ...]


class Module(NamedTuple):
    """One module to generate."""

    title: str
    header: tuple[str, Class]
    constants: Constants
    named_values: Named
    messages: Tables
    nested: Tables


CONSTANTS: Constants = (
    (netlink, "NETLINK_ROUTE SOL_NETLINK NETLINK_EXT_ACK NETLINK_GET_STRICT_CHK"),
    (netlink, "NLM_F_REQUEST NLM_F_ACK NLM_F_DUMP_INTR NLM_F_DUMP NLM_F_EXCL NLM_F_CREATE"),
    (netlink, "NLM_F_ACK_TLVS NLM_F_ECHO NLMSG_ERROR NLMSG_DONE"),
    (rtnl, "RTMGRP_LINK RTMGRP_IPV6_IFADDR RTM_NEWLINK RTM_DELLINK RTM_GETLINK RTM_SETLINK"),
    (rtnl, "RTM_NEWADDR RTM_DELADDR RTM_GETADDR RTM_NEWROUTE RTM_GETROUTE"),
    (rtnl, "RTM_NEWQDISC RTM_GETQDISC RTM_NEWTFILTER RTM_GETTFILTER RTM_NEWACTION"),
    (rtnl, "TC_H_ROOT TC_H_INGRESS"),
    (ifinfmsg, "IFF_UP IFF_PROMISC IFF_ALLMULTI"),
    (ifinfmsg, "BRIDGE_VLAN_INFO_PVID BRIDGE_VLAN_INFO_UNTAGGED"),
    (ifinfmsg, "BRIDGE_VLAN_INFO_RANGE_BEGIN BRIDGE_VLAN_INFO_RANGE_END"),
    (ifaddrmsg, "IFA_F_NODAD IFA_F_DADFAILED IFA_F_TENTATIVE"),
)

NAMED_VALUES: Named = (
    (rtnl.rtypes, "RTN_UNICAST"),
    (rtnl.rtprotos, "RTPROT_BOOT"),
    (
        {f"IF_OPER_{name}": value for value, name in enumerate(ifinfmsg.states)},
        "IF_OPER_UP IF_OPER_UNKNOWN",
    ),
)

LINKINFO = ifinfmsg.ifinfmsg.ifinfo

MESSAGES: Tables = (
    ("ERROR", nlmsgerr, "NLMSGERR_ATTR_MSG"),
    (
        "LINK",
        ifinfmsg.ifinfmsg,
        "IFLA_ADDRESS IFLA_IFNAME IFLA_MTU IFLA_LINK IFLA_MASTER IFLA_OPERSTATE IFLA_LINKINFO "
        "IFLA_IFALIAS IFLA_AF_SPEC IFLA_GROUP IFLA_NET_NS_FD IFLA_EXT_MASK IFLA_LINK_NETNSID "
        "IFLA_TXQLEN IFLA_NUM_TX_QUEUES",
    ),
    (
        "ADDRESS",
        ifaddrmsg.ifaddrmsg,
        "IFA_ADDRESS IFA_LOCAL IFA_BROADCAST IFA_FLAGS",
    ),
    (
        "ROUTE",
        rtmsg.rtmsg,
        "RTA_DST RTA_OIF RTA_GATEWAY RTA_PRIORITY RTA_METRICS RTA_MULTIPATH RTA_TABLE",
    ),
    ("TRAFFIC", tcmsg.tcmsg, "TCA_KIND TCA_OPTIONS"),
)

NESTED: Tables = (
    (
        "LINKINFO",
        LINKINFO,
        "IFLA_INFO_KIND IFLA_INFO_DATA IFLA_INFO_SLAVE_KIND IFLA_INFO_SLAVE_DATA",
    ),
    ("VETH", LINKINFO.veth_data, "VETH_INFO_PEER"),
    (
        "BRIDGE",
        LINKINFO.bridge_data,
        "IFLA_BR_VLAN_FILTERING IFLA_BR_VLAN_PROTOCOL IFLA_BR_VLAN_DEFAULT_PVID",
    ),
    (
        "BRIDGE_PORT",
        LINKINFO.bridge_slave_data,
        "IFLA_BRPORT_STATE IFLA_BRPORT_MODE IFLA_BRPORT_ISOLATED",
    ),
    ("BRIDGE_SPEC", ifinfmsg.ifinfmsg.af_spec_bridge, "IFLA_BRIDGE_VLAN_INFO"),
    ("METRICS", rtmsg.rtmsg.metrics, "RTAX_MTU RTAX_ADVMSS"),
    ("TBF", sched_tbf.options, "TCA_TBF_PARMS"),
    ("U32", cls_u32.options, "TCA_U32_SEL TCA_U32_ACT"),
    ("ACTIONS", common_act.tca_act_prio, "TCA_ACT_PRIO_1"),
    ("ACTION", common_act.tca_act_prio.tca_act, "TCA_ACT_KIND TCA_ACT_OPTIONS"),
    ("MIRRED", act_mirred.options, "TCA_MIRRED_PARMS"),
    ("POLICE", act_police.options, "TCA_POLICE_TBF TCA_POLICE_RATE"),
)

NETFILTER_CONSTANTS: Constants = (
    (netlink, "NETLINK_NETFILTER"),
    (nftsocket, "NFNL_SUBSYS_NFTABLES NFT_MSG_GETTABLE NFT_MSG_GETCHAIN NFT_MSG_NEWRULE"),
    (nftsocket, "NFT_MSG_GETRULE NFT_MSG_DELRULE NFT_MSG_GETGEN"),
    (nftsocket, "NFT_MSG_NEWSETELEM NFT_MSG_GETSETELEM NFT_MSG_DELSETELEM"),
    (nfctsocket, "NFNL_SUBSYS_CTNETLINK IPCTNL_MSG_CT_GET IPCTNL_MSG_CT_DELETE"),
    (nfctsocket, "FILTER_FLAG_CTA_PROTO_NUM FILTER_FLAG_CTA_PROTO_DST_PORT"),
)

EXPRESSION = nftsocket.nft_rule_msg.nft_expr
ELEMENT = nftsocket.nft_set_elem_list_msg.set_elem
TUPLE = nfctsocket.nfct_msg.cta_tuple

NETFILTER_MESSAGES: Tables = (
    ("TABLE", nftsocket.nft_table_msg, "NFTA_TABLE_NAME NFTA_TABLE_HANDLE"),
    ("GENERATION", nftsocket.nft_gen_msg, "NFTA_GEN_ID"),
    (
        "CHAIN",
        nftsocket.nft_chain_msg,
        "NFTA_CHAIN_TABLE NFTA_CHAIN_NAME NFTA_CHAIN_HOOK NFTA_CHAIN_POLICY",
    ),
    (
        "RULE",
        nftsocket.nft_rule_msg,
        "NFTA_RULE_TABLE NFTA_RULE_CHAIN NFTA_RULE_HANDLE NFTA_RULE_EXPRESSIONS",
    ),
    (
        "ELEMENTS",
        nftsocket.nft_set_elem_list_msg,
        "NFTA_SET_ELEM_LIST_TABLE NFTA_SET_ELEM_LIST_SET NFTA_SET_ELEM_LIST_ELEMENTS",
    ),
    (
        "CONNECTION",
        nfctsocket.nfct_msg,
        "CTA_TUPLE_ORIG CTA_TUPLE_REPLY CTA_ZONE CTA_FILTER",
    ),
)

NETFILTER_NESTED: Tables = (
    ("ELEMENT", ELEMENT, "NFTA_SET_ELEM_KEY NFTA_SET_ELEM_DATA NFTA_SET_ELEM_KEY_END"),
    ("ELEMENT_DATA", ELEMENT.data_attributes, "NFTA_DATA_VALUE NFTA_DATA_VERDICT"),
    ("HOOK", nftsocket.nft_chain_msg.hook, "NFTA_HOOK_HOOKNUM"),
    ("EXPRESSION", EXPRESSION, "NFTA_EXPR_NAME NFTA_EXPR_DATA"),
    ("META", EXPRESSION.nft_meta, "NFTA_META_DREG NFTA_META_KEY"),
    (
        "BITWISE",
        EXPRESSION.nft_bitwise,
        "NFTA_BITWISE_SREG NFTA_BITWISE_DREG NFTA_BITWISE_LEN NFTA_BITWISE_MASK NFTA_BITWISE_XOR",
    ),
    ("COMPARISON", EXPRESSION.nft_cmp, "NFTA_CMP_SREG NFTA_CMP_OP NFTA_CMP_DATA"),
    ("IMMEDIATE", EXPRESSION.nft_immediate, "NFTA_IMMEDIATE_DREG NFTA_IMMEDIATE_DATA"),
    ("VERDICT", nftsocket.nft_data.nfta_data.verdict, "NFTA_VERDICT_CODE"),
    ("CONNECTION_TUPLE", TUPLE, "CTA_TUPLE_IP CTA_TUPLE_PROTO"),
    (
        "CONNECTION_IP",
        TUPLE.cta_ip,
        "CTA_IP_V4_SRC CTA_IP_V4_DST CTA_IP_V6_SRC CTA_IP_V6_DST",
    ),
    ("CONNECTION_PROTO", TUPLE.cta_proto, "CTA_PROTO_NUM CTA_PROTO_DST_PORT"),
    (
        "CONNECTION_FILTER",
        nfctsocket.nfct_msg.cta_filter,
        "CTA_FILTER_ORIG_FLAGS CTA_FILTER_REPLY_FLAGS",
    ),
)

MODULES = {
    KERNEL / "messages.py": Module(
        "Netlink", ("NLMSG_HEADER", nlmsg.header), CONSTANTS, NAMED_VALUES, MESSAGES, NESTED
    ),
    KERNEL / "nfmessages.py": Module(
        "Netfilter's netlink",
        ("NFGENMSG", nfgen_msg.fields),
        NETFILTER_CONSTANTS,
        (),
        NETFILTER_MESSAGES,
        NETFILTER_NESTED,
    ),
}

TEXT = {"asciiz"}
RAW = {"l2addr", "lladdr", "ipaddr", "ip4addr", "ip6addr", "target", "binary", "*get_nh"}
RAW |= {"rtab", "u32_sel"}  # u32_sel: mixed byte orders


def main() -> int:
    """`--check` compares instead of writing, and fails when a file is stale."""
    if "--check" in sys.argv[1:]:
        return int(any(target.read_text() != source(target) for target in MODULES))
    for target in MODULES:
        target.write_text(source(target))
    return 0


def source(target: Path) -> str:
    """The text of a generated module, formatted as ruff would."""
    module = MODULES[target]
    numbers = dict(_constants(module))
    tables = []
    for title, cls, wanted in module.messages:
        rows = _rows(cls, wanted, numbers)
        tables.append(
            f'{title}: "Message" = (\n    "{_format(cls.fields)}",\n{_table(rows, 1)},\n)\n'
        )
    for title, cls, wanted in module.nested:
        rows = _rows(cls, wanted, numbers)
        tables.append(f'{title}: "Table" = {_table(rows, 0)}\n')
    assignments = "".join(f"{name} = {value}\n" for name, value in numbers.items())
    name, fields = module.header
    header = f'{name} = "{_format(fields)}"\n'
    preamble = PREAMBLE.format(title=module.title)
    return "\n".join((preamble, header + assignments, "".join(tables)))


def _constants(module: Module) -> list[tuple[str, int]]:
    taken = [
        (name, getattr(holder, name))
        for holder, names in module.constants
        for name in names.split()
    ]
    taken += [
        (name, values[name]) for values, names in module.named_values for name in names.split()
    ]
    return taken


def _rows(cls: Class, wanted: str, numbers: dict[str, int]) -> list[tuple[str, str]]:
    """Name and kind of each wanted attribute; their numbers go to `numbers`."""
    known = _attributes(cls)
    rows = []
    for name in wanted.split():
        number, kind = known[name]
        numbers[name] = number
        rows.append((name, _kind(cls, kind)))
    return rows


def _attributes(cls: Class) -> dict[str, tuple[int, str]]:
    """Number and pyroute2's kind by name; rows without numbers count from zero."""
    numbered = [
        row if isinstance(row[0], int) else (position, *row)
        for position, row in enumerate(cls.nla_map)
    ]
    return {row[1]: (row[0], row[2]) for row in numbered}


def _kind(cls: Class, kind: str) -> str:
    """A struct format; or `text`, `bytes`, `nested` (its table may depend on other attributes)."""
    if kind in TEXT:
        return "text"
    if kind.startswith("*"):  # a list of attributes
        return "nested"
    if kind in RAW:
        return "bytes"
    known: Class = getattr(cls, kind)
    is_one_class = isinstance(known, type)
    return _format(known.fields) if is_one_class and not known.nla_map else "nested"


def _format(fields: tuple[tuple[str, str], ...]) -> str:
    """One struct format; network byte order for all if for one: the others are single bytes."""
    codes = "".join(code for _, code in fields)
    plain = codes.replace("!", "").replace(">", "")
    return codes if codes == plain else f">{plain}"


def _table(rows: list[tuple[str, str]], depth: int) -> str:
    indent = "    " * depth
    lines = "".join(f'{indent}    {name}: "{kind}",\n' for name, kind in rows)
    return f"{indent}{{\n{lines}{indent}}}"


if __name__ == "__main__":
    sys.exit(main())
