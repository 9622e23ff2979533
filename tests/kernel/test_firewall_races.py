"""No frame passes before a container's rules stand, nor after they went. 100 trials: `make proof`."""

from pathlib import Path

import pytest

from tests.lab.town import Town
from tests.traffic.races import RACES, Race, passed

TRIALS = 3


@pytest.mark.parametrize("race", RACES, ids=str)
def test_a_container_that_sends_at_once_gets_nothing_through(
    race: Race, town: Town, tmp_path: Path
) -> None:
    assert passed(race, town, TRIALS, tmp_path) == 0
