"""isolation, internal, closed, icc: who is kept apart, and who is not."""

import pytest

from tests.lab.town import Town
from tests.traffic.rows import Setting, answers
from tests.traffic.scenes import CLOSED, INTERNAL, ISOLATED, NO_HOST, NO_ICC, OPEN, STRICT
from tests.traffic.trials import BECOMING, DETOURS, Trial


@pytest.mark.parametrize(
    "setting", [ISOLATED, STRICT, INTERNAL, NO_HOST, CLOSED, OPEN, NO_ICC], ids=str
)
def test_only_those_meet_who_should(town: Town, setting: Setting) -> None:
    setting.build(town)
    answers(town, setting.rows).assert_wanted()


@pytest.mark.parametrize("trial", BECOMING, ids=str)
def test_an_open_connection_is_no_exception(town: Town, trial: Trial) -> None:
    assert trial.outcome(town) == trial.want


@pytest.mark.parametrize("trial", DETOURS, ids=str)
def test_the_bridge_is_no_detour(town: Town, trial: Trial) -> None:
    assert trial.outcome(town) == trial.want
