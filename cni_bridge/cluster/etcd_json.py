"""Keys, values and requests in etcd's JSON. Pure."""

from base64 import b64decode, b64encode
from typing import Any

from cni_bridge.lean.record import record

Document = dict[str, Any]


@record
class Entry:
    """A key as it was at a revision; `lease` 0: it does not expire."""

    key: str
    value: str
    revision: int
    lease: int
    is_deleted: bool


def entry(document: Document, *, is_deleted: bool = False) -> Entry:
    """Parse one of `kvs`, or the `kv` of an event. Numbers are strings there, and omitted if 0."""
    return Entry(
        key=b64decode(document["key"]).decode(errors="replace"),
        value=b64decode(document.get("value", "")).decode(errors="replace"),
        revision=int(document.get("mod_revision", 0)),
        lease=int(document.get("lease", 0)),
        is_deleted=is_deleted,
    )


def event(document: Document) -> Entry:
    """Parse one of a watch's `events`."""
    return entry(document["kv"], is_deleted=document.get("type") == "DELETE")


# ---------------------------------------------------------------- which keys


def one(key: str) -> Document:
    """Return the request for this key."""
    return {"key": _encoded(key)}


def below(prefix: str) -> Document:
    """Return the request for all keys with this prefix, which ends in a slash."""
    return {"key": _encoded(prefix), "range_end": _encoded(prefix[:-1] + chr(ord(prefix[-1]) + 1))}


# ---------------------------------------------------------------- what a transaction does


def get(key: str) -> Document:
    """Return the operation that reads the key."""
    return {"request_range": one(key)}


def put(key: str, value: str, lease: int = 0) -> Document:
    """Return the operation that writes the key, to last as long as the lease."""
    return {"request_put": {**one(key), "value": _encoded(value), "lease": str(lease)}}


def delete(key: str) -> Document:
    """Return the operation that removes the key."""
    return {"request_delete_range": one(key)}


# ---------------------------------------------------------------- on what condition


def is_at(key: str, revision: int) -> Document:
    """Return the condition that the key is unchanged since this revision; 0: that it does not exist."""
    return _compare(one(key), "MOD", {"mod_revision": str(revision)})


def is_value(key: str, value: str) -> Document:
    """Return the condition that the key has this value."""
    return _compare(one(key), "VALUE", {"value": _encoded(value)})


def is_leased(key: str, lease: str) -> Document:
    """Return the condition that the key is attached to this lease, which still exists."""
    return _compare(one(key), "LEASE", {"lease": lease})


def none_below(prefix: str) -> Document:
    """Return the condition that no key has this prefix."""
    return _compare(below(prefix), "CREATE", {"create_revision": "0"})


def _compare(keys: Document, target: str, value: Document) -> Document:
    return {**keys, "target": target, "result": "EQUAL", **value}


def _encoded(text: str) -> str:
    return b64encode(text.encode()).decode()
