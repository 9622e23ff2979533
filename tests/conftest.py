"""What holds for all tests: how programs take signals, and that a busy machine fails none."""

from hypothesis import settings

from tests.lab.inherited import let_children_take_signals


def pytest_configure() -> None:
    """Let tests pass under `nohup`, in background jobs and on busy machines."""
    settings.register_profile("patient", deadline=None)
    settings.load_profile("patient")
    let_children_take_signals()
