"""The fixtures of the tests of cluster networks: what they need of the machine."""

from tests.lab.namespaces import become_root


def pytest_configure() -> None:
    """Let an ordinary user run these tests as root of a user namespace."""
    become_root()
