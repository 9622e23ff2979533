"""Keys that the plugin ignores because it does not know them, with suggestions.

Only names are checked here; `errors` checks values.
"""

import difflib
from collections.abc import Iterable, Iterator
from typing import Any

from cni_bridge.cli.validate.findings import ConfigFinding, warning
from cni_bridge.cli.validate.json_positions import Node

CUTOFF = 0.7  # `isGatway` is near to `isGateway`; `isolate` is not to `isGateway`
SYNONYMS = {  # what other programs call it
    "ports": "portMappings",
    "cidr": "subnet",
    "masquerade": "ipMasq",
    "nat": "ipMasq",
    "gw": "gateway",
    "defaultgateway": "isDefaultGateway",
    "bridgename": "bridge",
}
OFFERED = (
    "ipam",
    "runtimeConfig",
    "dns",
    "cluster",
)  # sections whose keys are found elsewhere, too
# What a list has for all of its plugins; the runtime writes name and version into each.
LIST_KEYS = (
    *("cniVersion", "cniVersions", "name"),
    *("disableCheck", "disableGC", "loadOnlyInlinedPlugins"),
)
MARKS = ("$", "_", "/", ".")  # editors' keys, comments, and namespaced keys

Schema = dict[str, Any]


def in_plugin(
    plugin: Node, schema: Schema, *, is_ours: bool, has_our_ipam: bool, is_listed: bool
) -> list[ConfigFinding]:
    """Return the unknown keys of a plugin's config; other plugins' keys are not checked."""
    found = []
    for key, inner in plugin.entries():
        if is_ours and is_listed and _known(key, (*LIST_KEYS, "plugins")):
            found.append(_elsewhere(key, inner, "at the top of the file, not in a plugin"))
        elif key.casefold() != "ipam":
            found += list(_at_key(key, inner, schema, schema)) if is_ours else []
        elif has_our_ipam:
            found += _inside(inner, _resolved(schema["properties"]["ipam"], schema), schema)
    return found


def in_list(root: Node, schema: Schema) -> Iterator[ConfigFinding]:
    """Yield the unknown keys of a list, outside its plugins."""
    names = (*LIST_KEYS, "plugins")
    for key, inner in root.entries():
        if _known(key, names) or _is_marked(key):
            continue
        if _known(key, schema["properties"]):
            yield _elsewhere(key, inner, "in a plugin, inside `plugins`")
        else:
            yield _misplaced(key, inner, schema) or _unknown(key, inner, names, schema)


def misspelt_plugins(root: Node) -> Node | None:
    """Return the value of a key that is probably meant to be `plugins`."""
    found = [
        inner
        for key, inner in root.entries()
        if inner.is_list and difflib.get_close_matches(key.casefold(), ["plugins"], cutoff=CUTOFF)
    ]
    return found[0] if len(found) == 1 and not root.get("type") else None


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
        # `nameserver` is a key of the plugin, but in `dns` it is meant for `nameservers`.
        is_near = bool(_known(f"{key}s", properties))
        elsewhere = None if is_near else _misplaced(key, inner, whole)
        yield elsewhere or _unknown(key, inner, properties, whole)


def _misplaced(key: str, inner: Node, whole: Schema) -> ConfigFinding | None:
    """Report a key that belongs elsewhere in the config."""
    meant = SYNONYMS.get(key.casefold(), key)
    homes = ((path, _known(meant, names)) for path, names in _homes(whole, whole, ()))
    path, name = next((home for home in homes if home[1]), ((), ""))
    if not name:
        return None
    if path[:1] == ("runtimeConfig",):
        sent = path[1] if len(path) > 1 else name
        hint = f'to take it from there, write `"capabilities": {{"{sent}": true}}` in the plugin'
        text = f"`{key}` is ignored here: `{sent}` comes from the runtime"
        return warning(inner, text, hint, at_key=True)
    if name.casefold() != key.casefold():
        return None
    outside = "" if inner.path[:1] == ("plugins",) else " of a plugin, inside `plugins`"
    place = f"in `{'.'.join(path)}`{outside}" if path else "in the plugin, outside `ipam`"
    return _elsewhere(key, inner, place)


def _elsewhere(key: str, inner: Node, place: str) -> ConfigFinding:
    return warning(inner, f"`{key}` belongs {place}; it is ignored here", at_key=True)


def _homes(
    schema: Schema, whole: Schema, path: tuple[str, ...]
) -> Iterator[tuple[tuple[str, ...], tuple[str, ...]]]:
    """Yield every place of a config, the outer ones first, with the names of its keys."""
    while "items" in schema:
        schema = _resolved(schema["items"], whole)
    properties = schema.get("properties", {})
    if not path:
        yield ("ipam",), tuple(whole["properties"]["ipam"]["properties"])
    yield path, tuple(properties)
    for name in sorted(properties, key=OFFERED.__contains__, reverse=True):
        if name in OFFERED or path:
            yield from _homes(_resolved(properties[name], whole), whole, (*path, name))


def _unknown(key: str, inner: Node, known: Iterable[str], whole: Schema) -> ConfigFinding:
    """Report a key that exists nowhere, with the nearest one, here or elsewhere."""
    text = f"unknown key `{key}` is ignored"
    names = list(known)
    near = _near(key, names)
    place = ""
    for path, others in _homes(whole, whole, ()) if not near else ():
        if path[:1] != ("runtimeConfig",) and (near := _near(key, others)):
            place = f" in `{'.'.join(path)}`" if path else " in the plugin, outside `ipam`"
            break
    return warning(inner, text, f"did you mean `{near}`{place}?" if near else "", at_key=True)


def _near(key: str, names: Iterable[str]) -> str:
    """Return the name that is probably meant by a key; empty if none is near."""
    folded = {name.casefold(): name for name in names}
    if (meant := SYNONYMS.get(key.casefold(), "").casefold()) in folded:
        return folded[meant]
    near = difflib.get_close_matches(key.casefold(), folded, n=1, cutoff=CUTOFF)
    return folded[near[0]] if near else ""


def _known(key: str, names: Iterable[str]) -> str:
    return next((name for name in names if name.casefold() == key.casefold()), "")


def _is_marked(key: str) -> bool:
    return any(mark in key for mark in MARKS)


def _resolved(schema: Schema, whole: Schema) -> Schema:
    reference = schema.get("$ref")
    return whole["definitions"][reference.rpartition("/")[2]] if reference else schema
