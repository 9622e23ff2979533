"""docs/internals/compatibility.md: every key of the schema, every intended difference, and nothing else."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cni_bridge.edge import explain
from tests.differential.intended import INTENDED
from tests.differential.tables import TABLES

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/internals" / "compatibility.md").read_text()
KEYS, DIFFERENCES = PAGE.split("## Intended differences")
# Of codes and words, `Call.refused` tells in each row; they need no declaration.
TOLD_BY_ROWS = {"error-codes"}


def rows(part: str) -> dict[str, list[str]]:
    """Return the tables' rows, by the name in backticks that each begins with."""
    cells = [line.strip("| ").split(" | ") for line in part.splitlines() if line.startswith("| `")]
    assert len({first for first, *_ in cells}) == len(cells), "a name stands there twice"
    return {first.strip("`"): rest for first, *rest in cells}


def properties(schema: Any, path: str = "") -> Iterator[str]:
    """Return the path of every property: `ipam.ranges[][].subnet`."""
    if "$ref" in schema:
        schema = explain.schema()["definitions"][schema["$ref"].rpartition("/")[2]] | schema
    for key, inner in schema.get("properties", {}).items():
        name = f"{path}.{key}" if path else key
        yield name
        yield from properties(inner, name)
    if "items" in schema:
        yield from properties(schema["items"], f"{path}[]")


def test_every_key_of_the_schema_is_listed_and_no_other() -> None:
    listed = rows(KEYS)
    elsewhere = tuple(key for key, (_, place) in listed.items() if place.startswith("docs/"))
    elsewhere += ("prevResult",)  # its shape is the result's
    inside = tuple(f"{key}{mark}" for key in elsewhere for mark in (".", "["))
    keys = {key for key in properties(explain.schema()) if not key.startswith(inside)}
    assert listed.keys() == keys


@pytest.mark.parametrize(("key", "row"), rows(KEYS).items())
def test_a_key_occurs_where_it_is_said_to_be_tested(key: str, row: list[str]) -> None:
    _, places = row
    name = re.split(r"[.](?!dev/)", key)[-1].removesuffix("[]")
    for place in places.split(", "):
        path = f"tests/differential/{place}.py" if place in TABLES else place
        assert path.startswith("docs/") or name in (ROOT / path).read_text(), path


def test_every_intended_difference_has_its_reason_and_no_other() -> None:
    assert rows(DIFFERENCES).keys() - TOLD_BY_ROWS == INTENDED.keys()


def test_a_difference_is_marked_when_it_may_show_everywhere() -> None:
    marked = {name for name, (why,) in rows(DIFFERENCES).items() if why.startswith("Everywhere.")}
    meant = {name for name, difference in INTENDED.items() if difference.is_everywhere}
    assert marked - TOLD_BY_ROWS == meant


def test_every_other_difference_is_shown_by_a_row() -> None:
    shown = {name for listed in TABLES.values() for row in listed for name in row.differs}
    meant = {name for name, difference in INTENDED.items() if not difference.is_everywhere}
    assert shown == meant


def test_the_names_of_rows_are_unique() -> None:
    names = [row.name for listed in TABLES.values() for row in listed]
    assert len(set(names)) == len(names)
