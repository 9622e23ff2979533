"""Which address to take when the one whose turn it is was freed a moment ago.

What other hosts know of it may still be about its last holder. Loaded only in that case.
"""

from _bisect import bisect_left, bisect_right

from cni_bridge import address
from cni_bridge.ledger import ranges

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from cni_bridge.ledger.database import Database
    from cni_bridge.ledger.ranges import Count, Span

_RESTING = "select address from resting where network = ? and freed > ? order by row"


def listed(database: "Database", network: str, since_ms: int) -> list[bytes]:
    """The addresses freed since then, the first one first."""
    return [ip for (ip,) in database.select(_RESTING, network, since_ms)]


def prefer_rested(
    runs: "Sequence[Span]", taken: "Count", resting: "Sequence[bytes]", turn: bytes
) -> bytes:
    """The first free address in `runs` that does not rest; if all do, the one that was freed first.

    `turn` is the one whose turn it would be, so there is one.
    """
    numbers = [address.number(ip) for ip in resting if len(ip) == len(turn)]
    free = [each for each in numbers if _is_in(each, runs) and not taken(each, each)]
    ordered = sorted(free)

    def both(low: int, high: int) -> int:
        return taken(low, high) + bisect_right(ordered, high) - bisect_left(ordered, low)

    found = ranges.first_free(runs, both)
    return (free[0] if found is None else found).to_bytes(len(turn), "big")


def _is_in(number: int, runs: "Sequence[Span]") -> bool:
    return any(low <= number <= high for low, high in runs)
