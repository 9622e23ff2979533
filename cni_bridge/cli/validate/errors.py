"""Everything that the plugin would refuse in a config, not only the first error.

The verdicts are the plugin's own: its schema, and `edge.config`.
"""

from collections.abc import Iterator
from typing import Any

from cni_bridge.cli.validate import json_positions
from cni_bridge.cli.validate.findings import ERROR, ConfigFinding
from cni_bridge.cli.validate.json_positions import Node
from cni_bridge.edge import codec, config, explain, validators, versions
from cni_bridge.errors import CniError
from cni_bridge.ipam.sources import OWN_TYPE
from cni_bridge.lean.record import record
from cni_bridge.model import NetworkConfig

# What a list has for all of its plugins; the runtime writes name and version into each.
LIST_KEYS = (
    *("cniVersion", "cniVersions", "name"),
    *("disableCheck", "disableGC", "loadOnlyInlinedPlugins"),
)
# Where to point for errors whose words, the reference's, don't begin with a path.
ABOUT = (
    ("network name", "name"),
    ("incompatible CNI versions", "cniVersion"),
    ("config version", "cniVersion"),
    ("hairpin mode", "promiscMode"),
    ("DisableContainerInterface", "disableContainerInterface"),
)

# Likewise which key of a range is meant, and what its words leave open.
ENDS = {
    "RangeStart": ("rangeStart", "a range's start must be in its subnet, and not after its end"),
    "RangeEnd": ("rangeEnd", "a range's end must be in its subnet, and not before its start"),
}


@record
class Fault:
    """One reason for a refusal; `key`: which key at the path is meant, if the message names no more."""

    path: str
    message: str
    key: str = ""
    found: str = ""
    expected: str = ""
    hint: str = ""


def in_header(root: Node) -> Iterator[ConfigFinding]:
    """Check the name, the version and the runtime's own keys."""
    present = {key: root.get(key) for key in LIST_KEYS}
    data = {key: node.value() for key, node in present.items() if node and node.scalar is not None}
    data |= {key: node.value() for key, node in present.items() if node and node.items is not None}
    for fault in [_fault(problem) for problem in explain.problems(data)] or _refusals(data):
        yield _finding(fault, root.find(fault.path))


def in_plugin(plugin: Node, identity: dict[str, str]) -> Iterator[ConfigFinding]:
    """Check a plugin's config, dropping what is wrong from the node to find further errors.

    A later refusal of something that contained a dropped value may only follow from that.
    """
    dropped: list[Node] = []
    while faults := _faults(plugin, identity):
        chains = [(fault, plugin.find(f"{fault.path}{fault.key}")) for fault in faults]
        for fault, chain in chains:
            if not any(_holds(chain[-1], inner) for inner in dropped):
                yield _finding(fault, chain)
        for _, chain in chains:
            if len(chain) == 1:
                return
            chain[-2].drop(chain[-1])
            dropped.append(chain[-1])


def understood(plugin: Node, identity: dict[str, str]) -> NetworkConfig:
    """Return the config as the plugin parses it. Raises CniError."""
    document = config.prepare(_document(plugin, identity), "ADD")
    is_delegated = config.ipam_type(document) not in ("", OWN_TYPE)
    return config.parse(document, "", is_delegated=is_delegated)


def _faults(plugin: Node, identity: dict[str, str]) -> list[Fault]:
    try:
        document = _document(plugin, identity)
        problems = list(explain.problems(document))
        if not problems:
            understood(plugin, identity)
    except CniError as error:
        return [_as_fault(error)]
    return [_fault(problem) for problem in problems]


def _document(plugin: Node, identity: dict[str, str]) -> dict[str, Any]:
    """Return what the runtime sends on stdin for this plugin."""
    own = {
        key: inner.value()
        for key, inner in plugin.entries()
        if key.casefold() not in ("name", "cniversion")
    }
    return codec.fold(own | identity, validators.FOLD)


def _refusals(header: dict[str, Any]) -> list[Fault]:
    """Return the faults of name and version, where the plugin would stop at the first."""
    faults = []
    for check in (config.network, lambda data: versions.check("ADD", config.version(data))):
        try:
            check(header)
        except CniError as error:
            faults.append(_as_fault(error))
    return faults


def _as_fault(error: CniError) -> Fault:
    path, colon, rest = error.msg.partition(": ")
    if not colon or " " in path:
        path = next((path for words, path in ABOUT if words in error.msg), "")
    key, hint = ENDS.get(rest.partition(" ")[0], ("", error.details))
    return Fault(path=path, message=error.msg, key=key and f".{key}", hint=hint)


def _fault(problem: explain.Problem) -> Fault:
    return Fault(
        path=problem.path,
        message=explain.line(problem),
        found=problem.found,
        expected=problem.expected,
    )


def _finding(fault: Fault, chain: list[Node]) -> ConfigFinding:
    """Locate a fault; a missing key is reported where it belongs."""
    node = chain[-1]
    path, message = node.name, fault.message
    if message.startswith(f"{fault.path}: "):  # indexes there count what is left
        missing = list(json_positions.steps(f"{fault.path}{fault.key}"))[len(chain) - 1 :]
        path = explain.path_text((*node.path, *missing))
        message = path.removesuffix(fault.key) + message.removeprefix(fault.path)
    return ConfigFinding(
        severity=ERROR,
        path=path,
        span=node.span,
        message=message,
        found=fault.found,
        expected=fault.expected,
        hint=fault.hint,
    )


def _holds(outer: Node, inner: Node) -> bool:
    return inner.path[: len(outer.path)] == outer.path
