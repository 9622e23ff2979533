"""Termination signals: they undo an ADD and never interrupt a removal. Also a time limit for calls
that only a signal can interrupt.

Uses `_signal` directly, because `signal` imports `enum`.
"""

from cni_bridge import errors

try:
    import _signal as signal  # type: ignore[import-not-found]  # not in typeshed
except ImportError:  # the interpreter renamed its private module: slower, but works
    import signal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    T = TypeVar("T")

TERMINATION = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def hold() -> None:
    """Block termination signals: what to undo is not known yet."""
    signal.pthread_sigmask(signal.SIG_BLOCK, TERMINATION)


def undoing(work: "Callable[[], T]", undo: "Callable[[BaseException], None]") -> "T":
    """Return what `work` returns; if it fails or a termination signal arrives, run `undo`.

    A signal, held or new, raises TryAgainLater inside `work` once. After that signals are ignored,
    so that neither `undo` nor the writing of a result is interrupted.
    """
    try:
        try:
            _handle(_raise)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, TERMINATION)
            return work()
        finally:
            ignore()  # a signal arriving here still raises: hence the outer `try`
    except BaseException as error:
        undo(error)
        raise


def limit(seconds: float, give_up: "Callable[[int, object], None]") -> None:
    """Call `give_up` after `seconds`; 0 lifts the limit."""
    signal.signal(signal.SIGALRM, give_up)
    signal.setitimer(signal.ITIMER_REAL, seconds)


def ignore() -> None:
    """Ignore termination signals: a removal that has begun is finished."""
    _handle(signal.SIG_IGN)


def _raise(number: int, _frame: object) -> None:
    ignore()
    raise errors.TryAgainLater(f"interrupted by signal {number}", "the runtime gave up on this ADD")


def _handle(handler: object) -> None:
    for number in TERMINATION:
        signal.signal(number, handler)
