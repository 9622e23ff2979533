"""The arrows of docs/internals/architecture.md: which module may import which, as data.

Module level only: what a function imports is loaded when it runs, not when its module is read.
"""

import ast
from collections.abc import Iterable, Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "cni_bridge"

FOR_ALL = {
    "address",
    "lean.csocket",
    "lean.cstruct",
    "errors",
    "model_optional",
    "lean.files",
    "model",
    "lean.record",
    "firewall.model",
    "timings",
}  # they know of no layer

# A package's name stands for all of its modules.
MAY_IMPORT: dict[str, set[str]] = {
    "__init__": set(),
    "__main__": set(),
    "firewall": set(),
    "lean": set(),
    "ledger": set(),
    "recovery": set(),
    "wire": set(),
    "address": {"lean.csocket", "errors", "lean.record"},
    "recovery.reference_bridge": {"edge", "kernel", "names", "parts", "plan"},
    "ipam_plugin": {
        "cni_commands",
        "edge",
        "ledger.store",
        "kernel.signals",
        "stderr",
        "ipam.sources",
    },
    "attachments": {"optional_parts", "ledger.host_ledger", "kernel", "names", "parts", "plan"},
    "lean.bundle": {"__init__"},
    "rollback": {"attachments", "kernel", "ledger.messages"},
    "cni_commands": {
        "attachments",
        "rollback",
        "edge",
        "optional_parts",
        "ledger.host_ledger",
        "ledger.store",
        "ledger.messages",
        "kernel",
        "names",
        "parts",
        "plan",
        "stderr",
        "ipam.sources",
    },
    "lean.csocket": set(),
    "lean.cstruct": set(),
    "lean.csqlite": set(),
    "firewall.nft_elements": {"firewall.port_runs"},
    "firewall.port_runs": set(),
    "firewall.isolation": {
        "firewall.apply",
        "firewall.live",
        "firewall.nft_elements",
        "firewall.nft_tables",
        "kernel",
        "names",
    },
    "firewall.live": {
        "firewall.apply",
        "firewall.connections",
        "firewall.loopback",
        "firewall.nft_elements",
        "firewall.nft_tables",
        "firewall.port_runs",
        "kernel",
    },
    "errors": set(),
    "model_optional": {"lean.record"},
    "lean.files": set(),
    "optional_parts": {"ledger.host_ledger"},
    "journal": {"__init__", "edge.codec", "ledger.state_directory"},
    "model": {"address", "lean.record"},
    "names": set(),
    "json_flaws": set(),
    "gateways": set(),
    "firewall.foreign_checks": {
        "kernel",
        "firewall.nft_elements",
        "firewall.nft_tables",
        "firewall.foreign",
    },
    "plan": {"names", "ledger.state_directory"},
    "firewall.connections": {"firewall.nft_elements", "kernel"},
    "firewall.loopback": {"firewall.nft_elements", "kernel", "stderr"},
    "firewall.apply": {
        "firewall.connections",
        "firewall.loopback",
        "firewall.nft_elements",
        "kernel",
        "firewall.foreign_checks",
        "firewall.nft_tables",
        "firewall.foreign",
        "firewall.port_assignment",
    },
    "firewall.port_assignment": {"firewall.nft_elements", "firewall.port_runs", "kernel"},
    "plugin": {
        "cni_commands",
        "edge",
        "journal",
        "kernel.netlink",
        "kernel.signals",
        "ledger.state_directory",
        "stderr",
    },
    "recovery.other_ledgers": {
        "kernel.netlink",
        "ledger.host_ledger",
        "ledger.state_directory",
        "ledger.store",
        "names",
        "parts.veth",
    },
    "recovery.stale": {"attachments", "ledger.host_ledger", "kernel", "parts.veth", "stderr"},
    "status": {
        "optional_parts",
        "ledger.host_ledger",
        "ledger.store",
        "kernel",
        "ipam.resolver",
        "ipam.sources",
        "parts.bridge",
        "plan",
    },
    "recovery.lost_ledger": {
        "ledger.state_directory",
        "ledger.store",
        "names",
        "recovery.other_ledgers",
        "ledger.host_ledger",
        "ledger.rebuilt_records",
        "kernel",
        "parts.veth",
        "stderr",
    },
    "recovery.firewall_records": {
        "names",
        "firewall.nft_elements",
        "kernel",
        "parts.veth",
        "recovery.without_ledger",
    },
    "lean.record": set(),
    "redaction": {"edge.codec"},
    "stderr": set(),
    "firewall.model": {"address", "lean.csocket", "lean.record"},
    "ipam.sources": {"edge", "ipam.resolver", "kernel.netns", "ledger.store"},
    "timings": set(),
    "wire.attachments": {
        "optional_parts",
        "wire.ledger",
        "wire.part",
        "kernel",
        "names",
        "parts",
        "plan",
        "stderr",
    },
    "naming": set(),
    "naming.question": {"kernel.layer3", "kernel.links", "kernel.netlink", "naming.server"},
    "naming.apply": {
        "kernel.machine",
        "ledger.container_names",
        "names",
        "naming",
        "stderr",
    },
    "naming.hosts": {"lean.record"},
    "naming.server": {"kernel.child", "kernel.signals"},
    "recovery.without_ledger": {
        "firewall.connections",
        "firewall.nft_elements",
        "kernel",
        "names",
        "firewall.nft_tables",
    },
    # the wire, in and out
    "edge": set(),
    "edge.arguments": set(),
    "edge.cluster": {"edge.ipam_config"},
    "edge.container_names": {"edge.ipam_config"},
    "edge.codec": {"json_flaws", "lean.bundle"},
    "edge.config": {"edge", "ledger.state_directory"},
    "edge.explain": {"lean.bundle", "edge.codec"},
    "edge.firewall": {"edge.ipam_config", "firewall.port_runs"},
    "edge.tuning": {"edge.ipam_config"},
    "edge.nameserver": {"naming.hosts"},
    "edge.ipam_config": {"edge.result_versions", "ledger.ranges"},
    "edge.request": {"edge.codec", "edge.validators"},
    "edge.result": {"edge.result_versions", "names"},
    "edge.result_versions": {"edge.versions"},
    "edge.validators": set(),
    "edge.versions": set(),
    "edge.vlan": {"edge.request", "names"},
    "wire.config": {"edge.ipam_config"},
    # addresses
    "ipam": set(),
    "ledger.blocks": {"ledger.ranges", "kernel.machine"},
    "ledger.block_leases": {"ledger.blocks", "ledger.ranges"},
    "ledger.database": {"lean.csqlite", "ledger.state_directory", "kernel.signals"},
    "ipam.delegate": {"edge.codec", "kernel.child"},
    "ledger.host_ledger": {"ledger.changes", "ledger.state_directory", "ledger.store"},
    "ledger.damage": {"ledger.schema", "ledger.state_directory", "ledger.store"},
    "ledger.hostlocal": set(),
    "ledger.ranges": set(),
    "ledger.rebuilt_records": {"ledger.container_names"},
    "firewall.register": {"firewall.nft_elements", "firewall.port_records"},
    "firewall.port_records": {
        "firewall.nft_elements",
        "firewall.port_runs",
        "ledger.container_names",
    },
    "ipam.resolver": set(),
    "ledger.container_names": set(),
    "ledger.changes": set(),
    "ledger.cooldown": {"ledger.ranges"},
    "ledger.sticky": {"ledger.ranges"},
    "ledger.schema": set(),
    "ledger.state_directory": set(),
    "ledger.store": {"ledger"},
    "wire.ledger": {"ledger.messages"},
    "ledger.messages": {"lean.csqlite", "ledger.ranges"},
    # what an attachment is made of
    "parts": set(),
    "parts.bandwidth": {"kernel"},
    "parts.bandwidth_changes": {"kernel", "parts.bandwidth"},
    "parts.bridge": {"kernel", "names"},
    "firewall.nft_tables": {"lean.bundle", "firewall.nft_elements", "kernel"},
    "firewall.foreign": {"kernel"},
    "parts.veth_repair": {"kernel", "parts.bridge_port", "parts.veth"},
    "parts.host_ipv6": {"kernel"},
    "parts.bridge_port": {"kernel", "stderr"},
    "parts.tuning": {"lean.bundle", "kernel"},
    "parts.veth": {"kernel", "names", "parts.bridge_port"},
    "parts.veth_removal": {"kernel", "parts.veth"},
    "parts.vlan": {"kernel", "names"},
    "wire.part": {"kernel", "names", "parts.veth"},
    # bytes, errno, /proc, descriptors
    "kernel": set(),
    "kernel.chains": {"kernel.messages", "kernel.netlink", "kernel.nfmessages"},
    "kernel.child": set(),
    "kernel.conntrack": {"kernel.netlink", "kernel.nfmessages", "kernel.sysctl"},
    "kernel.loopback": {"kernel.messages", "kernel.netlink"},
    "kernel.duplicates": {"kernel.layer3", "kernel.messages", "kernel.netlink"},
    "kernel.port_holders": {"kernel.netlink"},
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
    "kernel.netns_ids": {"kernel.messages", "kernel.netlink", "kernel.netns"},
    "kernel.sysctl": set(),
    "kernel.tuning": {"kernel.messages", "kernel.netlink"},
    "kernel.vlans": {"kernel.links", "kernel.messages", "kernel.netlink"},
}
FOR_PEOPLE = ("cli", "cluster")  # may import everything; nobody imports them
IN_PEOPLES_LIBRARY = (*FOR_PEOPLE, "json_flaws")  # not in the image: imported after `open_library`


