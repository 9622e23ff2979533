"""Netfilter's netlink as tables: header formats, attribute numbers and their kinds, constants.

Generated from pyroute2 by `make generate`; not to be edited, and nothing may be computed here.
"""

TYPE_CHECKING = False

if TYPE_CHECKING:
    from cni_bridge.kernel.netlink import Message, Table

NFGENMSG = ">BBH"
NETLINK_NETFILTER = 12
NFNL_SUBSYS_NFTABLES = 10
NFT_MSG_GETTABLE = 1
NFT_MSG_GETCHAIN = 4
NFT_MSG_NEWRULE = 6
NFT_MSG_GETRULE = 7
NFT_MSG_DELRULE = 8
NFT_MSG_GETGEN = 16
NFT_MSG_NEWSETELEM = 12
NFT_MSG_GETSETELEM = 13
NFT_MSG_DELSETELEM = 14
NFNL_SUBSYS_CTNETLINK = 1
IPCTNL_MSG_CT_GET = 1
IPCTNL_MSG_CT_DELETE = 2
FILTER_FLAG_CTA_IP_SRC = 1
FILTER_FLAG_CTA_PROTO_NUM = 8
FILTER_FLAG_CTA_PROTO_DST_PORT = 32
NFTA_TABLE_NAME = 1
NFTA_TABLE_FLAGS = 2
NFTA_TABLE_HANDLE = 4
NFTA_GEN_ID = 1
NFTA_CHAIN_TABLE = 1
NFTA_CHAIN_NAME = 3
NFTA_CHAIN_HOOK = 4
NFTA_CHAIN_POLICY = 5
NFTA_RULE_TABLE = 1
NFTA_RULE_CHAIN = 2
NFTA_RULE_HANDLE = 3
NFTA_RULE_EXPRESSIONS = 4
NFTA_SET_ELEM_LIST_TABLE = 1
NFTA_SET_ELEM_LIST_SET = 2
NFTA_SET_ELEM_LIST_ELEMENTS = 3
CTA_TUPLE_ORIG = 1
CTA_TUPLE_REPLY = 2
CTA_ZONE = 18
CTA_FILTER = 25
NFTA_SET_ELEM_KEY = 1
NFTA_SET_ELEM_DATA = 2
NFTA_SET_ELEM_KEY_END = 10
NFTA_DATA_VALUE = 1
NFTA_DATA_VERDICT = 2
NFTA_HOOK_HOOKNUM = 1
NFTA_EXPR_NAME = 1
NFTA_EXPR_DATA = 2
NFTA_META_DREG = 1
NFTA_META_KEY = 2
NFTA_BITWISE_SREG = 1
NFTA_BITWISE_DREG = 2
NFTA_BITWISE_LEN = 3
NFTA_BITWISE_MASK = 4
NFTA_BITWISE_XOR = 5
NFTA_CMP_SREG = 1
NFTA_CMP_OP = 2
NFTA_CMP_DATA = 3
NFTA_IMMEDIATE_DREG = 1
NFTA_IMMEDIATE_DATA = 2
NFTA_VERDICT_CODE = 1
CTA_TUPLE_IP = 1
CTA_TUPLE_PROTO = 2
CTA_IP_V4_SRC = 1
CTA_IP_V4_DST = 2
CTA_IP_V6_SRC = 3
CTA_IP_V6_DST = 4
CTA_PROTO_NUM = 1
CTA_PROTO_DST_PORT = 3
CTA_FILTER_ORIG_FLAGS = 1
CTA_FILTER_REPLY_FLAGS = 2

TABLE: "Message" = (
    ">BBH",
    {
        NFTA_TABLE_NAME: "text",
        NFTA_TABLE_FLAGS: ">I",
        NFTA_TABLE_HANDLE: ">Q",
    },
)
GENERATION: "Message" = (
    ">BBH",
    {
        NFTA_GEN_ID: ">I",
    },
)
CHAIN: "Message" = (
    ">BBH",
    {
        NFTA_CHAIN_TABLE: "text",
        NFTA_CHAIN_NAME: "text",
        NFTA_CHAIN_HOOK: "nested",
        NFTA_CHAIN_POLICY: ">I",
    },
)
RULE: "Message" = (
    ">BBH",
    {
        NFTA_RULE_TABLE: "text",
        NFTA_RULE_CHAIN: "text",
        NFTA_RULE_HANDLE: ">Q",
        NFTA_RULE_EXPRESSIONS: "nested",
    },
)
ELEMENTS: "Message" = (
    ">BBH",
    {
        NFTA_SET_ELEM_LIST_TABLE: "text",
        NFTA_SET_ELEM_LIST_SET: "text",
        NFTA_SET_ELEM_LIST_ELEMENTS: "nested",
    },
)
CONNECTION: "Message" = (
    ">BBH",
    {
        CTA_TUPLE_ORIG: "nested",
        CTA_TUPLE_REPLY: "nested",
        CTA_ZONE: ">H",
        CTA_FILTER: "nested",
    },
)
ELEMENT: "Table" = {
    NFTA_SET_ELEM_KEY: "nested",
    NFTA_SET_ELEM_DATA: "nested",
    NFTA_SET_ELEM_KEY_END: "nested",
}
ELEMENT_DATA: "Table" = {
    NFTA_DATA_VALUE: "bytes",
    NFTA_DATA_VERDICT: "nested",
}
HOOK: "Table" = {
    NFTA_HOOK_HOOKNUM: ">I",
}
EXPRESSION: "Table" = {
    NFTA_EXPR_NAME: "text",
    NFTA_EXPR_DATA: "nested",
}
META: "Table" = {
    NFTA_META_DREG: ">I",
    NFTA_META_KEY: ">I",
}
BITWISE: "Table" = {
    NFTA_BITWISE_SREG: ">I",
    NFTA_BITWISE_DREG: ">I",
    NFTA_BITWISE_LEN: ">I",
    NFTA_BITWISE_MASK: "nested",
    NFTA_BITWISE_XOR: "nested",
}
COMPARISON: "Table" = {
    NFTA_CMP_SREG: ">I",
    NFTA_CMP_OP: ">I",
    NFTA_CMP_DATA: "nested",
}
IMMEDIATE: "Table" = {
    NFTA_IMMEDIATE_DREG: ">I",
    NFTA_IMMEDIATE_DATA: "nested",
}
VERDICT: "Table" = {
    NFTA_VERDICT_CODE: ">i",
}
CONNECTION_TUPLE: "Table" = {
    CTA_TUPLE_IP: "nested",
    CTA_TUPLE_PROTO: "nested",
}
CONNECTION_IP: "Table" = {
    CTA_IP_V4_SRC: "bytes",
    CTA_IP_V4_DST: "bytes",
    CTA_IP_V6_SRC: "bytes",
    CTA_IP_V6_DST: "bytes",
}
CONNECTION_PROTO: "Table" = {
    CTA_PROTO_NUM: "B",
    CTA_PROTO_DST_PORT: ">H",
}
CONNECTION_FILTER: "Table" = {
    CTA_FILTER_ORIG_FLAGS: "I",
    CTA_FILTER_REPLY_FLAGS: "I",
}
