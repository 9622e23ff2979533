"""Check ranges and range sets, and decide the order in which their addresses are tried.

Pure: no files, no clock, no ledger. The error texts are host-local's, which people search for.
"""

from cni_bridge import address, errors
from cni_bridge.address import Prefix
from cni_bridge.model import Lease, Range, RangeSet

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    Span = tuple[int, int]  # first and last address of a run, as numbers
    Count = Callable[[int, int], int]  # how many of the addresses of a run are taken

_WIDEST = 4096  # halving a wider window would count most of it a second time


# ---------------------------------------------------------------- what a config may say


def make_range(
    subnet: Prefix, start: bytes | None, end: bytes | None, gateway: bytes | None
) -> Range:
    """Return a range with host-local's defaults. Raises ValueError.

    The gateway may lie outside of the range, and outside of the subnet only if it is link-local
    (RFC 4861: routers advertise such an address). Its default is network + 1; that is also the
    range's first address, which is then skipped when leasing.
    """
    name = address.prefix_text(subnet)
    if subnet.length > address.bits(subnet.ip) - 2:
        raise ValueError(f"Network {name} too small to allocate from")
    network = address.first(subnet)
    if subnet.ip != network:
        raise ValueError(
            f"Network has host bits set. For a subnet mask of length {subnet.length} "
            f"the network address is {address.text(network)}"
        )
    lowest = address.offset(network, 1)
    if kind := address.special(lowest):
        raise ValueError(f"Network {name}: expected addresses of interfaces, found {kind}")
    if gateway is not None and not _is_reachable(subnet, gateway):
        raise ValueError(f"gateway {address.text(gateway)} not in network {name}")
    # Source: host-local tests the start against a given end, so `start > end` blames the start.
    if start is not None and not _is_between(subnet, start, network, end):
        raise ValueError(f"RangeStart {address.text(start)} not in network {name}")
    start = start or lowest
    if end is not None and not _is_between(subnet, end, start, None):
        raise ValueError(f"RangeEnd {address.text(end)} not in network {name}")
    end = end or _highest(subnet)
    if start > end:  # an IPv4 range that starts at the broadcast address, its end not given
        raise ValueError(f"RangeStart {address.text(start)} not in network {name}")
    return Range(subnet=subnet, start=start, end=end, gateway=gateway or lowest)


def check_sets(range_sets: tuple[RangeSet, ...]) -> None:
    """Raise ValueError unless every set has one family and no address is in two ranges."""
    if not range_sets:
        raise ValueError("no IP ranges specified")
    for index, range_set in enumerate(range_sets):
        try:
            _check_set(range_set)
        except ValueError as error:
            raise ValueError(f"invalid range set {index}: {error}") from None
        for earlier in range(index):
            if any(_overlap(a, b) for a in range_sets[earlier] for b in range_set):
                raise ValueError(f"range set {earlier} overlaps with {index}")


# ---------------------------------------------------------------- what a claim needs


def assign(
    range_sets: tuple[RangeSet, ...], requested: tuple[bytes, ...]
) -> tuple[bytes | None, ...]:
    """Return for each range set the requested address that lies in it, or None.

    Raises InvalidConfig if an address is a gateway, or no set is left for it.
    """
    left = list(dict.fromkeys(requested))  # the same address may come by several keys
    chosen: list[bytes | None] = []
    for range_set in range_sets:
        ip = next((ip for ip in left if _holds(range_set, ip)), None)
        chosen.append(ip)
        if ip is None:
            continue
        left.remove(ip)
        if any(ip == each.gateway for each in range_set):
            raise errors.InvalidConfig(f"requested ip {address.text(ip)} is subnet's gateway")
    if left:
        unmet = " ".join(map(address.text, left))
        pools = "; ".join(map(set_text, range_sets)) or "none"
        raise errors.InvalidConfig(
            f"failed to allocate all requested IPs: {unmet}",
            f"One address is taken from each range set. The range sets: {pools}.",
        )
    return tuple(chosen)


