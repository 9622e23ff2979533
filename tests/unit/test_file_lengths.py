"""No file grows past what fits in a head, no function past a screen.

Generated files are exempt: nobody reads them.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILE_LINES = 400
FUNCTION_LINES = 40
GENERATED = {
    "cni_bridge/cluster/messages.py",
    "cni_bridge/edge/validators.py",
    "cni_bridge/kernel/messages.py",
    "cni_bridge/kernel/nfmessages.py",
}


def sources() -> Iterator[str]:
    """Every Python file that people write."""
    for folder in ("cni_bridge", "build", "tests"):
        for file in sorted((ROOT / folder).rglob("*.py")):
            if (name := str(file.relative_to(ROOT))) not in GENERATED:
                yield name


@pytest.mark.parametrize("name", list(sources()))
def test_a_file_and_its_functions_are_short(name: str) -> None:
    text = (ROOT / name).read_text()
    assert len(text.splitlines()) <= FILE_LINES
    assert [
        f"{node.name}: {lines}" for node, lines in functions(text) if lines > FUNCTION_LINES
    ] == []


def functions(text: str) -> Iterator[tuple[ast.FunctionDef | ast.AsyncFunctionDef, int]]:
    """Each function with its number of lines."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node, (node.end_lineno or node.lineno) - node.lineno + 1
