"""What a check has to say, and what can be done about it.

Only the nouns; who finds something, and when it is mended, is decided elsewhere.
"""

from collections.abc import Callable

from cni_bridge.lean.record import record


@record
class Mend:
    """A safe way to mend something; what it says is told when it is done."""

    what: str
    act: Callable[[], object]


@record
class Finding:
    """Something that is wrong: cause, effect, and the command that mends it."""

    cause: str
    effect: str
    command: str
    mend: Mend | None = None  # None: a person has to decide