def lease(range_set: RangeSet, ip: bytes) -> Lease:
    """Return the lease of an address, with the prefix length and gateway of its range."""
    (source,) = (each for each in range_set if _contains(each, ip))
    return Lease(address=Prefix(ip=ip, length=source.subnet.length), gateway=source.gateway)


def offers(range_set: RangeSet, ip: bytes) -> bool:
    """Return whether an address of the set can be leased: it is in it, and no gateway."""
    return _holds(range_set, ip) and all(ip != each.gateway for each in range_set)


def sweep(range_set: RangeSet, last: bytes | None = None) -> "Iterator[Span]":
    """Yield the runs of addresses that can be leased, in the order in which to try them.

    They begin after `last`, the address leased most recently, and wrap around to end with it, so
    that a freed address is reused late. A `last` that no range contains (the config was changed)
    is ignored. No run contains a gateway of the set.
    """
    runs = [(address.number(each.start), address.number(each.end)) for each in range_set]
    for at, each in enumerate(range_set):
        if last is not None and _contains(each, last):
            (low, high), middle = runs[at], address.number(last)
            runs = [(middle + 1, high), *runs[at + 1 :], *runs[:at], (low, middle)]
            break
    gateways = sorted({address.number(each.gateway) for each in range_set})
    for run in runs:
        yield from _without(gateways, *run)


def first_free(spans: "Iterable[Span]", taken: "Count") -> int | None:
    """Return the first address that is not taken.

    Counts in windows of doubling width until one has a free address, then halves that one: a few
    queries, however many addresses are taken and however many there are.
    """
    for low, high in spans:
        width = 1
        while low <= high:
            end = min(low + width - 1, high)
            if taken(low, end) <= end - low:
                return _first_free_within(low, end, taken)
            low, width = end + 1, min(width * 2, _WIDEST)
    return None


def size(range_set: RangeSet) -> int:
    """Return how many addresses of the set can be leased."""
    return sum(high - low + 1 for low, high in sweep(range_set))


def set_text(range_set: RangeSet) -> str:
    """Return a range set as text: `10.1.0.1-10.1.0.254,10.2.0.1-10.2.0.254`."""
    return ",".join(map(range_text, range_set))


def range_text(each: Range) -> str:
    """Return a range as text: `10.1.0.1-10.1.0.254`."""
    return f"{address.text(each.start)}-{address.text(each.end)}"


# ---------------------------------------------------------------- helpers


def _highest(subnet: Prefix) -> bytes:
    last = address.last(subnet)
    return address.offset(last, -1) if len(last) == 4 else last  # IPv6 has no broadcast address


def _is_reachable(subnet: Prefix, gateway: bytes) -> bool:
    return address.contains(subnet, gateway) or (
        len(subnet.ip) == 16 and address.is_link_local(gateway)
    )


def _is_between(subnet: Prefix, ip: bytes, low: bytes, high: bytes | None) -> bool:
    return address.contains(subnet, ip) and low <= ip and (high is None or ip <= high)


def _check_set(range_set: RangeSet) -> None:
    if not range_set:
        raise ValueError("empty range set")
    if len({len(each.start) for each in range_set}) > 1:
        raise ValueError("mixed address families")
    for index, one in enumerate(range_set):
        for other in range_set[index + 1 :]:
            if _overlap(one, other):
                raise ValueError(f"subnets {range_text(one)} and {range_text(other)} overlap")


def _overlap(one: Range, other: Range) -> bool:
    return _contains(one, other.start) or _contains(other, one.start)


def _holds(range_set: RangeSet, ip: bytes) -> bool:
    return any(_contains(each, ip) for each in range_set)


def _contains(each: Range, ip: bytes) -> bool:
    return len(ip) == len(each.start) and each.start <= ip <= each.end


def _without(gateways: list[int], low: int, high: int) -> "Iterator[Span]":
    for gateway in gateways:
        if low <= gateway <= high:
            if low < gateway:
                yield low, gateway - 1
            low = gateway + 1
    if low <= high:
        yield low, high


def _first_free_within(low: int, high: int, taken: "Count") -> int:
    while low < high:
        middle = (low + high) // 2
        if taken(low, middle) <= middle - low:
            high = middle
        else:
            low = middle + 1
    return low
