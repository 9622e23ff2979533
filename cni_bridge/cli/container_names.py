"""What people call a container: the name that its runtime gave it, or that of its namespace."""

from collections.abc import Iterable, Mapping, Sequence

from cni_bridge.cli import units
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


def of_ledgers(ledgers: Sequence[Ledger]) -> dict[str, tuple[str, ...]]:
    """Return the names of every recorded container, by id."""
    given = recorded(ledgers)
    found: dict[str, tuple[str, ...]] = {}
    for each in (holding for ledger in ledgers for holding in ledger.holdings()):
        container = each.attachment.container
        names = every(container, each.netns.path, given.get(container, ()))
        found[container] = found.get(container) or names
    return found


def titles(names: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """Return what to call each of these containers, by id: its best name, or its id.

    Where another container has the same name, the id is added.
    """
    held = [own[0] for own in names.values() if own]
    return {
        container: _title(container, *own[:1], is_shared=bool(own) and held.count(own[0]) > 1)
        for container, own in names.items()
    }


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


def _title(container: str, name: str = "", *, is_shared: bool = False) -> str:
    identity = units.short(container)
    return f"{name} ({identity})" if is_shared else name or identity
