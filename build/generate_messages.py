"""Writes `messages.py` of the kernel, nftables, the cluster and the commands: what pyroute2 knows, as plain tables.

Only what `message_lists` names is taken; nothing here knows a number.
"""

import sys
from pathlib import Path

import message_lists as lists
from message_lists import Class, Module
from pyroute2.netlink import nlmsg
from pyroute2.netlink.nfnetlink import nfgen_msg

PACKAGE = Path(__file__).parent.parent / "cni_bridge"
KERNEL = PACKAGE / "kernel"

PREAMBLE = '''\
"""{title} as tables: header formats, attribute numbers and their kinds, constants.

Generated from pyroute2 by `make generate`; not to be edited, and nothing may be computed here.
"""

TYPE_CHECKING = False

if TYPE_CHECKING:
    from cni_bridge.kernel.netlink import Message, Table
'''

MODULES = {
    PACKAGE / "cluster" / "messages.py": Module(
        "The cluster's netlink",
        ("NLMSG_HEADER", nlmsg.header),
        lists.CLUSTER_CONSTANTS,
        lists.CLUSTER_NAMED_VALUES,
        lists.CLUSTER_MESSAGES,
        lists.CLUSTER_NESTED,
    ),
    PACKAGE / "cli" / "messages.py": Module(
        "The commands' netlink",
        ("NLMSG_HEADER", nlmsg.header),
        lists.PEOPLE_CONSTANTS,
        lists.PEOPLE_NAMED_VALUES,
        lists.PEOPLE_MESSAGES,
        lists.PEOPLE_NESTED,
    ),
    KERNEL / "messages.py": Module(
        "Netlink",
        ("NLMSG_HEADER", nlmsg.header),
        lists.CONSTANTS,
        lists.NAMED_VALUES,
        lists.MESSAGES,
        lists.NESTED,
    ),
    KERNEL / "nfmessages.py": Module(
        "Netfilter's netlink",
        ("NFGENMSG", nfgen_msg.fields),
        lists.NETFILTER_CONSTANTS,
        (),
        lists.NETFILTER_MESSAGES,
        lists.NETFILTER_NESTED,
    ),
}

TEXT = {"asciiz"}
RAW = {"l2addr", "lladdr", "ipaddr", "ip4addr", "ip6addr", "target", "binary", "*get_nh"}
RAW |= {"rtab", "u32_sel", "rtvia"}  # u32_sel: mixed byte orders


def main() -> int:
    """`--check` compares instead of writing, and fails when a file is stale."""
    if "--check" in sys.argv[1:]:
        return int(any(target.read_text() != source(target) for target in MODULES))
    for target in MODULES:
        target.write_text(source(target))
    return 0


def source(target: Path) -> str:
    """Return the text of a generated module, formatted as ruff would."""
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
    """Return number and pyroute2's kind by name; rows without numbers count from zero."""
    numbered = [
        row if isinstance(row[0], int) else (position, *row)
        for position, row in enumerate(cls.nla_map)
    ]
    return {row[1]: (row[0], row[2]) for row in numbered}


def _kind(cls: Class, kind: str) -> str:
    """Return a struct format; or `text`, `bytes`, `nested` (its table may depend on other attributes)."""
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
