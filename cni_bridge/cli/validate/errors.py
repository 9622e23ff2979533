"""Everything that the plugin would refuse in a config, not only the first error.

The verdicts are the plugin's own: its schema, and `edge.config`.
"""

import copy
from collections.abc import Iterator
from typing import Any

from cni_bridge import address
from cni_bridge.cli.validate import json_positions
from cni_bridge.cli.validate.findings import ERROR, ConfigFinding
from cni_bridge.cli.validate.json_positions import Node
from cni_bridge.cli.validate.unknown_keys import LIST_KEYS
from cni_bridge.edge import codec, config, explain, validators, versions
from cni_bridge.errors import CniError
from cni_bridge.ipam.sources import OWN_TYPE
from cni_bridge.lean.record import record
from cni_bridge.model import NetworkConfig

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
    "Network": ("subnet", "the bits behind the prefix length must be 0"),
}
RANGE_KEYS = ("subnet", "rangeStart", "rangeEnd", "gateway", "ranges")
STAND_IN = "10.0.0.0/8"


@record
class Fault:
    """One reason for a refusal; `key`: which key at the path is meant, if the message names no more."""

    path: str
    message: str
    key: str = ""
    found: str = ""
    expected: str = ""
    hint: str = ""
    stand_in: int | None = None


def in_header(root: Node) -> Iterator[ConfigFinding]:
    """Check the name, the version and the runtime's own keys."""
    present = {key: root.get(key) for key in LIST_KEYS}
    data = {key: node.value() for key, node in present.items() if node and node.scalar is not None}
    data |= {key: node.value() for key, node in present.items() if node and node.items is not None}
    for fault in [_fault(problem) for problem in _problems(data)] or _refusals(data):
        yield _finding(fault, root.find(fault.path))


def in_plugin(plugin: Node, identity: dict[str, str]) -> Iterator[ConfigFinding]:
    """Check a plugin's config, dropping what is wrong from the node to find further errors.

    A later refusal of something that contained a dropped value may only follow from that.
    """
    ipam = plugin.get("ipam")
    in_ranges = list(_in_ranges(ipam)) if ipam else []
    dropped: list[Node] = []
    reported = set()
    while faults := _faults(plugin, identity):
        chains = [(fault, plugin.find(f"{fault.path}{fault.key}")) for fault in faults]
        for fault, chain in chains:
            if not any(_holds(chain[-1], inner) for inner in dropped):
                reported.add((found := _finding(fault, chain)).path)
                yield found
        for fault, chain in chains:
            if len(chain) == 1:
                return
            dropped.append(chain[-1])
            _drop(chain, fault)
    yield from (each for each in in_ranges if each.path not in reported)


def _drop(chain: list[Node], fault: Fault) -> None:
    """Leave out a value that has been reported, or put one in its place, to check the rest."""
    inner = chain[-1]
    if fault.stand_in is not None and inner.scalar != fault.stand_in and fault.found:
        inner.items, inner.scalar = None, fault.stand_in
    elif inner.name.endswith("ipam") and inner.get("type") and _has_ranges(inner):
        for key in RANGE_KEYS:
            if node := inner.get(key):
                inner.drop(node)
        inner.put("subnet", STAND_IN)
    else:
        chain[-2].drop(inner)


def _has_ranges(ipam: Node) -> bool:
    subnet = ipam.get("subnet")
    return subnet is None or subnet.scalar != STAND_IN


def _in_ranges(ipam: Node) -> Iterator[ConfigFinding]:
    """Check the addresses of all ranges, as the plugin does not come to those after a mistake."""
    sets = ipam.get("ranges")
    listed = [each for inner in _items(sets) for each in (*_items(inner), inner)]
    for holder in (ipam, *listed):
        for key in RANGE_KEYS[:-1]:
            node = holder.get(key)
            if node is None or not isinstance(node.scalar, str) or not node.scalar:
                continue
            try:
                (address.parse_prefix if key == "subnet" else address.parse)(node.scalar)
            except ValueError as error:
                message = f"{node.name}: {error}"
                yield ConfigFinding(severity=ERROR, path=node.name, span=node.span, message=message)


def _items(node: Node | None) -> list[Node]:
    return list((node.items or {}).values()) if node and node.is_list else []


def understood(plugin: Node, identity: dict[str, str]) -> NetworkConfig:
    """Return the config as the plugin parses it. Raises CniError."""
    document = config.prepare(_document(plugin, identity), "ADD")
    is_delegated = config.ipam_type(document) not in ("", OWN_TYPE)
    settings = config.parse(document, "", is_delegated=is_delegated)
    try:
        sets = config.with_host_local(document, settings).ipam.range_sets
    except CniError:  # host-local may see it differently
        return settings
    families = [len(each.subnet.ip) for inner in sets for each in inner]
    config.check_mtu(settings.mtu, settings.attachment_mtu, families)
    return settings


def _faults(plugin: Node, identity: dict[str, str]) -> list[Fault]:
    try:
        document = _document(plugin, identity)
        problems = _problems(document)
        if not problems:
            understood(plugin, identity)
    except CniError as error:
        return [_as_fault(error)]
    return [_fault(problem) for problem in problems]


def _problems(document: dict[str, Any]) -> list[explain.Problem]:
    """Return what violates the schema; only a refused config pays for loading jsonschema."""
    try:
        validators.validate(copy.deepcopy(document))
    except validators.Refused:
        return list(explain.problems(document))
    return []


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
        hint=problem.hint,
        stand_in=problem.stand_in,
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
