"""A simulated month: random operations on a private host, with a model beside the executable.

`month` decides what happens, `model` says what must come of it, `world` makes it happen and looks.
"""

from hypothesis import HealthCheck, Phase, settings
from hypothesis import seed as seeded
from hypothesis.stateful import run_state_machine_as_test

from tests.simulation.month import TALLY, Month

__all__ = ["TALLY", "simulate"]


def simulate(hosts: int, operations: int, *, seed: int) -> None:
    """Random operations on so many hosts; raises where one differs from the model."""
    run_state_machine_as_test(
        seeded(seed)(Month),
        settings=settings(
            max_examples=hosts,
            stateful_step_count=operations,
            phases=[Phase.generate],
            database=None,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
