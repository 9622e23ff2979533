"""Netlink as tables: header formats, attribute numbers and their kinds, constants.

Generated from pyroute2 by `make generate`; not to be edited, and nothing may be computed here.
"""

TYPE_CHECKING = False

if TYPE_CHECKING:
    from cni_bridge.kernel.netlink import Message, Table

NLMSG_HEADER = "IHHII"
NETLINK_ROUTE = 0
SOL_NETLINK = 270
NETLINK_EXT_ACK = 11
NETLINK_GET_STRICT_CHK = 12
NLM_F_REQUEST = 1
NLM_F_ACK = 4
NLM_F_DUMP_INTR = 16
NLM_F_DUMP = 768
NLM_F_EXCL = 512
NLM_F_CREATE = 1024
NLM_F_ACK_TLVS = 512
NLM_F_ECHO = 8
NLMSG_ERROR = 2
NLMSG_DONE = 3
RTMGRP_LINK = 1
RTM_NEWLINK = 16
RTM_DELLINK = 17
RTM_GETLINK = 18
RTM_SETLINK = 19
RTM_NEWADDR = 20
RTM_DELADDR = 21
RTM_GETADDR = 22
RTM_NEWROUTE = 24
RTM_GETROUTE = 26
RTM_DELNEIGH = 29
RTM_NEWQDISC = 36
RTM_GETQDISC = 38
RTM_NEWTFILTER = 44
RTM_GETTFILTER = 46
RTM_NEWACTION = 48
TC_H_ROOT = 4294967295
TC_H_INGRESS = 4294967281
IFF_UP = 1
IFF_PROMISC = 256
IFF_ALLMULTI = 512
BRIDGE_VLAN_INFO_PVID = 2
BRIDGE_VLAN_INFO_UNTAGGED = 4
BRIDGE_VLAN_INFO_RANGE_BEGIN = 8
BRIDGE_VLAN_INFO_RANGE_END = 16
IFA_F_NODAD = 2
IFA_F_DADFAILED = 8
IFA_F_TENTATIVE = 64
RTN_UNICAST = 1
RTPROT_BOOT = 3
IF_OPER_UP = 6
NLMSGERR_ATTR_MSG = 1
IFLA_ADDRESS = 1
IFLA_IFNAME = 3
IFLA_MTU = 4
IFLA_LINK = 5
IFLA_MASTER = 10
IFLA_OPERSTATE = 16
IFLA_LINKINFO = 18
IFLA_IFALIAS = 20
IFLA_AF_SPEC = 26
IFLA_GROUP = 27
IFLA_NET_NS_FD = 28
IFLA_EXT_MASK = 29
IFLA_LINK_NETNSID = 37
IFLA_TXQLEN = 13
IFLA_NUM_TX_QUEUES = 31
IFA_ADDRESS = 1
IFA_LOCAL = 2
IFA_BROADCAST = 4
IFA_FLAGS = 8
RTA_DST = 1
RTA_OIF = 4
RTA_GATEWAY = 5
RTA_PRIORITY = 6
RTA_METRICS = 8
RTA_TABLE = 15
NDA_DST = 1
TCA_KIND = 1
TCA_OPTIONS = 2
IFLA_INFO_KIND = 1
IFLA_INFO_DATA = 2
IFLA_INFO_SLAVE_KIND = 4
IFLA_INFO_SLAVE_DATA = 5
VETH_INFO_PEER = 1
IFLA_BR_VLAN_FILTERING = 7
IFLA_BRPORT_STATE = 1
IFLA_BRPORT_MODE = 4
IFLA_BRPORT_ISOLATED = 33
IFLA_BRIDGE_VLAN_INFO = 2
RTAX_MTU = 2
RTAX_ADVMSS = 8
TCA_TBF_PARMS = 1
TCA_U32_SEL = 5
TCA_U32_ACT = 7
TCA_ACT_PRIO_1 = 1
TCA_ACT_KIND = 1
TCA_ACT_OPTIONS = 2
TCA_MIRRED_PARMS = 2
TCA_POLICE_TBF = 1
TCA_POLICE_RATE = 2

ERROR: "Message" = (
    "i",
    {
        NLMSGERR_ATTR_MSG: "text",
    },
)
LINK: "Message" = (
    "BxHiII",
    {
        IFLA_ADDRESS: "bytes",
        IFLA_IFNAME: "text",
        IFLA_MTU: "I",
        IFLA_LINK: "I",
        IFLA_MASTER: "I",
        IFLA_OPERSTATE: "B",
        IFLA_LINKINFO: "nested",
        IFLA_IFALIAS: "text",
        IFLA_AF_SPEC: "nested",
        IFLA_GROUP: "I",
        IFLA_NET_NS_FD: "I",
        IFLA_EXT_MASK: "I",
        IFLA_LINK_NETNSID: "i",
        IFLA_TXQLEN: "I",
        IFLA_NUM_TX_QUEUES: "I",
    },
)
ADDRESS: "Message" = (
    "BBBBI",
    {
        IFA_ADDRESS: "bytes",
        IFA_LOCAL: "bytes",
        IFA_BROADCAST: "bytes",
        IFA_FLAGS: "I",
    },
)
ROUTE: "Message" = (
    "BBBBBBBBI",
    {
        RTA_DST: "bytes",
        RTA_OIF: "I",
        RTA_GATEWAY: "bytes",
        RTA_PRIORITY: "I",
        RTA_METRICS: "nested",
        RTA_TABLE: "I",
    },
)
NEIGHBOUR: "Message" = (
    "B3xiHBB",
    {
        NDA_DST: "bytes",
    },
)
TRAFFIC: "Message" = (
    "BBHiIII",
    {
        TCA_KIND: "text",
        TCA_OPTIONS: "nested",
    },
)
LINKINFO: "Table" = {
    IFLA_INFO_KIND: "text",
    IFLA_INFO_DATA: "nested",
    IFLA_INFO_SLAVE_KIND: "text",
    IFLA_INFO_SLAVE_DATA: "nested",
}
VETH: "Table" = {
    VETH_INFO_PEER: "nested",
}
BRIDGE: "Table" = {
    IFLA_BR_VLAN_FILTERING: "B",
}
BRIDGE_PORT: "Table" = {
    IFLA_BRPORT_STATE: "B",
    IFLA_BRPORT_MODE: "B",
    IFLA_BRPORT_ISOLATED: "B",
}
BRIDGE_SPEC: "Table" = {
    IFLA_BRIDGE_VLAN_INFO: "HH",
}
METRICS: "Table" = {
    RTAX_MTU: "I",
    RTAX_ADVMSS: "I",
}
TBF: "Table" = {
    TCA_TBF_PARMS: "BBHhHIBBHhHIIII",
}
U32: "Table" = {
    TCA_U32_SEL: "bytes",
    TCA_U32_ACT: "nested",
}
ACTIONS: "Table" = {
    TCA_ACT_PRIO_1: "nested",
}
ACTION: "Table" = {
    TCA_ACT_KIND: "text",
    TCA_ACT_OPTIONS: "nested",
}
MIRRED: "Table" = {
    TCA_MIRRED_PARMS: "IIiiiiI",
}
POLICE: "Table" = {
    TCA_POLICE_TBF: "IiIIIBBHhHIBBHhHIiiI",
    TCA_POLICE_RATE: "bytes",
}
