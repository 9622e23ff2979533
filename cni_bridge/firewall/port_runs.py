"""Arithmetic of published ports: consecutive ones are one record.

Pure. `nft_elements` says which elements a record becomes.
"""

from cni_bridge.firewall.model import PublishedPort
from cni_bridge.lean.record import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence


def merged(
    ports: "Iterable[PublishedPort]",
    clash: "Callable[[PublishedPort, PublishedPort], Exception]",
) -> tuple[PublishedPort, ...]:
    """Return each port once, consecutive ones as one. Raises `clash` for a port that leads to two."""
    by_place: dict[tuple[int, bytes], list[PublishedPort]] = {}
    for port in ports:
        by_place.setdefault((port.protocol, port.host_ip), []).append(port)
    return tuple(run for some in by_place.values() for run in _runs(some, clash))


def without(port: PublishedPort, others: "Iterable[PublishedPort]") -> tuple[PublishedPort, ...]:
    """Return what is left of a port where others have none of its numbers, whatever they lead to."""
    left, start, end = [], port.host_port, port.host_port + port.count
    for other in sorted(others, key=_number):
        if start < other.host_port:
            left.append(between(port, start, min(end, other.host_port)))
        start = max(start, other.host_port + other.count)
    left.append(between(port, start, end))
    return tuple(each for each in left if each.count > 0)


def between(port: PublishedPort, start: int, end: int) -> PublishedPort:
    """Return the part of a port from one host port to before another; its count may be below 1."""
    start, end = max(start, port.host_port), min(end, port.host_port + port.count)
    moved = start - port.host_port
    return replace(
        port, host_port=start, container_port=port.container_port + moved, count=end - start
    )


def common(port: PublishedPort, others: "Iterable[PublishedPort]") -> tuple[PublishedPort, ...]:
    """Return the parts of a port whose numbers others have too."""
    parts = (
        between(port, other.host_port, other.host_port + other.count)
        for other in sorted(others, key=_number)
    )
    return tuple(each for each in parts if each.count > 0)


def overlap(one: PublishedPort, other: PublishedPort) -> bool:
    """Return whether both have a number of one protocol."""
    return (
        one.protocol == other.protocol
        and one.host_port < other.host_port + other.count
        and other.host_port < one.host_port + one.count
    )


def overlapping(
    runs: "Sequence[PublishedPort]", port: PublishedPort
) -> "tuple[PublishedPort, ...]":
    """Return those of a protocol's runs that have numbers of a port. They are sorted and apart."""
    low, high = 0, len(runs)
    while low < high:
        middle = (low + high) // 2
        if runs[middle].host_port + runs[middle].count <= port.host_port:
            low = middle + 1
        else:
            high = middle
    high = low
    while high < len(runs) and runs[high].host_port < port.host_port + port.count:
        high += 1
    return tuple(runs[low:high])


def is_meant(port: PublishedPort, wanted: PublishedPort) -> bool:
    """Return whether a port has a number of the one wanted, at its host address if that is given."""
    return overlap(wanted, port) and wanted.host_ip in (b"", port.host_ip)


def shift(port: PublishedPort) -> int:
    """Return how far the container's numbers are from the host's."""
    return port.container_port - port.host_port


def _runs(
    ports: "list[PublishedPort]",
    clash: "Callable[[PublishedPort, PublishedPort], Exception]",
) -> "Iterator[PublishedPort]":
    """Yield the ports of one protocol and host address."""
    run, end, moved = None, 0, 0
    for port in sorted(ports, key=_number):
        start, its = port.host_port, shift(port)
        if run is None or end < start or (end == start and moved != its):
            if run:
                yield run
            run, end, moved = port, start + port.count, its
        elif moved != its:
            raise clash(run, port)
        else:
            end = max(end, start + port.count)
            run = replace(run, count=end - run.host_port)
    if run:
        yield run


def _number(port: PublishedPort) -> int:
    return port.host_port
