"""The executable as a person runs it: with arguments, in the calling thread's namespaces.

What the commands do is not known here.
"""

import json
import os
import pty
import re
import subprocess
import termios
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from tests.lab.host import Host
from tests.lab.paths import PLUGIN
from tests.lab.plugin import TIMEOUT, Run
from tests.lab.state import State

# A shell's background jobs, as tests may be, start with SIGINT ignored, and so would all they start.
ESCAPES = re.compile(r"\x1b\[[0-9;]*m")
ATTENTIVE = ("env", "--default-signal=INT", str(PLUGIN))


def command(*words: str, stdin: str = "", environment: Mapping[str, str] | None = None) -> Run:
    """`cni-bridge WORDS`."""
    done = subprocess.run(
        (str(PLUGIN), *words),
        input=stdin,
        env={"PATH": os.environ["PATH"], **(environment or {})},
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
    )
    return Run(done.returncode, done.stdout, done.stderr)


def printed(*words: str, **more: Any) -> str:
    """Return what a command prints that succeeds."""
    run = command(*words, **more)
    assert (run.status, run.stderr) == (0, ""), run
    return run.stdout


def printed_json(*words: str, **more: Any) -> Any:
    """Return the same, of one that prints JSON."""
    return json.loads(printed(*words, **more))


def on_terminal(*words: str, columns: int = 80) -> list[str]:
    """Return the lines that a command writes to a terminal of that width, also its failures."""
    ours, its = pty.openpty()
    termios.tcsetwinsize(its, (40, columns))
    environment = {"PATH": os.environ["PATH"], "TERM": "xterm", "NO_COLOR": "1"}
    with subprocess.Popen(
        (str(PLUGIN), *words), stdin=subprocess.DEVNULL, stdout=its, stderr=its, env=environment
    ) as run:
        os.close(its)
        text = b""
        with suppress(OSError):  # it has ended
            while chunk := os.read(ours, 1 << 16):
                text += chunk
        run.wait(TIMEOUT)
    os.close(ours)
    return ESCAPES.sub("", text.decode()).replace("\r", "").splitlines()


def settled(host: Host) -> State:
    """Return what there is, but for the link-local addresses, which come when the kernel trusts them."""
    return frozenset(line for line in host.state() if "fe80:" not in line.text)
