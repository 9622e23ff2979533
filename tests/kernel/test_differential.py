"""Every row of tests/differential, through the reference plugins and through ours: no difference
but those that docs/internals/compatibility.md gives a reason for."""

import pytest

from tests.differential.compare import complaints, differences
from tests.differential.intended import INTENDED
from tests.differential.observe import observe
from tests.differential.row import Row
from tests.differential.tables import TABLES
from tests.lab import PEERS, PLUGIN, peer

has_reference = pytest.mark.skipif(
    not (peer("bridge").exists() and peer("host-local").exists()),
    reason=f"no reference plugins in {PEERS}: run `make peers`",
)


# Between them they show all that may differ everywhere.
WITNESSES = (
    "bridge: not a gateway",
    "bridge: default gateway and two default routes",
    "verbs: cniVersion 1.1.0 without DEL",
)
ROWS = {f"{table}: {row.name}": row for table, listed in TABLES.items() for row in listed}


@has_reference
@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
def test_ours_does_what_the_reference_does(row: Row) -> None:
    reference = observe(row, peer("bridge"))
    ours = observe(row, PLUGIN)
    unexpected = list(complaints(row, reference, ours))
    assert not unexpected, "\n".join(unexpected)


@has_reference
def test_what_may_differ_everywhere_does_differ_somewhere() -> None:
    shown = set()
    for name in WITNESSES:
        found = observe(ROWS[name], peer("bridge")), observe(ROWS[name], PLUGIN)
        for field, pair in differences(*found):
            shown |= {each for each in INTENDED if INTENDED[each].explains(field, *pair)}
    assert shown >= {name for name, each in INTENDED.items() if each.is_everywhere}
