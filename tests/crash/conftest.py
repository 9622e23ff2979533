"""The same private namespaces as for tests/kernel, for an ordinary user too."""

from tests.lab.namespaces import become_root


def pytest_configure() -> None:
    """Make an ordinary user root of a user namespace."""
    become_root()
