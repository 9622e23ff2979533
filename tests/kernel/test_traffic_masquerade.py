"""ipMasq: what leaves a network leaves with the host's address, and nothing else is touched."""

import pytest

from tests.lab.town import Town
from tests.traffic.rows import Setting, answers
from tests.traffic.scenes import MASQUERADE
from tests.traffic.trials import LATE, SERVICES, UNTOUCHED, Trial


@pytest.mark.parametrize("setting", [MASQUERADE], ids=str)
def test_servers_see_the_source_that_they_should(town: Town, setting: Setting) -> None:
    setting.build(town)
    answers(town, setting.rows).assert_wanted()


@pytest.mark.parametrize("trial", [*SERVICES, *LATE], ids=str)
def test_only_what_has_to_be_translated_is_and_nothing_else_leaves(
    town: Town, trial: Trial
) -> None:
    assert trial.outcome(town) == trial.want


@pytest.mark.parametrize("trial", UNTOUCHED, ids=str)
def test_what_is_for_many_keeps_its_source(town: Town, trial: Trial) -> None:
    assert trial.outcome(town) == trial.want
