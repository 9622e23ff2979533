"""docs/evidence/reliability.md is what the figures of the long runs make of it.

The figures themselves are not judged here.
"""

import runpy
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_page_is_made_of_the_figures() -> None:
    made = runpy.run_path(str(ROOT / "build/record_reliability.py"))["page"]()
    assert (ROOT / "docs/evidence/reliability.md").read_text() == made, (
        "run build/record_reliability.py"
    )
