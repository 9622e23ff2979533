"""`python -m tests.kubernetes [pytest's arguments]`: runs these tests, or some of them, in an enclosure."""

import sys

from tests.runtimes.enclosure import run_inside

if __name__ == "__main__":
    asked = sys.argv[1:]
    if not any("tests/kubernetes" in each for each in asked):
        asked.append("tests/kubernetes")
    sys.exit(run_inside("-m", "pytest", "-q", *asked))
