"""A view of a network from etcd's keys, or from an earlier view and the changes since. Pure."""

from collections.abc import Iterable
from typing import Any

from cni_bridge.address import Prefix, first, parse_prefix, prefix_text
from cni_bridge.cluster import notation
from cni_bridge.cluster.etcd_json import Entry
from cni_bridge.cluster.model import View

NOTHING_YET = View(revision=0, hosts={}, members=frozenset(), blocks={})


def folded(root: str, changed: Iterable[Entry], view: View = NOTHING_YET) -> View:
    """Return the view after these changes, in their order; the same one if there are none.

    A malformed record belongs to no host; leasing its key reports it.
    """
    tables: dict[str, dict[Any, Any]] = {
        "hosts": dict(view.hosts),
        "members": dict.fromkeys(view.members),
        "blocks": dict(view.blocks),
        "names": dict(view.names),
    }
    malformed = dict(view.malformed)
    revision = view.revision
    for entry in changed:
        revision = max(revision, entry.revision)
        kind, _, name = entry.key.removeprefix(root).partition("/")
        if kind in tables:
            _change(tables[kind], malformed, f"{kind}/{name}", entry)
    if revision == view.revision:
        return view
    return View(
        revision=revision,
        hosts=tables["hosts"],
        members=frozenset(tables["members"]),
        blocks=tables["blocks"],
        malformed=malformed,
        names=tables["names"],
    )


def _change(
    table: dict[Any, Any], malformed: dict[str, Prefix | None], name: str, entry: Entry
) -> None:
    kind, _, rest = name.partition("/")
    malformed.pop(name, None)
    try:
        key: Any = _subnet(rest) if kind == "blocks" else rest
    except notation.Malformed:
        if not entry.is_deleted:
            malformed[name] = None
        return
    table.pop(key, None)
    if entry.is_deleted:
        return
    try:
        table[key] = _record(kind, key, entry)
    except notation.Malformed:
        malformed[name] = key if kind == "blocks" else None


def block_name(subnet: Prefix) -> str:
    """Return the last part of a block's key; no other spelling is a block."""
    return prefix_text(subnet).replace("/", "-")


def _subnet(name: str) -> Prefix:
    try:
        found = parse_prefix(name.replace("-", "/"))
    except ValueError as error:
        raise notation.Malformed("its name is not a subnet") from error
    if name != block_name(found) or first(found) != found.ip:
        raise notation.Malformed("its name is not that of its block")
    return found


def _record(kind: str, key: Any, entry: Entry) -> Any:
    if kind == "hosts":
        return notation.host(key, notation.decoded(entry.value))
    if kind == "blocks":
        return notation.block(key, notation.decoded(entry.value), entry.revision)
    if kind == "names":
        return notation.names(entry.value)
    return None
