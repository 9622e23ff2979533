"""docs/evidence/reported-faults.md names tests that exist, and a commit and a kind for each fault."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/evidence/reported-faults.md").read_text()
TESTS = sorted(set(re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", PAGE)))
ROWS = [line for line in PAGE.splitlines() if line.startswith("| ")][1:]


@pytest.mark.parametrize(("file", "name"), TESTS)
def test_each_named_test_exists(file: str, name: str) -> None:
    functions = ast.parse((ROOT / file).read_text()).body
    assert name in {each.name for each in functions if isinstance(each, ast.FunctionDef)}


def test_each_fault_has_a_kind_a_commit_and_a_test() -> None:
    for row in ROWS:
        fault, kind, commits, tests = (cell.strip() for cell in row.strip("|").split("|"))
        assert fault
        assert kind, row
        assert re.fullmatch(r"(`[0-9a-f]{7}` ?)+", commits), row
        assert "::" in tests, row
