"""The arrows of docs/architecture.md: which module may import which, as data.

Module level only: what a function imports is loaded when it runs, not when its module is read.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "cni_bridge"

FOR_ALL = {
    "address",
    "csocket",
    "errors",
    "extras",
    "files",
    "model",
    "record",
    "rules",
    "steps",
}  # they know of no layer

# A package's name stands for all of its modules.
MAY_IMPORT: dict[str, set[str]] = {
    "__init__": set(),
    "__main__": set(),
    "address": {"csocket", "errors", "record"},
    "adoption": {"edge", "kernel", "parts", "plan"},
    "allocation": {"commands", "edge", "ipam.store", "kernel.signals", "remarks", "sources"},
    "assembly": {"inline", "ipam.guards", "kernel", "names", "parts", "plan"},
    "bundle": {"__init__"},
    "commands": {
        "assembly",
        "edge",
        "inline",
        "ipam.guards",
        "ipam.store",
        "ipam.wording",
        "kernel",
        "names",
        "parts",
        "plan",
        "remarks",
        "sources",
    },
    "csocket": set(),
    "csqlite": set(),
    "elements": set(),
    "errors": set(),
    "extras": {"record"},
    "files": set(),
    "inline": {"ipam.guards"},
    "journal": {"__init__", "edge.codec", "ipam.statedir"},
    "model": {"address", "record"},
    "names": set(),
    "others": {"kernel", "parts.firewall", "parts.foreign"},
    "plan": {"names"},
    "protection": {"elements", "kernel", "others", "parts.firewall", "parts.foreign", "publishing"},
    "publishing": {"elements", "kernel"},
    "plugin": {"commands", "edge", "journal", "kernel.netlink", "kernel.signals", "remarks"},
    "reclaiming": {"assembly", "ipam.guards", "kernel", "parts.veth", "remarks"},
    "rehearsal": {"inline", "ipam.store", "kernel", "sources"},
    "rebuilding": {"ipam.guards", "ipam.rebuilt", "kernel", "parts.veth", "remarks"},
    "recollection": {"elements", "kernel", "parts.veth", "withdrawal"},
    "record": set(),
    "redaction": {"edge.codec", "journal"},
    "remarks": set(),
    "rules": {"address", "record"},
    "sources": {"edge", "ipam.resolver"},
    "steps": set(),
    "wiring": {"inline", "ipam.wires", "kernel", "names", "parts", "plan", "remarks"},
    "withdrawal": {"elements", "kernel", "names", "parts.firewall"},
    # the wire, in and out
    "edge": set(),
    "edge.arguments": set(),
    "edge.clusters": {"edge.ipam"},
    "edge.codec": {"bundle"},
    "edge.config": {"edge", "ipam.statedir"},
    "edge.explain": {"bundle", "edge.codec"},
    "edge.firewall": {"edge.ipam"},
    "edge.inline": {"edge.ipam"},
    "edge.ipam": {"edge.shapes", "ipam.ranges"},
    "edge.request": {"edge.codec", "edge.validators"},
    "edge.result": {"edge.shapes"},
    "edge.shapes": {"edge.versions"},
    "edge.validators": set(),
    "edge.versions": set(),
    "edge.vlans": {"edge.request", "names"},
    "edge.wires": {"edge.ipam"},
    # addresses
    "ipam": set(),
    "ipam.blocks": {"ipam.ranges", "kernel.machine"},
    "ipam.leasing": {"ipam.blocks", "ipam.ranges"},
    "ipam.database": {"csqlite", "ipam.statedir", "kernel.signals"},
    "ipam.delegate": {"edge.codec", "kernel.child"},
    "ipam.guards": {"ipam.statedir", "ipam.store"},
    "ipam.hostlocal": set(),
    "ipam.ranges": set(),
    "ipam.rebuilt": set(),
    "ipam.register": {"elements"},
    "ipam.resolver": set(),
    "ipam.resting": {"ipam.ranges"},
    "ipam.schema": set(),
    "ipam.statedir": set(),
    "ipam.store": {"ipam"},
    "ipam.trouble": {"csqlite"},
    "ipam.wires": {"ipam.wording"},
    "ipam.wording": {"ipam.ranges"},
    # what an attachment is made of
    "parts": set(),
    "parts.bandwidth": {"kernel"},
    "parts.bridge": {"kernel", "names"},
    "parts.firewall": {"bundle", "elements", "kernel"},
    "parts.foreign": {"kernel"},
    "parts.inspection": {"kernel", "parts.veth"},
    "parts.repair": {"kernel", "parts.veth"},
    "parts.tuning": {"bundle", "kernel"},
    "parts.veth": {"kernel", "names"},
    "parts.vlan": {"kernel", "names"},
    "parts.wire": {"kernel", "names", "parts.inspection", "parts.veth"},
    # bytes, errno, /proc, descriptors
    "kernel": set(),
    "kernel.chains": {"kernel.messages", "kernel.netlink", "kernel.nfmessages"},
    "kernel.child": set(),
    "kernel.conntrack": {"kernel.netlink", "kernel.nfmessages"},
    "kernel.duplicates": {"kernel.layer3", "kernel.messages", "kernel.netlink"},
    "kernel.hostports": {"kernel.netlink"},
    "kernel.layer3": {"kernel.messages", "kernel.netlink"},
    "kernel.libc": set(),
    "kernel.links": {"kernel.messages", "kernel.netlink"},
    "kernel.machine": set(),
    "kernel.messages": set(),
    "kernel.netlink": {"kernel.messages"},
    "kernel.netns": set(),
    "kernel.nflisting": {"kernel.netlink", "kernel.nfmessages", "kernel.nftables"},
    "kernel.nfmessages": set(),
    "kernel.nftables": {"kernel.messages", "kernel.netlink", "kernel.nfmessages"},
    "kernel.shaping": {"kernel.messages", "kernel.netlink"},
    "kernel.signals": set(),
    "kernel.spaces": {"kernel.messages", "kernel.netlink", "kernel.netns"},
    "kernel.sysctl": set(),
    "kernel.tuning": {"kernel.messages", "kernel.netlink"},
    "kernel.vlans": {"kernel.messages", "kernel.netlink"},
}
FOR_PEOPLE = ("cli", "cluster")  # may import everything; nobody imports them


def modules() -> Iterator[tuple[str, Path]]:
    """Each module's name within the package, and its file."""
    for file in sorted(PACKAGE.rglob("*.py")):
        parts = file.relative_to(PACKAGE).with_suffix("").parts
        yield ".".join(parts[:-1] if parts[-1] == "__init__" and parts[1:] else parts), file


