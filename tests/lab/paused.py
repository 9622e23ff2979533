"""A plugin call that stops at a system call, and goes on when something else has happened meanwhile."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from tests.lab.network import Attachment, Network
from tests.lab.plugin import Json
from tests.lab.waiting import wait_until


@contextmanager
def paused(
    network: Network,
    command: str,
    attachment: Attachment,
    log: Path,
    *,
    at: str,
    path: str = "",
    config: Json | None = None,
) -> Iterator[None]:
    """Inside, the call has stopped at its first system call `at` (of that path); then it must succeed."""
    log.touch()
    where = ("-P", path) if path else ()
    stop = (*where, "-e", f"trace={at}", "-e", f"inject={at}:signal=STOP:when=1")
    plugin = replace(network.plugin, prefix=("strace", "-f", "-qq", "-o", str(log), *stop))
    process = plugin.start(*network.call(command, attachment, config=config))
    wait_until(lambda: "stopped by SIGSTOP" in log.read_text())
    yield
    os.kill(int(log.read_text().split()[0]), signal.SIGCONT)
    plugin.finish(process).assert_silent_success()
