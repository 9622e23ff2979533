"""What people call a container: the name that its runtime gave it, or that of its namespace."""

import os
import re
from collections.abc import Iterable

from cni_bridge.lean.record import record

NAMED = ("/run/netns", "/var/run/netns")  # where `ip netns` keeps namespaces by name
# What runtimes put there: containerd `cni-UUID`, podman `netns-UUID`, CRI-O a UUID.
GENERATED = re.compile("(cni-|netns-)?[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@record
class Known:
    """A container's id, the names that it also has, and its addresses without prefix lengths."""

    container: str
    names: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()


def of_namespace(path: str) -> str:
    """Return the name of a namespace that `ip netns` lists under one; empty for any other."""
    directory, _, name = path.rpartition("/")
    return name if directory in NAMED and not GENERATED.fullmatch(name) else ""


def name(container: str, path: str, recorded: str = "") -> str:
    """Return a container's name; empty if it has only an id.

    `recorded` is what the runtime called it; after `NAMESPACE/` if that is not the default one.
    """
    return recorded or ("" if of_namespace(path) == container else of_namespace(path))


def matching(which: str, known: Iterable[Known]) -> tuple[str, ...]:
    """Return the ids of the containers that `which` may mean: an id, name, address or id's beginning.

    What matches exactly goes before what only begins so.
    """
    everything = tuple(known)
    exact = (
        lambda each: each.container == which,
        lambda each: which in each.names or which in (os.path.basename(one) for one in each.names),
        lambda each: which in each.addresses,
        lambda each: each.container.startswith(which),
    )
    for is_meant in exact:
        if found := tuple(dict.fromkeys(each.container for each in everything if is_meant(each))):
            return found
    return ()