def imports(file: Path) -> Iterator[str]:
    """Modules of ours that a file imports when it is read."""
    for node in _run_at_import(ast.parse(file.read_text()).body):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [_module(node.module or "", alias.name) for alias in node.names]
        else:
            continue
        for name in names:
            if name.partition(".")[0] == PACKAGE.name:
                yield name.partition(".")[2] or "__init__"


def _run_at_import(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        yield node
        blocks = ["orelse"] if _is_for_types(node) else ["body", "orelse", "finalbody"]
        for block in blocks:
            yield from _run_at_import(getattr(node, block, []))
        for handler in getattr(node, "handlers", []):
            yield from _run_at_import(handler.body)


def _is_for_types(node: ast.stmt) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"


def _module(package: str, name: str) -> str:
    """`from package import name` imports a module of ours, or takes something out of one."""
    path = ROOT.joinpath(*package.split("."), name)
    is_module = path.is_dir() or path.with_suffix(".py").exists()
    return f"{package}.{name}" if is_module else package


def is_allowed(arrow: str, allowed: set[str]) -> bool:
    """Whether a module or a package above it is listed."""
    return any(arrow == name or arrow.startswith(f"{name}.") for name in allowed)


MODULES = dict(modules())


@pytest.mark.parametrize("module", MODULES)
def test_a_module_imports_only_what_its_layer_allows(module: str) -> None:
    if module.partition(".")[0] in FOR_PEOPLE:
        return
    assert module in MAY_IMPORT, f"give {module} a row in MAY_IMPORT"
    allowed = MAY_IMPORT[module] | (set() if module in FOR_ALL else FOR_ALL)
    assert [arrow for arrow in imports(MODULES[module]) if not is_allowed(arrow, allowed)] == []
