"""Attacks by a container with all capabilities, or from the link: a sample of what `make proof` tries."""

import pytest

from tests.lab.town import Town
from tests.traffic.attacks import ATTACKS, Attack

TRIALS = 32  # each reserved group address in both families


@pytest.mark.parametrize("attack", ATTACKS, ids=str)
def test_no_attack_gets_through(town: Town, attack: Attack) -> None:
    assert attack.run(town, TRIALS) == 0
