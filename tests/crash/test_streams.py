"""stdin that does not end, stdout that nobody reads, and children that hold it open."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.crash.scenes import PUBLISHED
from tests.crash.stage import IFNAME, Stage
from tests.lab import Attachment
from tests.lab.script import ANSWER, delegate, script
from tests.lab.stacks import OURS
from tests.lab.waiting import wait_until

CLOSED = ("1>&-", "1>&- 2>&-", "1>/dev/full", "1>/dev/full 2>&-")
NO_DEV = ("unshare", "-m", "sh", "-c", 'mount -t tmpfs none /dev && exec "$@"', "-")


@pytest.fixture
def stage() -> Iterator[Stage]:
    """Yield a host where somebody has a container already."""
    with Stage(OURS, PUBLISHED) as made:
        yield made


def start(
    stage: Stage, words: tuple[str, ...], stdin: int, stdout: int = subprocess.PIPE
) -> "subprocess.Popen[bytes]":
    """Return an ADD for the victim, with streams of the test's choice."""
    config = stage.scene.asked
    variables, document = stage.network.call("ADD", Attachment(stage.victim, IFNAME), config=config)
    process = subprocess.Popen(
        words, env={"PATH": os.environ["PATH"], **variables}, stdin=stdin, stdout=stdout
    )
    if process.stdin:
        process.stdin.write(document.encode())
        process.stdin.flush()
    return process


@pytest.mark.parametrize(
    ("streams", "prefix"), [*((each, ()) for each in CLOSED), ("1>&-", NO_DEV)]
)
def test_an_add_whose_result_can_not_be_written_is_rolled_back(
    stage: Stage, streams: str, prefix: tuple[str, ...]
) -> None:
    words = (*prefix, "sh", "-c", f'exec "$0" {streams}', str(stage.network.plugin.path))
    process = start(stage, words, subprocess.PIPE, subprocess.DEVNULL)
    process.communicate(timeout=30)
    assert process.returncode == 1
    assert not stage.left()
    stage.assert_unharmed()


def test_an_add_whose_reader_has_gone_is_rolled_back(stage: Stage) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    process = start(stage, (str(stage.network.plugin.path),), subprocess.PIPE, writer)
    process.communicate(timeout=30)
    os.close(writer)
    assert process.returncode == 1  # not of SIGPIPE
    assert not stage.left()


def test_streams_may_be_non_blocking(stage: Stage) -> None:
    """A stdin that has nothing yet, and a stdout that is full, are waited for."""
    given, answers = os.pipe(), os.pipe()
    os.set_blocking(given[0], False)
    os.set_blocking(answers[1], False)
    with suppress(BlockingIOError):
        for _ in range(1 << 20):
            os.write(answers[1], b" ")
    process = start(stage, (str(stage.network.plugin.path),), given[0], answers[1])
    os.close(given[0])
    os.close(answers[1])
    wait_until(lambda: is_polling(process))
    document = stage.network.call("ADD", Attachment(stage.victim, IFNAME), config=stage.scene.asked)
    os.write(given[1], document[1].encode())
    os.close(given[1])
    wait_until(lambda: is_polling(process))
    with open(answers[0], "rb") as reader:
        answer = json.loads(reader.read())
    assert (process.wait(timeout=20), "ips" in answer) == (0, True)


def is_polling(process: "subprocess.Popen[bytes]") -> bool:
    """Return whether the process waits for a stream, or has ended."""
    wchan = Path(f"/proc/{process.pid}/wchan")
    return process.poll() is not None or "poll" in wchan.read_text()


def test_a_stdin_that_stays_open_is_given_up_after_a_minute(stage: Stage) -> None:
    log = stage.scratch / "timer.log"
    # With -D it is strace that is the child.
    words = (
        "strace",
        "-D",
        "-o",
        str(log),
        "-e",
        "trace=setitimer",
        str(stage.network.plugin.path),
    )
    with start(stage, words, subprocess.PIPE) as process:
        wait_until(lambda: log.exists() and "tv_sec=60" in log.read_text())
        process.send_signal(signal.SIGALRM)  # nobody wants to wait for it here
        assert process.stdout
        answer = json.loads(process.stdout.read())  # its end is that of the process
    assert answer["code"] == 5
    assert "stdin did not end" in answer["msg"]
    assert process.returncode == 1
    assert not stage.left()


def test_what_a_delegated_plugin_leaves_running_does_not_hold_our_streams(
    stage: Stage, tmp_path: Path
) -> None:
    lingering = tmp_path / "lingering"
    script(tmp_path, f"sleep 60 & echo $! >> {lingering}; echo '{ANSWER}'")
    stage.network.environment |= delegate(stage.network, "scripted", tmp_path)
    before = time.monotonic()
    stage.run("ADD").result()  # returns when stdout and stderr have ended
    assert time.monotonic() - before < 30
    stage.run("DEL").assert_silent_success()
    for pid in lingering.read_text().split():
        os.kill(int(pid), 9)
