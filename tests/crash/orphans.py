"""The portable executable's bootloader, killed while the process that it waits for does the work.

A runtime knows the bootloader alone: when it loses patience, that is what it kills.
"""

import json
import os
import signal
import time
from pathlib import Path

from tests.crash.scenes import PORTABLE, Scene
from tests.crash.stage import IFNAME, Stage
from tests.crash.sweep import Tally
from tests.lab import Attachment
from tests.lab.waiting import wait_until

STEP = 0.001  # seconds


def kill_bootloaders(scene: Scene, command: str, count: int) -> Tally:
    """Kills it at `count` moments of the run, one a millisecond after the other."""
    tally = Tally()
    with Stage(PORTABLE, scene) as stage:
        for index in range(count):
            if command == "DEL":
                stage.run("ADD").result()
            try:
                tally.outcomes[_orphaned(stage, command, index * STEP)] += 1
            except AssertionError as error:
                tally.complaints.append(f"{command}, after {index * STEP} s: {error}")
                stage.run("DEL").assert_silent_success()
            stage.reset()
    return tally


def _orphaned(stage: Stage, command: str, delay: float) -> str:
    attachment = Attachment(stage.victim, IFNAME)
    call = stage.network.call(command, attachment, config=stage.scene.asked)
    process = stage.network.plugin.start(*call)
    wait_until(lambda: _has_begun(process.pid) or process.poll() is not None)
    time.sleep(delay)
    if process.poll() is None:
        os.kill(process.pid, signal.SIGKILL)
    run = stage.network.plugin.finish(process)  # its streams end with the last process
    answer = json.loads(run.stdout or "{}")
    if answer and "code" not in answer:
        stage.network.results[attachment] = answer
        stage.is_attached(stage.victim)
        stage.run("DEL").assert_silent_success()
        outcome = "done before"
    elif command == "DEL":
        outcome = "not begun" if stage.left(settling=0) else "removed"
        stage.run("DEL").assert_silent_success()
    else:
        outcome = "rolled back" if run.stdout else "not begun"
    left = stage.left()
    assert not left, "\n".join((f"{run} left behind:", *left))
    return outcome


def _has_begun(bootloader: int) -> bool:
    """Whether the process for which it waits is executing already.

    Before, that waits for the bootloader, and would for ever: PyInstaller's, not ours.
    """
    try:
        children = Path(f"/proc/{bootloader}/task/{bootloader}/children").read_text().split()
        return any(b"_PYI_" in Path(f"/proc/{pid}/environ").read_bytes() for pid in children)
    except OSError:
        return False
