"""Build the reference's test suites: `python -m tests.upstream`, before they run without a network."""

from tests.upstream import suites

if suites.go():
    suites.built()
else:
    print("upstream: no Go toolchain; going on without the reference's test suites")