def modules() -> Iterator[tuple[str, Path]]:
    """Each module's name within the package, and its file."""
    for file in sorted(PACKAGE.rglob("*.py")):
        parts = file.relative_to(PACKAGE).with_suffix("").parts
        yield ".".join(parts[:-1] if parts[-1] == "__init__" and parts[1:] else parts), file


def imports(file: Path) -> Iterator[str]:
    """List the modules of ours that a file imports when it is read."""
    return _of_ours(_run_at_import(ast.parse(file.read_text()).body))


def imports_ever(file: Path) -> Iterator[str]:
    """List the modules of ours that a file imports when it is read or when a function of it runs."""
    return _of_ours(_run_ever(ast.parse(file.read_text()).body))


def _of_ours(nodes: Iterable[ast.AST]) -> Iterator[str]:
    for node in nodes:
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [_module(node.module or "", alias.name) for alias in node.names]
        else:
            continue
        for name in names:
            if name.partition(".")[0] == PACKAGE.name:
                yield name.partition(".")[2] or "__init__"


def _run_ever(body: list[ast.stmt]) -> Iterator[ast.AST]:
    for node in body:
        if isinstance(node, ast.If) and _is_for_types(node):
            yield from _run_ever(node.orelse)
        else:
            yield from ast.walk(node)


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


def test_no_module_imports_itself_by_way_of_others() -> None:
    graph = {name: set(imports_ever(file)) - {name} for name, file in MODULES.items()}
    TopologicalSorter(graph).prepare()  # raises CycleError with the cycle
