"""What a check reports, and the fix for it."""

from collections.abc import Callable

from cni_bridge.lean.record import record


@record
class Fix:
    """A safe fix; `what` is printed once it is applied."""

    what: str
    act: Callable[[], object]


@record
class Diagnosis:
    """Something that is wrong: cause, effect, and the command that fixes it."""

    cause: str
    effect: str
    command: str
    fix: Fix | None = None  # None: a person has to decide
