"""A view of a network from etcd's keys, or from an earlier view and the changes since. Pure."""

import json
from collections.abc import Iterable
from typing import Any

from cni_bridge.address import parse_prefix
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
    }
    revision = view.revision
    for entry in changed:
        revision = max(revision, entry.revision)
        kind, _, name = entry.key.removeprefix(root).partition("/")
        if kind in tables:
            _change(tables[kind], kind, name, entry)
    if revision == view.revision:
        return view
    return View(
        revision=revision,
        hosts=tables["hosts"],
        members=frozenset(tables["members"]),
        blocks=tables["blocks"],
    )


def _change(table: dict[Any, Any], kind: str, name: str, entry: Entry) -> None:
    try:
        key: Any = parse_prefix(name.replace("-", "/")) if kind == "blocks" else name
        if entry.is_deleted:
            table.pop(key, None)
        elif kind == "hosts":
            table[key] = notation.host(name, json.loads(entry.value))
        elif kind == "blocks":
            table[key] = notation.block(key, json.loads(entry.value), entry.revision)
        else:
            table[key] = None
    except (KeyError, TypeError, ValueError):
        pass
