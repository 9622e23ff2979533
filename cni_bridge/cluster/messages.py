"""The cluster's netlink as tables: header formats, attribute numbers and their kinds, constants.

Generated from pyroute2 by `make generate`; not to be edited, and nothing may be computed here.
"""

TYPE_CHECKING = False

if TYPE_CHECKING:
    from cni_bridge.kernel.netlink import Message, Table

NLMSG_HEADER = "IHHII"
NLM_F_REPLACE = 256
RTM_DELROUTE = 25
RTM_NEWNEIGH = 28
RTM_DELNEIGH = 29
RTM_GETNEIGH = 30
RTNH_F_ONLINK = 4
NTF_SELF = 2
NUD_PERMANENT = 128
RTN_UNREACHABLE = 7
RTN_MULTICAST = 5
NDA_DST = 1
NDA_LLADDR = 2
NDA_IFINDEX = 8
RTA_DST = 1
RTA_OIF = 4
RTA_GATEWAY = 5
RTA_PRIORITY = 6
RTA_METRICS = 8
RTA_TABLE = 15
RTA_VIA = 18
IFLA_VXLAN_ID = 1
IFLA_VXLAN_LOCAL = 4
IFLA_VXLAN_LEARNING = 7
IFLA_VXLAN_PORT = 15
IFLA_VXLAN_LOCAL6 = 17

NEIGHBOUR: "Message" = (
    "B3xiHBB",
    {
        NDA_DST: "bytes",
        NDA_LLADDR: "bytes",
        NDA_IFINDEX: "I",
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
        RTA_VIA: "bytes",
    },
)
VXLAN: "Table" = {
    IFLA_VXLAN_ID: "I",
    IFLA_VXLAN_LOCAL: "bytes",
    IFLA_VXLAN_LEARNING: "B",
    IFLA_VXLAN_PORT: ">H",
    IFLA_VXLAN_LOCAL6: "bytes",
}
