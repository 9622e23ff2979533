"""The environment that this program gives to other programs."""

import os


def own_environment() -> dict[str, str]:
    """Return this process's environment without CNI_* variables."""
    return {name: value for name, value in os.environ.items() if not name.startswith("CNI_")}
