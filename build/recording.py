"""A page of commands with what they printed, and which parts are worth recording again.

Which commands, and where they run, is not decided here.
"""

import os
import re
import subprocess
from pathlib import Path

from tests.lab import PLUGIN

WIDTH = "100"
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
        environment = {"PATH": f"{PLUGIN.parent}:{os.environ['PATH']}", "COLUMNS": WIDTH}
        done = subprocess.run(
            ["bash", "-c", line],
            cwd=self.directory,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=60,
            check=False,
        )
        return "\n".join(each.rstrip() for each in done.stdout.splitlines())


def settled(before: str, page: str) -> str:
    """Return the page, each section as it was before where nothing has changed but what varies."""
    known = {VARYING.sub(" ", section): section for section in before.split("\n## ")}
    return "\n## ".join(
        known.get(VARYING.sub(" ", section), section) for section in page.split("\n## ")
    )
