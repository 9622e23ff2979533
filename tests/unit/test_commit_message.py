"""The commit-msg hook: which subjects it takes."""

import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
problem = runpy.run_path(str(ROOT / "build/commit_message.py"))["problem"]


@pytest.mark.parametrize(
    "subject",
    [
        "veth: create both ends in their namespaces",
        "cli/doctor: bring the bridge up again",
        "bridge, veth: process notifications in order",
        'Revert "veth: create both ends"',
        "Merge branch 'main'",
    ],
)
def test_an_imperative_with_its_area_is_taken(subject: str) -> None:
    assert problem(subject) == ""


@pytest.mark.parametrize(
    ("subject", "said"),
    [
        ("create both ends in their namespaces", "area: do this"),
        ("veth: create both ends.", "area: do this"),
        ("veth: Create both ends", "area: do this"),
        ("agent: who asks the store in vain does not do so without a break", "imperative"),
        ("veth: creates both ends", "imperative"),
        ("veth: creating both ends", "imperative"),
        ("veth: the ends are created in their namespaces", "imperative"),
        (f"veth: create {'x' * 60}", "73 characters"),
    ],
)
def test_another_is_refused_with_the_reason(subject: str, said: str) -> None:
    assert said in problem(subject)
