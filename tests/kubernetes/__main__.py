"""`python -m tests.kubernetes [pytest's arguments]`: runs these tests, or some of them, in an enclosure."""

import sys

from tests.runtimes.enclosure import run_inside

if __name__ == "__main__":
    sys.exit(run_inside("-m", "pytest", "-q", *(sys.argv[1:] or ("tests/kubernetes",))))
