"""Connectivity in the lab: one ICMP echo from every namespace to every address, all at once."""

from collections.abc import Iterable
from contextlib import ExitStack

from cni_bridge.cli import icmp
from cni_bridge.cli.lab import namespaces

Pair = tuple[str, str]  # from a namespace to an address


def reachable(names: Iterable[str], addresses: Iterable[str]) -> set[Pair]:
    """Return the pairs whose address answers within a second."""
    targets = tuple(addresses)
    with ExitStack() as stack:
        senders = {
            name: stack.enter_context(namespaces.work_in(name, icmp.sender)) for name in names
        }
        pairs = [(name, address) for name in senders for address in targets]
        heard = icmp.answered([(senders[name], address, 0) for name, address in pairs])
    return {pairs[place] for place in heard}
