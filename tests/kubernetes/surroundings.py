"""Where programs run: in the calling thread's namespaces, or in a place with namespaces of its own.

Which programs these are is not known here.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO

from tests.kubernetes.programs import PATH
from tests.lab import ROOT
from tests.runtimes.enclosure import INIT

UNSHARE = (
    *("unshare", "--net", "--mount", "--pid", "--uts", "--ipc", "--fork", "--kill-child"),
    *("--mount-proc", "--propagation", "private"),
)
SLEEP = "import time\nwhile True: time.sleep(3600)"
TIMEOUT = 60  # seconds, of one command
STOP_S = 100  # an API server waits for its requests


def wait_for(condition: Callable[[], object], seconds: float, what: object = "") -> float:
    """Return how many seconds it took until the condition holds."""
    began = time.monotonic()
    while not condition():
        waited = time.monotonic() - began
        detail = what() if callable(what) else what
        assert waited < seconds, f"not after {waited:.0f} s: {detail}"
        time.sleep(0.2)
    return time.monotonic() - began


class Surroundings:
    """The calling thread's; logs of daemons are in `directory`."""

    def __init__(self, directory: Path, prefix: tuple[str, ...] = ()) -> None:
        self.directory = directory
        self.environment = {"PATH": PATH, "HOME": "/root", "LANG": "C.UTF-8"}
        self._prefix = prefix
        self._daemons: dict[str, tuple[subprocess.Popen[bytes], tuple[str, ...]]] = {}
        directory.mkdir(parents=True, exist_ok=True)

    def attempt(
        self,
        *words: str | Path,
        timeout: float = TIMEOUT,
        text: str | None = None,
        output: IO[str] | int = subprocess.PIPE,
    ) -> "subprocess.CompletedProcess[str]":
        """Return what became of a command that may fail."""
        return subprocess.run(
            (*self._prefix, *map(str, words)),
            env=self.environment,
            input=text,
            stdin=subprocess.DEVNULL if text is None else None,
            stdout=output,
            stderr=subprocess.PIPE if output == subprocess.PIPE else subprocess.STDOUT,
            text=True,
            timeout=timeout,
        )

    def run(self, *words: str | Path, timeout: float = TIMEOUT, text: str | None = None) -> str:
        """Return what a command prints that succeeds."""
        done = self.attempt(*words, timeout=timeout, text=text)
        assert done.returncode == 0, f"{' '.join(map(str, words))}: {done.stdout}{done.stderr}"
        return done.stdout

    def start(self, name: str, *words: str | Path) -> None:
        """Start a daemon."""
        command = tuple(map(str, words))
        with self.log_file(name).open("ab") as log:
            process = subprocess.Popen(
                (*self._prefix, *command),
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        self._daemons[name] = (process, command)
        if self._prefix:
            wait_for(lambda: descendants(process.pid), 20)

    def stop(self, name: str, number: int = signal.SIGTERM) -> None:
        """End a daemon."""
        process, _ = self._daemons[name]
        self.tell(name, number)
        process.wait(STOP_S)

    def tell(self, name: str, number: int) -> None:
        """Send a daemon a signal."""
        process, _ = self._daemons[name]
        pid = descendants(process.pid)[0] if self._prefix else process.pid
        os.kill(pid, number)

    def start_again(self, name: str) -> None:
        """Start a daemon as it was started last."""
        self.start(name, *self._daemons[name][1])

    def close(self) -> None:
        """Kill all daemons."""
        for name, (process, _) in self._daemons.items():
            if process.poll() is None:
                self.stop(name, signal.SIGKILL)

    def log_file(self, name: str) -> Path:
        """Return the file with what a daemon prints."""
        return self.directory / f"{name}.log"

    def log(self, name: str) -> str:
        """Return what a daemon has printed."""
        return self.log_file(name).read_text(errors="replace")


class Place(Surroundings):
    """Network, mounts, processes and names of its own; all ends with its first process."""

    def __init__(self, name: str, directory: Path) -> None:
        init = (*UNSHARE, sys.executable, "-m", INIT, "-c", SLEEP)
        self._init = subprocess.Popen(init, cwd=ROOT, start_new_session=True)
        wait_for(lambda: len(descendants(self._init.pid)) == 2, 20)
        self.name = name
        self.pid = descendants(self._init.pid)[0]
        kinds = ("--net", "--mount", "--pid", "--uts", "--ipc")
        super().__init__(directory, ("nsenter", "--target", str(self.pid), *kinds, "--wd=/"))
        self.run(
            "sh", "-euc", f"hostname {name}; mount -t tmpfs none /run; mkdir /run/netns /run/lock"
        )
        self.run("ip", "link", "set", "lo", "up")

    def in_network(self, *words: str) -> None:
        """Run a command in the network of this place, for which other processes have their own numbers."""
        subprocess.run(
            ("nsenter", "--target", str(self.pid), "--net", *words), check=True, timeout=TIMEOUT
        )

    def close(self) -> None:
        """End all that runs here."""
        self._init.kill()
        self._init.wait()
        for process, _ in self._daemons.values():
            process.wait(30)
        self._daemons.clear()


def descendants(pid: int) -> list[int]:
    """Return the processes below one, the nearest first."""
    parents = {}
    for each in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(each.parent.name)] = int(each.read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
    found, last = [], [pid]
    while last:
        last = [child for child, parent in parents.items() if parent in last]
        found += last
    return found
