"""A CNI plugin executable, run as a runtime runs it.

Environment and stdin in, status, stdout and stderr out; what a network is stands in `network`.
"""

import json
import os
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.lab.paths import PEERS, PLUGIN

Json = dict[str, Any]
TIMEOUT = 60  # seconds


@dataclass(frozen=True)
class Run:
    """What one run of a plugin left: exit status and both streams."""

    status: int
    stdout: str
    stderr: str

    def result(self) -> Json:
        """Return the result document; the run must have succeeded."""
        assert self.status == 0, self
        return self._document()

    def error(self) -> Json:
        """Return the error document; the run must have failed in the way that the spec wants."""
        assert self.status == 1, self
        error = self._document()
        assert isinstance(error["code"], int), error
        assert error["msg"], error
        return error

    def assert_silent_success(self) -> None:
        """Assert that the run succeeded and printed nothing on stdout, as every command but ADD must."""
        assert (self.status, self.stdout.strip()) == (0, ""), self

    def _document(self) -> Json:
        try:
            document = json.loads(self.stdout)
        except ValueError:
            raise AssertionError(self) from None
        assert isinstance(document, dict), self
        return document


@dataclass(frozen=True)
class Plugin:
    """An executable and the IPAM type that its configs name."""

    path: Path
    ipam_type: str
    prefix: tuple[str, ...] = ()  # a program that runs the plugin, such as strace

    @classmethod
    def at(cls, path: Path) -> "Plugin":
        """Return the plugin at `path`: a reference plugin is recognised by its name and directory."""
        is_reference = path == PEERS / "bridge"
        return cls(path, "host-local" if is_reference else PLUGIN.name)

    @property
    def type(self) -> str:
        """What a config's `type` says."""
        return self.path.name

    @property
    def search_path(self) -> str:
        """CNI_PATH: beside the plugin, then the peers."""
        return os.pathsep.join((str(self.path.parent), str(PEERS)))

    def run(self, environment: Mapping[str, str], stdin: str) -> Run:
        """Run the plugin with these variables and nothing else but PATH."""
        return self.finish(self.start(environment, stdin))

    def start(self, environment: Mapping[str, str], stdin: str) -> "subprocess.Popen[str]":
        """Start the plugin and gives it all of its stdin."""
        process = subprocess.Popen(
            (*self.prefix, str(self.path)),
            env={"PATH": os.environ["PATH"], **environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert process.stdin
        try:
            process.stdin.write(stdin)
            process.stdin.close()
        except BrokenPipeError:  # the plugin refused before reading
            pass
        process.stdin = None
        return process

    def finish(self, process: "subprocess.Popen[str]") -> Run:
        """Wait for a run."""
        stdout, stderr = process.communicate(timeout=TIMEOUT)
        return Run(process.returncode, stdout, stderr)


def run_all(plugin: Plugin, calls: Iterable[tuple[Mapping[str, str], str]]) -> list[Run]:
    """Run the plugin for every (environment, stdin) at the same time."""
    started = [plugin.start(environment, stdin) for environment, stdin in calls]
    return [plugin.finish(process) for process in started]
