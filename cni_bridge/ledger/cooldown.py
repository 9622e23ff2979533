"""Choose another address when the next one in turn was freed a moment ago, or is remembered for a name.

Other hosts' neighbour entries for it may still name its last holder. Loaded only in that case.
"""

from _bisect import bisect_left, bisect_right

from cni_bridge import address
from cni_bridge.ledger import ranges

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from cni_bridge.ledger.database import Database
    from cni_bridge.ledger.ranges import Count, Span

_COOLING_DOWN = "select address from resting where network = ? and freed > ? order by row"


def cooling_down(database: "Database", network: str, since_ms: int) -> list[bytes]:
    """Return the addresses freed since then, the longest-freed first."""
    return [ip for (ip,) in database.select(_COOLING_DOWN, network, since_ms)]


def prefer_others(
    runs: "Sequence[Span]", taken: "Count", avoided: "Sequence[bytes]", turn: bytes
) -> bytes:
    """Return the first free address in `runs` that is not avoided, or else the first that is.

    `turn` is the free address whose turn it would be, so there is always one.
    """
    numbers = [address.number(ip) for ip in avoided if len(ip) == len(turn)]
    free = [each for each in numbers if _is_in(each, runs) and not taken(each, each)]
    ordered = sorted(free)

    def both(low: int, high: int) -> int:
        return taken(low, high) + bisect_right(ordered, high) - bisect_left(ordered, low)

    found = ranges.first_free(runs, both)
    return (free[0] if found is None else found).to_bytes(len(turn), "big")


def _is_in(number: int, runs: "Sequence[Span]") -> bool:
    return any(low <= number <= high for low, high in runs)
