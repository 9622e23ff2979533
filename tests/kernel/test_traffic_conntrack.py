"""Connections and rules while containers come and go: UDP follows the ports, TCP goes on, nothing is left."""

import pytest

from tests.lab.town import Town
from tests.traffic.trials import CONNTRACK, RULESET, Trial


@pytest.mark.parametrize("trial", CONNTRACK, ids=str)
def test_udp_follows_the_port(town: Town, trial: Trial) -> None:
    assert trial.outcome(town) == trial.want


@pytest.mark.parametrize("trial", RULESET, ids=str)
def test_the_ruleset_outlives_everything(town: Town, trial: Trial) -> None:
    assert trial.outcome(town) == trial.want
