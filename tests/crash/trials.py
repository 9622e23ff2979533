"""One disturbance and all that has to be true afterwards.

Each trial leaves the stage as it found it, or raises AssertionError with what is wrong.
"""

import json
from collections.abc import Callable

from tests.crash.points import Point
from tests.crash.stage import Stage
from tests.lab import Run, state

Trial = Callable[[Stage, str, Point], str]  # what it disturbed: the outcome, empty if not reached

REFUSED = (11, 102, 112)  # an ADD that finds an earlier one: try again, DEL first
FAULTS = {
    "openat": ("EMFILE", "EPERM", "EIO"),
    "read": ("EIO", "EINTR"),
    "pread64": ("EIO", "EINTR"),
    "pwrite64": ("ENOSPC", "EIO", "EINTR"),
    "write": ("ENOSPC", "EIO", "EINTR"),
    "fcntl": ("ENOLCK", "EINTR", "EBUSY"),
    "unlink": ("EBUSY", "EIO"),
    "sendto": ("ENOBUFS", "EPERM", "EINTR"),
    "recvfrom": ("ENOMEM", "EINTR"),
    "socket": ("EMFILE", "EPERM"),
    "ioctl": ("EPERM", "EBUSY"),
    "poll": ("ENOMEM", "EINTR"),
    "setns": ("EPERM", "ENOMEM"),
}
ANY_FAULT = ("ENOMEM", "EIO", "EPERM")


# ---------------------------------------------------------------- killed


def by_del(stage: Stage) -> None:
    """Recover by the runtime's DEL."""
    stage.run("DEL").assert_silent_success()


def by_del_without_netns(stage: Stage) -> None:
    """Recover by a DEL after the namespace has been deleted."""
    stage.delete_without_netns().assert_silent_success()


def by_gc(stage: Stage) -> None:
    """Recover by a GC that does not list the victim."""
    stage.collect(stage.neighbour).assert_silent_success()


def by_gc_that_spares_it(stage: Stage) -> None:
    """Recover by a DEL, after a GC that lists the victim and so removes nothing."""
    before = state.of_kernel()
    stage.collect(stage.neighbour, stage.victim).assert_silent_success()
    taken = state.differences(before - state.of_kernel(), frozenset())  # more may have come
    assert not taken, "GC took what is valid:\n" + "\n".join(taken)
    stage.run("DEL").assert_silent_success()


def by_add(stage: Stage) -> None:
    """Recover by the next ADD of the same container, which works or says what to do, and a DEL."""
    run = stage.run("ADD")
    if run.status == 0:
        stage.is_attached(stage.victim)
    else:
        assert run.error()["code"] in REFUSED, run
    stage.run("DEL").assert_silent_success()


def by_disconnect(stage: Stage) -> None:
    """Recover by `disconnect`, which knows whatever `connect` has left."""
    run = stage.change("disconnect")
    assert run.status == 0 or "is not attached to net-a" in run.stderr, run


RECOVERIES = {
    "DEL": by_del,
    "DEL without netns": by_del_without_netns,
    "GC": by_gc,
    "GC that lists it": by_gc_that_spares_it,
    "ADD again": by_add,
}


def kill(recover: Callable[[Stage], None]) -> Trial:
    """SIGKILL, then what puts everything right."""

    def trial(stage: Stage, command: str, point: Point) -> str:
        run = stage.disturbed(command, point, "signal=KILL")
        _assert_protected(stage, run)
        recover(stage)
        _assert_nothing_left(stage, run)
        stage.works(stage.victim if point.number % 2 else stage.other)
        return "killed" if run and run.status != 0 else "a child killed" if run else ""

    return trial


# ---------------------------------------------------------------- refused by the kernel


def fault(index: int, signal: str = "") -> Trial:
    """One of the errors that the call can give; with a signal, both at once."""

    def trial(stage: Stage, command: str, point: Point) -> str:
        errors = FAULTS.get(point.call, ANY_FAULT)
        what = f"error={errors[index % len(errors)]}"
        run = stage.disturbed(command, point, what + (f":signal={signal}" if signal else ""))
        return _judged(stage, command, point, run)

    return trial


def terminate(signal: str) -> Trial:
    """Return a signal that asks the run to end."""

    def trial(stage: Stage, command: str, point: Point) -> str:
        run = stage.disturbed(command, point, f"signal={signal}")
        return _judged(stage, command, point, run)

    return trial


def _judged(stage: Stage, command: str, point: Point, run: Run | None) -> str:
    """Return a success that is true, or a failure that says so and leaves nothing."""
    outcome = _outcome(run, point) if run else ""
    _assert_protected(stage, run)
    if run and "its record is left" in run.stderr:  # a success that says what a DEL has to end
        stage.run("DEL").assert_silent_success()
    elif run is None or run.status == 0:
        if command == "ADD":
            stage.is_attached(stage.victim)
            stage.run("DEL").assert_silent_success()
    elif command == "DEL" or "rolling back" in run.stdout:
        stage.run("DEL").assert_silent_success()
    _assert_nothing_left(stage, run)
    return outcome


def _outcome(run: Run, point: Point) -> str:
    if run.status == 0:
        document = json.loads(run.stdout) if run.stdout else {}
        assert "code" not in document, f"success with an error: {run}"
        return "succeeded"
    if not run.stdout and (run.status < 0 or not point.is_own):
        return "died before it began"
    if not run.stdout and point.call == "write":
        return "could not print"
    error = run.error()
    assert "Traceback" not in run.stdout, run
    assert error["code"] != 999, f"reported as a bug: {run}"
    return "failed, rollback too" if "rolling back" in run.stdout else "failed"


def _assert_protected(stage: Stage, run: Run | None) -> None:
    """Assert that what a failed run has left attached is protected until it is removed."""
    lacking = stage.unprotected()
    assert not lacking, "\n".join((f"{run} left unprotected:", *lacking))


def _assert_nothing_left(stage: Stage, run: Run | None) -> None:
    left = stage.left()
    if run and "route_localnet can't be set" in run.stderr:  # the next DEL does
        left = [line for line in left if "route_localnet" not in line]
    assert not left, "\n".join((f"{run} left behind:", *left))
    stage.assert_unharmed()


TRIALS: dict[str, Trial] = {
    **{f"SIGKILL, then {name}": kill(recover) for name, recover in RECOVERIES.items()},
    "SIGKILL, then disconnect": kill(by_disconnect),
    **{signal: terminate(signal) for signal in ("SIGTERM", "SIGINT")},
    **{f"error {index + 1}": fault(index) for index in range(3)},
    "error and SIGTERM": fault(0, "SIGTERM"),
}
