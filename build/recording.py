"""A page of commands with what they printed, and which parts are worth recording again.

Which commands, and where they run, is not decided here.
"""

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios
import time
from pathlib import Path

from tests.lab import PLUGIN

LINES, COLUMNS = 24, 80
PATIENCE_S = 300  # a busy machine takes long
# What no two runs have in common: MACs, counts and times, and the columns and bars that they make.
VARYING = re.compile(
    r"(?:[0-9a-f]{2}:){5}[0-9a-f]{2}|\d[\d.]* ?(?:B|kB|MB|ms|s|min|packets)\b|\b\d+\.\d\b(?!\.)"
    r"|\d{4}-\d\d-\d\dT?|\d\d:\d\d:\d\d(?:\.\d+)?|pid \d+|10\.64\.[\d./]+|[\s│─▏▎▍▌▋▊▉█]+"
)


class Recorder:
    """The page so far, and where its commands run."""

    def __init__(self, head: str, directory: Path) -> None:
        self.page = [head]
        self.directory = directory

    def section(self, command: str, text: str) -> None:
        """Start a new section."""
        self.page.append(f"\n## {command}\n\n{text}\n")

    def run(self, *lines: str, language: str = "console") -> None:
        """Commands with what each printed, as one session."""
        session = "\n".join(f"$ {line}\n{self._output(line)}".rstrip() for line in lines)
        self.page.append(f"\n```{language}\n{session}\n```\n")

    def quiet(self, line: str) -> str:
        """Return what a command prints, without recording it."""
        return self._output(line)

    def _output(self, line: str) -> str:
        """Run a line as on a terminal without colours; return what it shows."""
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("4H", LINES, COLUMNS, 0, 0))
        path = f"{PLUGIN.parent}:{os.environ['PATH']}"
        process = subprocess.Popen(
            ["bash", "-c", line],
            cwd=self.directory,
            env={"PATH": path, "TERM": "dumb", "NO_COLOR": "1"},
            stdin=subprocess.DEVNULL,
            stdout=theirs,
            stderr=theirs,
        )
        os.close(theirs)
        try:
            shown = _until_closed(ours, time.monotonic() + PATIENCE_S)
        except TimeoutError:
            process.kill()
            raise
        finally:
            os.close(ours)
            process.wait()
        return "\n".join(each.rstrip() for each in shown.splitlines())


def _until_closed(terminal: int, deadline: float) -> str:
    data = b""
    while select.select([terminal], [], [], max(0, deadline - time.monotonic()))[0]:
        try:
            data += os.read(terminal, 1 << 16)
        except OSError:  # EIO: the other side is closed
            return data.decode()
    raise TimeoutError(f"not done after {PATIENCE_S} s: {data.decode(errors='replace')}")


def settled(before: str, page: str) -> str:
    """Return the page, each section as it was before where nothing has changed but what varies."""
    known = {VARYING.sub(" ", section): section for section in before.split("\n## ")}
    return "\n## ".join(
        known.get(VARYING.sub(" ", section), section) for section in page.split("\n## ")
    )
