"""What the tests' own process inherits from the shell that started it."""

import os
import signal

# Ignored under `nohup` and in background jobs of scripts, and then by every program below.
OFTEN_IGNORED = (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT)


def let_children_take_signals() -> None:
    """Handle ignored signals by doing nothing: execve(2) then gives programs the default.

    Python's own `SIG_IGN` would be inherited, and a program under test that is to die by SIGHUP would not.
    """
    for number in OFTEN_IGNORED:
        is_worker = (
            "PYTEST_XDIST_WORKER" in os.environ
        )  # one of the programs below; it stays as well
        if signal.getsignal(number) == signal.SIG_IGN or (is_worker and number == signal.SIGHUP):
            signal.signal(number, _do_nothing)


def _do_nothing(*_: object) -> None:
    """Return to what was interrupted."""
