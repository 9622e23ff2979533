"""`cni-bridge explain` and real traffic: both have the same verdict, whatever the firewall is to do."""

import pytest

from tests.lab.clinic import explain
from tests.lab.echo import BLOCKED
from tests.lab.town import Town
from tests.traffic import scenes
from tests.traffic.rows import Setting


@pytest.fixture
def version() -> str:
    """Return what people see does not depend on the spec version."""
    return "1.1.0"


@pytest.mark.parametrize("setting", scenes.SETTINGS, ids=str)
def test_the_verdict_is_that_of_real_traffic(setting: Setting, town: Town) -> None:
    setting.build(town)
    for row in setting.rows:
        for family in row.families:
            if "tcp" not in row.protocols:
                continue
            where = f"{town.address(row.address, family)}:{row.port}"
            if family == 6:
                where = f"[{where.rpartition(':')[0]}]:{row.port}"
            asked = (where,) if row.asker == "world" else (row.asker, where)
            _, why = explain(*asked)
            answer = town.ask(row.asker, row.address, row.port, family=family)
            assert bool(why) == (answer in BLOCKED), (row.about, family, answer, why)
