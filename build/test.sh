#!/usr/bin/env bash
# COMMAND: pytest, on all processors. What fails is run once more, alone, and may not fail again.
# A test that passes only alone has a race, or the product has: its first failure stays in the output.
set -uo pipefail

"$@" -n auto
code=$?
readonly TESTS_FAILED=1
((code == TESTS_FAILED)) || exit "$code"
printf '\n*** Once more, alone: what passes now has a race. ***\n\n'
exec "$@" --last-failed --last-failed-no-failures none
