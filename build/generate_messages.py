"""Writes `cni_bridge/kernel/messages.py`: what pyroute2 knows about netlink, as plain tables.

Only the attributes and constants named here are taken; nothing here knows a number.
"""

import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from pyroute2 import netlink
from pyroute2.netlink import nlmsg, nlmsgerr, rtnl
from pyroute2.netlink.rtnl import ifaddrmsg, ifinfmsg, ndmsg, rtmsg

TARGET = Path(__file__).parent.parent / "cni_bridge" / "kernel" / "messages.py"

PREAMBLE = '''\
"""Netlink as tables: header formats, attribute numbers and their kinds, constants.

Generated from pyroute2 by `make generate`; not to be edited, and nothing may be computed here.
"""

TYPE_CHECKING = False

if TYPE_CHECKING:
    from cni_bridge.kernel.netlink import Message, Table
'''

CONSTANTS: tuple[tuple[ModuleType, str], ...] = (
    (netlink, "NETLINK_ROUTE SOL_NETLINK NETLINK_EXT_ACK NETLINK_GET_STRICT_CHK"),
    (netlink, "NLM_F_REQUEST NLM_F_ACK NLM_F_DUMP_INTR NLM_F_DUMP NLM_F_EXCL NLM_F_CREATE"),
    (netlink, "NLM_F_ACK_TLVS NLMSG_ERROR NLMSG_DONE"),
    (rtnl, "RTMGRP_LINK RTM_NEWLINK RTM_DELLINK RTM_GETLINK RTM_SETLINK"),
    (rtnl, "RTM_NEWADDR RTM_DELADDR RTM_GETADDR RTM_NEWROUTE RTM_GETROUTE RTM_DELNEIGH"),
    (ifinfmsg, "IFF_UP IFF_PROMISC"),
    (ifinfmsg, "BRIDGE_VLAN_INFO_PVID BRIDGE_VLAN_INFO_UNTAGGED"),
    (ifinfmsg, "BRIDGE_VLAN_INFO_RANGE_BEGIN BRIDGE_VLAN_INFO_RANGE_END"),
    (ifaddrmsg, "IFA_F_NODAD IFA_F_DADFAILED IFA_F_TENTATIVE"),
)

NAMED_VALUES: tuple[tuple[dict[str, int], str], ...] = (
    (rtnl.rtypes, "RTN_UNICAST"),
    (rtnl.rtprotos, "RTPROT_BOOT"),
    ({f"IF_OPER_{name}": value for value, name in enumerate(ifinfmsg.states)}, "IF_OPER_UP"),
)

Class = Any  # a pyroute2 message or attribute class; pyroute2 has no types

LINKINFO = ifinfmsg.ifinfmsg.ifinfo

MESSAGES: tuple[tuple[str, Class, str], ...] = (
    ("ERROR", nlmsgerr, "NLMSGERR_ATTR_MSG"),
    (
        "LINK",
        ifinfmsg.ifinfmsg,
        "IFLA_ADDRESS IFLA_IFNAME IFLA_MTU IFLA_LINK IFLA_MASTER IFLA_OPERSTATE IFLA_LINKINFO "
        "IFLA_IFALIAS IFLA_AF_SPEC IFLA_GROUP IFLA_NET_NS_FD IFLA_EXT_MASK IFLA_LINK_NETNSID",
    ),
    (
        "ADDRESS",
        ifaddrmsg.ifaddrmsg,
        "IFA_ADDRESS IFA_LOCAL IFA_BROADCAST IFA_FLAGS",
    ),
    (
        "ROUTE",
        rtmsg.rtmsg,
        "RTA_DST RTA_OIF RTA_GATEWAY RTA_PRIORITY RTA_METRICS RTA_TABLE",
    ),
    ("NEIGHBOUR", ndmsg.ndmsg, "NDA_DST"),
)

NESTED: tuple[tuple[str, Class, str], ...] = (
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
)

TEXT = {"asciiz"}
RAW = {"l2addr", "lladdr", "ipaddr", "target"}


def main() -> int:
    """`--check` compares instead of writing, and fails when the file is stale."""
    if "--check" in sys.argv[1:]:
        return int(TARGET.read_text() != source())
    TARGET.write_text(source())
    return 0


def source() -> str:
    """The text of the generated module, formatted as ruff would."""
    numbers = dict(_constants())
    tables = []
    for title, cls, wanted in MESSAGES:
        rows = _rows(cls, wanted, numbers)
        tables.append(
            f'{title}: "Message" = (\n    "{_format(cls.fields)}",\n{_table(rows, 1)},\n)\n'
        )
    for title, cls, wanted in NESTED:
        rows = _rows(cls, wanted, numbers)
        tables.append(f'{title}: "Table" = {_table(rows, 0)}\n')
    assignments = "".join(f"{name} = {value}\n" for name, value in numbers.items())
    header = f'NLMSG_HEADER = "{_format(nlmsg.header)}"\n'
    return "\n".join((PREAMBLE, header + assignments, "".join(tables)))


def _constants() -> list[tuple[str, int]]:
    taken = [(name, getattr(module, name)) for module, names in CONSTANTS for name in names.split()]
    taken += [(name, values[name]) for values, names in NAMED_VALUES for name in names.split()]
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
    if kind in RAW:
        return "bytes"
    known: Class = getattr(cls, kind)
    is_one_class = isinstance(known, type)
    return _format(known.fields) if is_one_class and not known.nla_map else "nested"


def _format(fields: tuple[tuple[str, str], ...]) -> str:
    return "".join(code for _, code in fields)


def _table(rows: list[tuple[str, str]], depth: int) -> str:
    indent = "    " * depth
    lines = "".join(f'{indent}    {name}: "{kind}",\n' for name, kind in rows)
    return f"{indent}{{\n{lines}{indent}}}"


if __name__ == "__main__":
    sys.exit(main())
