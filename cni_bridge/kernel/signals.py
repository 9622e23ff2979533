"""Termination by the runtime: SIGTERM and SIGINT undo an ADD, and never stop a removal half-way.

`_signal` directly, as `signal` imports `enum`.
"""

from cni_bridge.errors import TryAgainLater

try:
    import _signal as signal  # type: ignore[import-not-found]  # not in typeshed
except ImportError:  # an interpreter that renamed its private module still works, only slower
    import signal

TERMINATION = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def interrupt() -> None:
    """From now on a termination signal raises TryAgainLater."""
    for number in TERMINATION:
        signal.signal(number, _raise)


def ignore() -> None:
    """From now on termination signals are ignored: what is being removed gets removed."""
    for number in TERMINATION:
        signal.signal(number, signal.SIG_IGN)


def _raise(number: int, _frame: object) -> None:
    raise TryAgainLater(f"interrupted by signal {number}", "the runtime gave up on this ADD")
