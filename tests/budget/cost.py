"""What a run costs, in figures that hardly vary with the machine and its load.

Instructions stand for the work in user space, page faults for memory, which the kernel hands out page
by page. Costs are ratios to the bare interpreter's; what they may be is data, in costs.json.
"""

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

BASELINE = Path(__file__).with_name("costs.json")
INTERPRETER = (str(Path(sys.executable).resolve()), "-I", "-S", "-E", "-c", "pass")
CALLGRIND = (
    "valgrind",
    "--tool=callgrind",
    "--trace-children=yes",
    "--callgrind-out-file=/dev/null",
)


@dataclass(frozen=True)
class Call:
    """What is executed: words, environment, stdin."""

    words: tuple[str, ...]
    environment: Mapping[str, str]
    stdin: str = ""


def baseline() -> dict[str, dict[str, float]]:
    """Return the costs of each command when somebody last looked."""
    costs: dict[str, dict[str, float]] = json.loads(BASELINE.read_text())
    return costs


def instructions(call: Call) -> float:
    """Instructions in user space, in units of the bare interpreter's start."""
    return _instructions(call) / _instructions(Call(INTERPRETER, {}))


def page_faults(call: Call) -> float:
    """Page faults, in units of the bare interpreter's start."""
    return _page_faults(call) / _page_faults(Call(INTERPRETER, {}))


def _instructions(call: Call) -> int:
    words = (*CALLGRIND, *call.words)
    environment = {"PATH": os.environ["PATH"], **call.environment}
    done = subprocess.run(
        words, env=environment, input=call.stdin, capture_output=True, text=True, check=True
    )
    return int(re.findall(r"Collected : (\d+)", done.stderr)[-1])


def _page_faults(call: Call) -> int:
    reader, writer = os.pipe()
    os.write(writer, call.stdin.encode())
    os.close(writer)
    actions = [
        (os.POSIX_SPAWN_DUP2, reader, 0),
        (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
    ]
    child = os.posix_spawn(call.words[0], call.words, call.environment, file_actions=actions)
    os.close(reader)
    _, status, usage = os.wait4(child, 0)
    assert status == 0, call
    return usage.ru_minflt
