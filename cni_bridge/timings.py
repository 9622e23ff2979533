"""The steps of this run and how long each took; a process is one call, so there is one list.

`journal` records it when the call ends.
"""

from time import monotonic_ns

_ends: list[tuple[str, int]] = []


def begin() -> None:
    """Start timing the first step."""
    _ends[:] = [("", monotonic_ns())]


def done(step: str) -> None:
    """Record the end of a step, which began when the previous one ended."""
    _ends.append((step, monotonic_ns()))


def durations() -> list[tuple[str, int]]:
    """Return each step with its microseconds; the last, unnamed, is the rest of the run."""
    done("")
    return [(step, (at - _ends[i][1]) // 1000) for i, (step, at) in enumerate(_ends[1:])]
