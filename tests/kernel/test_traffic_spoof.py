"""macspoofchk and ipspoofchk: a container speaks for itself alone, in every protocol."""

import pytest

from tests.lab.town import FAMILIES, Town
from tests.traffic.forgeries import FORGERIES, KEYS, passing
from tests.traffic.rows import WAYS


@pytest.mark.parametrize("checked", KEYS)
def test_forged_frames_are_stopped_and_honest_ones_are_not(town: Town, checked: str) -> None:
    config, may_pass = KEYS[checked]
    town.network("a", **config)
    town.attach("a1")
    town.attach("a2")
    for bridged in WAYS:
        town.filter_bridged(bridged)
        passed = {each.about for each in passing(town)}
        assert passed == {each.about for each in FORGERIES if may_pass(each)}, bridged


def test_a_checked_container_is_reached_and_reaches_all(town: Town) -> None:
    town.network("a", macspoofchk=True, ipspoofchk=True, ipMasq=True)
    town.attach("a1")
    town.attach("a2")
    for family in FAMILIES:
        assert town.ask("a1", "a2", 80, family=family) == "a2:80 saw a1"
        assert town.ask("a1", "world", 80, family=family) == "world:80 saw host"
        assert town.ask("host", "a1", 80, family=family) == "a1:80 saw gateway-a"
