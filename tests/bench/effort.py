"""What one run needs, in figures that hardly vary with the load: instructions, page faults, memory,
and what it floods.

Each is of the whole process tree: the reference's bridge executes host-local.
"""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.bench.process import OUTPUT, Command, spawn, timed
from tests.bench.workloads import OURS, PORTABLE, REFERENCE, Stage, keep_the_bridge
from tests.budget.cost import CALLGRIND
from tests.lab import Container, Host
from tests.lab.namespaces import visiting

# In a process that is smaller than any plugin: the peak that is reported includes that of whoever
# started it.
PEAK = """
import os, sys
child = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ)
_, status, usage = os.wait4(child, 0)
print(usage.ru_maxrss, file=sys.stderr)
raise SystemExit(status != 0)
"""
ETH_P_ALL = 3
FLOODING_S = 9  # a new container solicits routers and reports groups for 8 s

SMALL = (sys.executable, "-I", "-S", "-c", PEAK)


@dataclass(frozen=True)
class Effort:
    """One run's figures; instructions are of user space, None where valgrind can't tell.

    Frames are those of a new container that another one on the bridge receives.
    """

    variant: str
    phase: str
    instructions: int | None
    page_faults: int
    peak_kib: int
    frames: int | None


def measure() -> list[Effort]:
    """ADD and DEL of one container, by each plugin."""
    with Host() as host:
        found: list[Effort] = []
        for number, variant in enumerate((OURS, PORTABLE, REFERENCE)):
            if variant.is_here:
                stage = Stage(variant, host, number)
                keep_the_bridge(stage)
                found += _of(stage)
        return found


def _of(stage: Stage) -> list[Effort]:
    """Three rounds, one for each kind of figure, and one for the frames of an ADD."""
    frames = {"ADD": _flooded(stage, stage.host.containers[-1]), "DEL": None}
    faults, peaks, instructions = (
        _round(stage, how) for how in (_page_faults, _peak_kib, _instructions)
    )
    return [
        Effort(
            stage.variant.name,
            phase,
            instructions[phase],
            faults[phase] or 0,
            peaks[phase] or 0,
            frames[phase],
        )
        for phase in ("ADD", "DEL")
    ]


def _round(stage: Stage, how: Callable[[Command], int | None]) -> dict[str, int | None]:
    stage.enter()
    found = {}
    for phase in ("ADD", "DEL"):
        (command,) = stage.commands(phase)
        found[phase] = how(command)
        if found[phase] is None:  # half-way, maybe: done again for what it does
            for each in (*stage.commands("DEL"), command):
                os.wait4(spawn(each), 0)
    stage.leave()
    return found


def _flooded(stage: Stage, listener: Container) -> int:
    with visiting(listener.netns):
        link = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        link.bind(("eth0", ETH_P_ALL))
    with link:
        link.setblocking(False)
        stage.enter()
        timed(stage.commands("ADD"))
        _, *pair = json.loads(Path(OUTPUT).read_text())["interfaces"]
        time.sleep(FLOODING_S)
        senders = [bytes.fromhex(each["mac"].replace(":", "")) for each in pair]
        count = 0
        try:
            while frame := link.recv(2048):
                count += frame[6:12] in senders
        except BlockingIOError:
            pass
        timed(stage.commands("DEL"))
        stage.leave()
        return count


def _page_faults(command: Command) -> int:
    _, status, usage = os.wait4(spawn(command), 0)
    assert status == 0, command
    return usage.ru_minflt


def _peak_kib(command: Command) -> int:
    done = _run_by(SMALL, command)
    assert done.returncode == 0, done
    return int(done.stderr.split()[-1])


def _instructions(command: Command) -> int | None:
    """None where Go's runtime and valgrind can't both do as they like with threads."""
    if shutil.which(CALLGRIND[0]):
        done = _run_by(CALLGRIND, command)
        if done.returncode == 0:
            return sum(map(int, re.findall(r"Collected : (\d+)", done.stderr)))
    return None


def _run_by(runner: tuple[str, ...], command: Command) -> "subprocess.CompletedProcess[str]":
    environment = {"PATH": os.environ["PATH"], **command.environment}
    with open(OUTPUT, "w") as output:
        return subprocess.run(
            [*runner, *command.words],
            env=environment,
            input=command.stdin,
            stdout=output,
            stderr=subprocess.PIPE,
            text=True,
        )
