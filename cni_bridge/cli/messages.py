"""The commands' netlink as tables: header formats, attribute numbers and their kinds, constants.

Generated from pyroute2 by `make generate`; not to be edited, and nothing may be computed here.
"""

TYPE_CHECKING = False

if TYPE_CHECKING:
    from cni_bridge.kernel.netlink import Message, Table

NLMSG_HEADER = "IHHII"
NUD_NOARP = 64
NUD_INCOMPLETE = 1
NUD_FAILED = 32
RTN_LOCAL = 2
IFLA_LINKINFO = 18
IFLA_STATS64 = 23
IFLA_CARRIER = 33
RTA_DST = 1
RTA_SRC = 2
RTA_IIF = 3
RTA_OIF = 4
RTA_GATEWAY = 5
RTA_PREFSRC = 7
IFLA_INFO_KIND = 1
IFLA_INFO_DATA = 2
IFLA_BR_STP_STATE = 5

LINK: "Message" = (
    "BxHiII",
    {
        IFLA_LINKINFO: "nested",
        IFLA_STATS64: "QQQQQQQQQQQQQQQQQQQQQQQ",
        IFLA_CARRIER: "B",
    },
)
ROUTE: "Message" = (
    "BBBBBBBBI",
    {
        RTA_DST: "bytes",
        RTA_SRC: "bytes",
        RTA_IIF: "I",
        RTA_OIF: "I",
        RTA_GATEWAY: "bytes",
        RTA_PREFSRC: "bytes",
    },
)
LINKINFO: "Table" = {
    IFLA_INFO_KIND: "text",
    IFLA_INFO_DATA: "nested",
}
BRIDGE: "Table" = {
    IFLA_BR_STP_STATE: "I",
}
