"""The generated tables are what pyroute2 knows today."""

import runpy
from pathlib import Path

from cni_bridge.kernel import messages, nfmessages

ROOT = Path(__file__).parents[3]


def test_the_generated_tables_are_not_stale() -> None:
    generator = runpy.run_path(str(ROOT / "build" / "generate_messages.py"))
    for module in (messages, nfmessages):
        target = Path(str(module.__file__))
        assert generator["source"](target) == target.read_text(), "run `make generate`"
