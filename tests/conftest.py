"""What holds for all tests: how the programs that they start take signals."""

from tests.lab.inherited import let_children_take_signals


def pytest_configure() -> None:
    """Let tests pass under `nohup` and in background jobs."""
    let_children_take_signals()
