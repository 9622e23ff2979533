"""What this run has done so far, and when: a process is one call, so it has one such list.

Nothing is written or decided here; `journal` reports the list when the call is over.
"""

from time import monotonic_ns

_taken: list[tuple[str, int]] = []


def begin() -> None:
    """The first step begins now."""
    _taken[:] = [("", monotonic_ns())]


def done(what: str) -> None:
    """A step is over, which began when the one before it was over."""
    _taken.append((what, monotonic_ns()))


def durations() -> list[tuple[str, int]]:
    """Each step with its microseconds; the last, without a name, is what came after them."""
    done("")
    return [(what, (at - _taken[i][1]) // 1000) for i, (what, at) in enumerate(_taken[1:])]
