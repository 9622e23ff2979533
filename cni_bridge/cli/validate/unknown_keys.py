"""Keys that the plugin ignores because it does not know them, with suggestions.

Only names are checked here; `errors` checks values.
"""

import difflib
from collections.abc import Iterable, Iterator
from typing import Any

from cni_bridge.cli.validate.findings import ConfigFinding, warning
from cni_bridge.cli.validate.json_positions import Node

CUTOFF = 0.7  # `isGatway` is near to `isGateway`; `isolate` is not to `isGateway`
MARKS = ("$", "_", "/", ".")  # editors' keys, comments, and namespaced keys

Schema = dict[str, Any]


def in_plugin(
    plugin: Node, schema: Schema, *, is_ours: bool, has_our_ipam: bool
) -> list[ConfigFinding]:
    """Return the unknown keys of a plugin's config; other plugins' keys are not checked."""
    found = []
    for key, inner in plugin.entries():
        if key.casefold() != "ipam":
            found += list(_at_key(key, inner, schema, schema)) if is_ours else []
        elif has_our_ipam:
            found += _inside(inner, _resolved(schema["properties"]["ipam"], schema), schema)
    return found


def in_list(root: Node, known: Iterable[str], schema: Schema) -> Iterator[ConfigFinding]:
    """Yield the unknown keys of a list, outside its plugins."""
    names = [*known, "plugins"]
    for key, inner in root.entries():
        if _known(key, names) or _is_marked(key):
            continue
        if name := _known(key, schema["properties"]):
            yield warning(
                inner,
                f"`{name}` belongs in a plugin, inside `plugins`; it is ignored here",
                at_key=True,
            )
        else:
            yield _unknown(key, inner, names)


def _inside(node: Node, schema: Schema, whole: Schema) -> Iterator[ConfigFinding]:
    if node.is_list:
        for inner in (node.items or {}).values():
            yield from _inside(inner, _resolved(schema.get("items", {}), whole), whole)
    elif node.items is not None:
        for key, inner in node.entries():
            yield from _at_key(key, inner, schema, whole)


def _at_key(key: str, inner: Node, schema: Schema, whole: Schema) -> Iterator[ConfigFinding]:
    properties = schema.get("properties", {})
    if name := _known(key, properties):
        if name == "capabilities":
            properties = whole["properties"]["runtimeConfig"]["properties"]
            schema = {"properties": {each: {} for each in properties}}
        else:
            schema = _resolved(properties[name], whole)
        yield from _inside(inner, schema, whole)
    elif properties and not _is_marked(key):
        yield _misplaced(key, inner, whole) or _unknown(key, inner, properties)


def _misplaced(key: str, inner: Node, whole: Schema) -> ConfigFinding | None:
    """Report a key of `ipam` outside it, or the other way round."""
    for section, place in (
        (whole["properties"]["ipam"], "in `ipam`"),
        (whole, "in the plugin, outside `ipam`"),
    ):
        if name := _known(key, section["properties"]):
            return warning(inner, f"`{name}` belongs {place}; it is ignored here", at_key=True)
    return None


def _unknown(key: str, inner: Node, known: Iterable[str]) -> ConfigFinding:
    folded = {name.casefold(): name for name in known}
    near = difflib.get_close_matches(key.casefold(), folded, n=1, cutoff=CUTOFF)
    hint = f"did you mean `{folded[near[0]]}`?" if near else ""
    return warning(inner, f"unknown key `{key}` is ignored", hint, at_key=True)


def _known(key: str, names: Iterable[str]) -> str:
    return next((name for name in names if name.casefold() == key.casefold()), "")


def _is_marked(key: str) -> bool:
    return any(mark in key for mark in MARKS)


def _resolved(schema: Schema, whole: Schema) -> Schema:
    reference = schema.get("$ref")
    return whole["definitions"][reference.rpartition("/")[2]] if reference else schema
