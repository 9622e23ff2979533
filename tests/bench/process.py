"""One timed run of an executable: wall time, and CPU time of it and of all that it waited for.

Nothing here knows what is run.
"""

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

STDIN = Path("/run/bench-stdin")
OUTPUT = "/run/bench-output"
PREVIOUS = '"the result of the plugin before"'  # in the stdin of a follower


@dataclass(frozen=True)
class Sample:
    """One measurement, in milliseconds."""

    wall: float
    cpu: float


@dataclass(frozen=True)
class Command:
    """What is executed: the program with its arguments, the whole environment, stdin."""

    words: tuple[str, ...]
    environment: Mapping[str, str]
    stdin: str = ""
    following: tuple["Command", ...] = ()  # run afterwards, in order

    def given(self, output: str) -> "Command":
        """Return the same with the output of the command before it in its place."""
        return replace(self, stdin=self.stdin.replace(PREVIOUS, output))


def timed(commands: Sequence[Command]) -> Sample:
    """Start all commands at once and waits for the last; each must succeed.

    A command's followers are started when it ends, one after the other.
    """
    files = [_stdin_file(number, command) for number, command in enumerate(commands)]
    started = time.perf_counter()
    children = [_spawn(command, path) for command, path in zip(commands, files, strict=True)]
    cpu = sum(_wait(child, command) for child, command in zip(children, commands, strict=True))
    return Sample(wall=(time.perf_counter() - started) * 1000, cpu=cpu * 1000)


def spawn(command: Command) -> int:
    """Start one command; its process id."""
    return _spawn(command, _stdin_file(0, command))


def _stdin_file(number: int, command: Command) -> str:
    path = STDIN.with_name(f"{STDIN.name}-{number}")
    path.write_text(command.stdin)
    return str(path)


def _spawn(command: Command, stdin: str) -> int:
    truncated = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    actions = [
        (os.POSIX_SPAWN_OPEN, 0, stdin, os.O_RDONLY, 0),
        (os.POSIX_SPAWN_OPEN, 1, OUTPUT, truncated, 0o600),
        (os.POSIX_SPAWN_OPEN, 2, "/dev/null", os.O_WRONLY, 0),
    ]
    environment = dict(command.environment)
    return os.posix_spawn(command.words[0], command.words, environment, file_actions=actions)


def _wait(child: int, command: Command) -> float:
    """Seconds of CPU time, user and system, of the child, its followers and what they waited for."""
    seconds = _wait_for_one(child, command)
    for follower in command.following:
        given = follower.given(Path(OUTPUT).read_text())
        seconds += _wait_for_one(spawn(given), given)
    return seconds


def _wait_for_one(child: int, command: Command) -> float:
    _, status, usage = os.wait4(child, 0)
    if status:
        raise RuntimeError(f"{' '.join(command.words)} failed: {Path(OUTPUT).read_text()}")
    return usage.ru_utime + usage.ru_stime
