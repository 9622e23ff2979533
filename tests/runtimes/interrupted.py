"""A plugin run that is held inside of its ADD for as long as its runtime takes to be killed.

The ledger's lock holds it: nothing but a claim waits for that, and for ten seconds at most.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from tests.lab import PLUGIN, namespaces
from tests.lab.state import LEDGER
from tests.lab.waiting import wait_until
from tests.runtimes.machine import CNI_BIN, Machine

SLOW = """#!/bin/sh
# The last plugin of a chain: what comes before it is done, and the runtime does not know yet.
case $CNI_COMMAND in
VERSION) echo '{"cniVersion": "1.0.0", "supportedVersions": ["0.4.0", "1.0.0"]}' ;;
ADD) exec sleep 600 ;;
esac
"""


@contextmanager
def held_ledger() -> Iterator[None]:
    """Inside the block an ADD waits; afterwards it goes on, and has ended at the end."""
    with closing(sqlite3.connect(LEDGER, isolation_level=None)) as ledger:
        ledger.execute("begin exclusive")
        yield
    wait_until(lambda: not is_adding())


def is_adding() -> bool:
    """Whether our plugin is carrying out an ADD."""
    return any(map(_is_add, namespaces.processes()))


def forget_namespaces(*, but: Path | None = None) -> None:
    """End what a runtime that is killed inside of an ADD does itself leave until the next boot."""
    for path in namespaces.NETNS_DIR.iterdir():
        if path.name not in ("world", but and but.name):
            namespaces.unmount(path)
            path.unlink()


@contextmanager
def slow_chain(machine: Machine) -> Iterator[None]:
    """Inside the block an ADD of the machine's network does not come to its end."""
    plugin = CNI_BIN / "slow"
    plugin.write_text(SLOW)
    plugin.chmod(0o755)
    usual = machine.arrangement.conflist
    machine.configure(usual | {"plugins": [*usual["plugins"], {"type": "slow"}]})
    yield
    machine.configure(usual)
    plugin.unlink()


def slow_pid() -> int:
    """Return the process of the slow plugin's ADD; 0 while there is none."""
    return next((int(each.name) for each in namespaces.processes() if _is_slow(each)), 0)


def _is_add(process: Path) -> bool:
    try:
        environment = (process / "environ").read_bytes().split(b"\0")
        return b"CNI_COMMAND=ADD" in environment and (process / "exe").samefile(PLUGIN)
    except OSError:  # it has just ended
        return False


def _is_slow(process: Path) -> bool:
    try:
        return (process / "cmdline").read_bytes() == b"sleep\x00600\x00"
    except OSError:
        return False
