"""Which messages, attributes and constants of netlink are written down as tables, by pyroute2's names.

Data only; `generate_messages` knows what to do with it.
"""

from types import ModuleType
from typing import Any, NamedTuple

from pyroute2 import netlink
from pyroute2.netlink import nlmsgerr, rtnl
from pyroute2.netlink.nfnetlink import nfctsocket, nftsocket
from pyroute2.netlink.rtnl import ifaddrmsg, ifinfmsg, ndmsg, nsidmsg, rtmsg, tcmsg
from pyroute2.netlink.rtnl.ifinfmsg.plugins.vxlan import vxlan
from pyroute2.netlink.rtnl.tcmsg import act_mirred, act_police, cls_u32, common_act, sched_tbf

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
    (
        netlink,
        "NLM_F_REQUEST NLM_F_ACK NLM_F_DUMP_INTR NLM_F_DUMP NLM_F_EXCL NLM_F_CREATE NLM_F_APPEND",
    ),
    (netlink, "NLM_F_ACK_TLVS NLM_F_ECHO NLMSG_ERROR NLMSG_DONE"),
    (rtnl, "RTMGRP_LINK RTMGRP_IPV6_IFADDR RTM_NEWLINK RTM_DELLINK RTM_GETLINK RTM_SETLINK"),
    (rtnl, "RTM_NEWADDR RTM_DELADDR RTM_GETADDR RTM_NEWROUTE RTM_GETROUTE RTM_GETNSID"),
    (rtnl, "RTM_NEWQDISC RTM_GETQDISC RTM_NEWTFILTER RTM_GETTFILTER RTM_NEWACTION"),
    (rtnl, "TC_H_ROOT TC_H_INGRESS"),
    (ifinfmsg, "IFF_UP IFF_PROMISC IFF_ALLMULTI"),
    (ifinfmsg, "BRIDGE_VLAN_INFO_PVID BRIDGE_VLAN_INFO_UNTAGGED"),
    (ifinfmsg, "BRIDGE_VLAN_INFO_RANGE_BEGIN BRIDGE_VLAN_INFO_RANGE_END"),
    (ifaddrmsg, "IFA_F_NODAD IFA_F_DADFAILED IFA_F_PERMANENT IFA_F_TENTATIVE"),
)

NAMED_VALUES: Named = (
    (rtnl.rtypes, "RTN_UNICAST"),
    (rtnl.rtprotos, "RTPROT_BOOT RTPROT_RA"),
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
    ("NAMESPACE", nsidmsg.nsidmsg, "NETNSA_NSID NETNSA_FD"),
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
        "IFLA_BR_FORWARD_DELAY IFLA_BR_VLAN_FILTERING IFLA_BR_VLAN_PROTOCOL "
        "IFLA_BR_VLAN_DEFAULT_PVID",
    ),
    (
        "BRIDGE_PORT",
        LINKINFO.bridge_slave_data,
        "IFLA_BRPORT_STATE IFLA_BRPORT_MODE IFLA_BRPORT_GROUP_FWD_MASK IFLA_BRPORT_ISOLATED",
    ),
    ("BRIDGE_SPEC", ifinfmsg.ifinfmsg.af_spec_bridge, "IFLA_BRIDGE_VLAN_INFO"),
    ("SPEC6", ifinfmsg.ifinfmsg.af_spec_inet.inet6, "IFLA_INET6_ADDR_GEN_MODE"),
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
    (
        nfctsocket,
        "FILTER_FLAG_CTA_IP_SRC FILTER_FLAG_CTA_PROTO_NUM FILTER_FLAG_CTA_PROTO_DST_PORT",
    ),
)

EXPRESSION = nftsocket.nft_rule_msg.nft_expr
ELEMENT = nftsocket.nft_set_elem_list_msg.set_elem
TUPLE = nfctsocket.nfct_msg.cta_tuple

NETFILTER_MESSAGES: Tables = (
    ("TABLE", nftsocket.nft_table_msg, "NFTA_TABLE_NAME NFTA_TABLE_FLAGS NFTA_TABLE_HANDLE"),
    ("GENERATION", nftsocket.nft_gen_msg, "NFTA_GEN_ID"),
    (
        "CHAIN",
        nftsocket.nft_chain_msg,
        "NFTA_CHAIN_TABLE NFTA_CHAIN_NAME NFTA_CHAIN_HOOK NFTA_CHAIN_POLICY",
    ),
    (
        "RULE",
        nftsocket.nft_rule_msg,
        "NFTA_RULE_TABLE NFTA_RULE_CHAIN NFTA_RULE_HANDLE NFTA_RULE_EXPRESSIONS NFTA_RULE_POSITION",
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
    ("VERDICT", nftsocket.nft_data.nfta_data.verdict, "NFTA_VERDICT_CODE NFTA_VERDICT_CHAIN"),
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

CLUSTER_CONSTANTS: Constants = (
    (netlink, "NLM_F_REPLACE"),
    (rtnl, "RTM_DELROUTE RTM_NEWNEIGH RTM_DELNEIGH RTM_GETNEIGH"),
    (rtmsg, "RTNH_F_ONLINK"),
    (ndmsg, "NTF_SELF NUD_PERMANENT"),
)

CLUSTER_NAMED_VALUES: Named = ((rtnl.rtypes, "RTN_UNREACHABLE RTN_MULTICAST"),)

CLUSTER_MESSAGES: Tables = (
    ("NEIGHBOUR", ndmsg.ndmsg, "NDA_DST NDA_LLADDR NDA_IFINDEX"),
    (
        "ROUTE",
        rtmsg.rtmsg,
        "RTA_DST RTA_OIF RTA_GATEWAY RTA_PRIORITY RTA_METRICS RTA_TABLE RTA_VIA",
    ),
)

CLUSTER_NESTED: Tables = (
    (
        "VXLAN",
        vxlan,
        "IFLA_VXLAN_ID IFLA_VXLAN_LOCAL IFLA_VXLAN_LEARNING IFLA_VXLAN_PORT IFLA_VXLAN_LOCAL6",
    ),
)

PEOPLE_CONSTANTS: Constants = ((ndmsg, "NUD_NOARP NUD_INCOMPLETE NUD_FAILED"),)

PEOPLE_NAMED_VALUES: Named = ((rtnl.rtypes, "RTN_LOCAL"),)

PEOPLE_MESSAGES: Tables = (
    ("LINK", ifinfmsg.ifinfmsg, "IFLA_LINKINFO IFLA_STATS64 IFLA_CARRIER"),
    ("ROUTE", rtmsg.rtmsg, "RTA_DST RTA_SRC RTA_IIF RTA_OIF RTA_GATEWAY RTA_PREFSRC"),
)

PEOPLE_NESTED: Tables = (
    ("LINKINFO", LINKINFO, "IFLA_INFO_KIND IFLA_INFO_DATA"),
    ("BRIDGE", LINKINFO.bridge_data, "IFLA_BR_STP_STATE"),
)
