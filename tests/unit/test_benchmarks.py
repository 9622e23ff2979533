"""The benchmarks' figures, targets and page; nothing is measured here."""

from pathlib import Path

import pytest

from tests.bench import page
from tests.bench.all_workloads import ALL
from tests.bench.figures import Result, Series, cpu_ratio, load, wall_ratio
from tests.bench.targets import EFFORT, GO, OURS, TARGETS, Target, judge


def result(ours: tuple[float, ...], go: tuple[float, ...]) -> Result:
    series = (Series(OURS, ours, ours), Series(GO, go, go))
    return Result("plain", "ADD", "one container", GO, series, absent=("netavark",))


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.what)
def test_a_target_names_what_is_measured(target: Target) -> None:
    if target.workload == EFFORT:
        return
    (workload,) = (each for each in ALL if each.name == target.workload)
    assert target.phase in workload.phases
    assert {target.variant, target.other} <= {"", *(each.name for each in workload.variants)}
    assert not workload.is_long


def test_a_ratio_is_that_within_the_rounds() -> None:
    # A round that was slow for all says nothing.
    found = result(ours=(12.0, 24.0, 120.0), go=(10.0, 20.0, 100.0))
    ours, go = found.series
    assert wall_ratio(ours, go) == pytest.approx(1.2)
    assert wall_ratio(ours, None) is None


def test_a_slow_variant_is_compared_in_the_rounds_that_it_took_part_in() -> None:
    found = result(ours=(10.0, 20.0, 900.0), go=(20.0, 20.0))
    assert wall_ratio(found.series[1], found.series[0]) == pytest.approx(1.5)
    assert cpu_ratio(*found.series) == pytest.approx(0.75)
    assert (found.rounds, found.fewer) == (3, {GO: 2})
    assert page._fewer(found) == f" (2 of {GO})"


def test_targets_are_met_or_missed() -> None:
    found = {each.target.what: each.is_met for each in judge([result((7.5,) * 3, (10.0,) * 3)], [])}
    assert found == {"plain ADD, wall": True, "plain ADD, CPU": False}


def test_the_page_shows_verdicts_and_what_is_absent(tmp_path: Path) -> None:
    document = {
        "machine": {"date": "today", "cpus": 2, "kernel": "6.1", "load_before": 0.1},
        "results": [
            {
                "workload": "plain",
                "phase": "ADD",
                "about": "one container",
                "base": GO,
                "series": [
                    {"variant": OURS, "walls": [7.5, 8.5], "cpus": [7.5, 8.5]},
                    {"variant": GO, "walls": [10.0, 11.0], "cpus": [10.0, 11.0]},
                ],
                "absent": ["netavark"],
            }
        ],
        "effort": [
            {
                "variant": OURS,
                "phase": "ADD",
                "instructions": 6_700_000,
                "page_faults": 800,
                "peak_kib": 12_288,
                "frames": 2,
            }
        ],
    }
    assert load(document)[0].rounds == 2
    text = page.write(document, tmp_path / "figures.json").read_text()
    assert "| plain ADD, wall | 0.85 | 0.761 | 0.75 to 0.773 | yes |" in text
    assert "| plain ADD, CPU | 0.6 | 0.762 | 0.762 to 0.762 | **no** |" in text
    assert "| frames that an ADD floods | 1 | 2 | 2 to 2 | **no** |" in text
    assert "| ADD, cni-bridge | 6.7 M | 800 | 12.0 MiB | 2 |" in text
    assert "Not on this machine: netavark." in text
    assert (tmp_path / "benchmarks/plain.svg").read_text().startswith("<?xml")
