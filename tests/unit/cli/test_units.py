"""Numbers as people read them."""

import pytest

from cni_bridge.cli import units


@pytest.mark.parametrize(
    ("milliseconds", "text"),
    [
        (-5, "0s"),
        (999, "0s"),
        (59_000, "59s"),
        (60_000, "1m"),
        (61_000, "1m 1s"),
        (11_520_000, "3h 12m"),
        (180_000_000, "2d 2h"),
    ],
)
def test_an_age_has_its_two_largest_units(milliseconds: int, text: str) -> None:
    assert units.age(milliseconds) == text


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (1_250_000, "1.2 MB"), (10**15, "1000.0 TB")],
)
def test_a_size_has_the_unit_that_keeps_it_short(count: int, text: str) -> None:
    assert units.size(count) == text
