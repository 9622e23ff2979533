"""cnitool, the spec's own command line: its library calls a plugin as runtimes do.

Only the call; whether cnitool is there is asked with `CNITOOL.exists()`.
"""

import os
import subprocess
from pathlib import Path

from tests.lab.containers import Container
from tests.lab.paths import peer
from tests.lab.plugin import TIMEOUT, Plugin, Run

CNITOOL = peer("cnitool")


def cnitool(command: str, network: str, container: Container, plugin: Plugin, conf: Path) -> Run:
    """Run `cnitool COMMAND NETWORK NETNS` with the conflists of the directory `conf`."""
    environment = {"CNI_PATH": plugin.search_path, "NETCONFPATH": str(conf)}
    done = subprocess.run(
        (CNITOOL, command, network, container.netns),
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
    )
    return Run(done.returncode, done.stdout, done.stderr)
