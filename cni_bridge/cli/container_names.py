"""What people call a container: the name that its runtime gave it, or that of its namespace."""

from collections.abc import Iterable, Sequence

from cni_bridge.lean.record import record
from cni_bridge.ledger import container_names as recorded_names
from cni_bridge.ledger.store import Ledger


@record
class Known:
    """A container's id, the names that it also has, and its addresses without prefix lengths."""

    container: str
    names: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()


def recorded(ledgers: Iterable[Ledger]) -> dict[str, tuple[str, ...]]:
    """Return the names that runtimes gave to containers, by id: the own name, then aliases.

    An own name of a Kubernetes namespace is also there without it.
    """
    found: dict[str, dict[str, None]] = {}
    for ledger in ledgers:
        for attachment, names in recorded_names.named(ledger.database).items():
            every = (recorded_names.text(names), names.own, *names.aliases)
            found.setdefault(attachment.container, {}).update(dict.fromkeys(filter(None, every)))
    return {container: tuple(names) for container, names in found.items()}


def every(container: str, path: str, given: Sequence[str] = ()) -> tuple[str, ...]:
    """Return the names of a container, the best first; none if it has only an id."""
    names = (*given, recorded_names.of_namespace(path))
    return tuple(dict.fromkeys(each for each in names if each not in ("", container)))


def matching(which: str, known: Iterable[Known]) -> tuple[str, ...]:
    """Return the ids of the containers that `which` may mean: an id, name, address or id's beginning.

    What matches exactly goes before what only begins so.
    """
    everything = tuple(known)
    exact = (
        lambda each: each.container == which,
        lambda each: which in each.names,
        lambda each: which in each.addresses,
        lambda each: each.container.startswith(which),
    )
    for is_meant in exact:
        if found := tuple(dict.fromkeys(each.container for each in everything if is_meant(each))):
            return found
    return ()
