"""What plugins may leave on a host for the next container, and what not.

Lines of `tests.lab.state` in, lines out; the reference's shared chains are named here one by one.
"""

import re
from collections.abc import Collection

from tests.lab.state import Line, State

SHARED_CHAINS = frozenset(
    {
        "INPUT", "FORWARD", "OUTPUT", "PREROUTING", "POSTROUTING",
        "CNI-ADMIN", "CNI-FORWARD",
        "CNI-HOSTPORT-DNAT", "CNI-HOSTPORT-MASQ", "CNI-HOSTPORT-SETMARK",
    }
)  # fmt: skip
CHAINS_WITHOUT_CONTAINERS = ("CNI-HOSTPORT-MASQ", "CNI-HOSTPORT-SETMARK")


def of_containers(lines: State, bridges: Collection[str]) -> State:
    """Return the lines that some container must answer for."""
    return frozenset(
        each for each in lines if each.device not in bridges and not _is_of_the_chains(each)
    )


def _is_of_the_chains(line: Line) -> bool:
    if line.kind == "nft table":
        return True
    if line.kind == "nft chain":
        return _chain(line, "name") in SHARED_CHAINS
    if line.kind != "nft rule":
        return False
    target = re.search(r"'target': '([^']+)'", line.text)
    if target:
        return target[1] in SHARED_CHAINS
    return _chain(line, "chain") in CHAINS_WITHOUT_CONTAINERS


def _chain(line: Line, key: str) -> str:
    found = re.search(rf"\b{key}=(\S+)", line.text)
    return found[1] if found else ""
