"""What the agent knows, in a file beside the ledger that commands read.

The file is replaced as a whole, so that a reader never sees half of it.
"""

import fcntl
import json
import os
from pathlib import Path
from typing import Any

from cni_bridge.address import parse_prefix, prefix_text
from cni_bridge.cluster import notation
from cni_bridge.cluster.model import Host, View
from cni_bridge.lean.record import record

Document = dict[str, Any]
PATTERN = "cluster-*.json"


@record
class Snapshot:
    """A cluster network as one host's agent saw it.

    Times are milliseconds of CLOCK_BOOTTIME of that boot: `written`, `heard` when the store last
    answered, `until` when the membership ends. `absent` says since when hosts have been no members.
    """

    network: str
    backend: str
    pools: tuple[str, ...]
    store: str
    endpoints: tuple[str, ...]
    me: Host
    view: View
    absent: dict[str, int]
    lost: tuple[str, ...]  # blocks with containers here that belong to another host
    problems: tuple[str, ...]
    error: str  # why the store cannot be reached; empty if it can
    skew: float | None  # seconds by which the store's clock is ahead
    written: int
    heard: int
    until: int
    mtu: int
    pid: int


def path(state_dir: str, network: str) -> Path:
    """Return the file that the network's agent writes."""
    return Path(state_dir) / f"cluster-{network}.json"


def save(state_dir: str, shot: Snapshot) -> None:
    """Write the snapshot. Raises OSError."""
    file = path(state_dir, shot.network)
    new = file.with_suffix(".new")
    new.write_text(json.dumps(_document(shot)), encoding="utf-8")
    os.replace(new, file)


def load(file: Path) -> Snapshot | None:
    """Return what an agent wrote; None if it is missing or from an incompatible version."""
    try:
        return _record(json.loads(file.read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError, notation.Malformed):
        return None


def all_of(state_dir: str) -> tuple[Snapshot, ...]:
    """Return the snapshots of all cluster networks with this ledger."""
    found = map(load, sorted(Path(state_dir).glob(PATTERN)))
    return tuple(each for each in found if each)


def lock_path(state_dir: str, network: str) -> Path:
    """Return the file that the agent of a network keeps locked while it runs."""
    return Path(state_dir) / f"cluster-{network}.lock"


def is_served(state_dir: str, network: str) -> bool:
    """Return whether an agent runs."""
    try:
        with lock_path(state_dir, network).open() as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def remove(state_dir: str, network: str) -> None:
    """Remove the snapshot after the host has left the network."""
    path(state_dir, network).unlink(missing_ok=True)


def _document(shot: Snapshot) -> Document:
    view = shot.view
    return shot.__dict__ | {
        "me": {"id": shot.me.id, **notation.host_document(shot.me)},
        "view": {
            "revision": view.revision,
            "hosts": {id: notation.host_document(host) for id, host in view.hosts.items()},
            "members": sorted(view.members),
            "blocks": {
                prefix_text(block.subnet): [block.host, block.boot_id, block.revision]
                for block in view.blocks.values()
            },
        },
    }


def _record(document: Document) -> Snapshot:
    seen, me = document["view"], document["me"]
    blocks = {
        parse_prefix(text): notation.block(
            parse_prefix(text), {"host": host, "boot_id": boot_id}, revision
        )
        for text, (host, boot_id, revision) in seen["blocks"].items()
    }
    view = View(
        revision=seen["revision"],
        hosts={id: notation.host(id, each) for id, each in seen["hosts"].items()},
        members=frozenset(seen["members"]),
        blocks=blocks,
    )
    lists = {key: tuple(document[key]) for key in ("pools", "endpoints", "lost", "problems")}
    return Snapshot(**{**document, **lists, "me": notation.host(me["id"], me), "view": view})
