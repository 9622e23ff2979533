"""Termination by the runtime: SIGTERM and SIGINT undo an ADD, and never stop a removal half-way; and
a limit of time for what a signal alone can interrupt.

`_signal` directly, as `signal` imports `enum`.
"""

from cni_bridge import errors

try:
    import _signal as signal  # type: ignore[import-not-found]  # not in typeshed
except ImportError:  # an interpreter that renamed its private module still works, only slower
    import signal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    T = TypeVar("T")

TERMINATION = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def hold() -> None:
    """From now on termination signals wait: what is to be undone is not known yet."""
    signal.pthread_sigmask(signal.SIG_BLOCK, TERMINATION)


def undoing(work: "Callable[[], T]", undo: "Callable[[BaseException], None]") -> "T":
    """What `work` returns; if it fails, or a termination signal comes or was held, `undo` is run.

    Signals raise TryAgainLater inside of `work`, once, and are ignored afterwards, so that neither
    the undoing nor the writing of a result is stopped half-way.
    """
    try:
        try:
            _handle(_raise)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, TERMINATION)
            return work()
        finally:
            ignore()  # one that comes here still raises: hence the outer `try`
    except BaseException as error:
        undo(error)
        raise


def limit(seconds: float, give_up: "Callable[[int, object], None]") -> None:
    """Call `give_up` after so many seconds, unless the limit is lifted by 0."""
    signal.signal(signal.SIGALRM, give_up)
    signal.setitimer(signal.ITIMER_REAL, seconds)


def ignore() -> None:
    """From now on termination signals are ignored: what is being removed gets removed."""
    _handle(signal.SIG_IGN)


def _raise(number: int, _frame: object) -> None:
    ignore()
    raise errors.TryAgainLater(f"interrupted by signal {number}", "the runtime gave up on this ADD")


def _handle(handler: object) -> None:
    for number in TERMINATION:
        signal.signal(number, handler)
