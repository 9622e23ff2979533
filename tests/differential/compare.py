"""What two observations differ in, beyond what is meant; and what is meant but no longer there.

Pure: two tables of fields in, complaints out.
"""

from collections.abc import Iterator
from typing import Any

from tests.differential.intended import INTENDED
from tests.differential.kernel import Fields
from tests.differential.row import Row


def complaints(row: Row, reference: Fields, ours: Fields) -> Iterator[str]:
    """Every unexpected difference, and every declared one that does not show."""
    allowed = {
        name
        for name, difference in INTENDED.items()
        if difference.is_everywhere or name in row.differs
    }
    shown = set()
    for field, pair in differences(reference, ours):
        explaining = {name for name in allowed if INTENDED[name].explains(field, *pair)}
        shown |= explaining
        if not explaining:
            yield f"{field}: reference {pair[0]!r}, ours {pair[1]!r}"
    for name in set(row.differs) - shown:
        yield f"{name}: declared to differ, but does not"


def differences(reference: Fields, ours: Fields) -> Iterator[tuple[str, tuple[Any, Any]]]:
    """Each field that differs, with both values; None where it is absent."""
    for field in sorted(reference.keys() | ours.keys()):
        pair = reference.get(field), ours.get(field)
        if pair[0] != pair[1]:
            yield field, pair
