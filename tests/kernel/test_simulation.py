"""A day of the simulated month, the same every time; `make simulate` is the long run."""

from tests.simulation import TALLY, simulate


def test_random_operations_and_accidents_leave_what_a_plain_model_says() -> None:
    simulate(4, 100, seed=1)
    assert TALLY["operations"] >= 400
    assert {"ADD code 0", "DEL code 0", "ADD killed", "flush", "lose"} <= TALLY.keys()
