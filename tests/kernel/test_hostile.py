"""Hostile requests to the real executable: refused by the documented table, and nothing changes."""

import os
import subprocess
from collections.abc import Iterator

import pytest

from tests.fuzz.executable import CONTAINER, PLACES, ask, attack, compare, left_over, target
from tests.fuzz.hostile import VARIABLES, Asked
from tests.lab import PLUGIN, Host

ADD = {"CNI_COMMAND": "ADD", **VARIABLES, "CNI_CONTAINERID": CONTAINER}
DOCUMENT = b'{"cniVersion": "1.1.0", "name": "n"}'
ANSWERS = {
    "link": 0,
    "link-to-link": 0,
    "nothing": 3,
    "dangling": 3,
    **dict.fromkeys(("own", "pid", "user", "loop", "terminal", "endless", "memory"), 8),
    **dict.fromkeys(("fifo", "directory", "file", "socket", "device"), 8),
}


@pytest.fixture
def hostile_host() -> Iterator[Host]:
    """Yield a host on which every test must leave nothing."""
    with target() as private:
        yield private
        assert left_over() == []
        compare(private)


@pytest.mark.usefixtures("hostile_host")
def test_only_another_network_namespace_is_entered_whatever_the_path_leads_to() -> None:
    answers = {
        place: ask(Asked({**ADD, "CNI_NETNS": str(PLACES / place)}, DOCUMENT)) for place in ANSWERS
    }
    assert answers == ANSWERS


def test_random_hostile_requests_change_nothing(hostile_host: Host) -> None:
    assert attack(hostile_host, 200, seed=1).total() == 200


@pytest.mark.usefixtures("hostile_host")
def test_the_path_of_the_namespace_is_opened_once_and_never_looked_at_again() -> None:
    """So it does not matter what it leads to afterwards."""
    log, path = "/run/strace", ADD["CNI_NETNS"]
    strace = ("strace", "-f", "-qq", "-e", "trace=%file", "-o", log, str(PLUGIN))
    environment = {"PATH": os.environ["PATH"], **ADD}
    subprocess.run(strace, input=DOCUMENT, env=environment, check=True, timeout=60)
    with open(log, encoding="utf-8") as file:
        assert sum(f'"{path}"' in line for line in file) == 1
    ask(Asked({**ADD, "CNI_COMMAND": "DEL"}, DOCUMENT))


@pytest.mark.usefixtures("hostile_host")
def test_stdin_without_an_end_is_refused() -> None:
    with open("/dev/zero", "rb") as endless:
        done = subprocess.run(
            (str(PLUGIN),), stdin=endless, env=ADD, capture_output=True, text=True, timeout=20
        )
    assert (done.returncode, '"code": 5' in done.stdout) == (1, True)


@pytest.mark.usefixtures("hostile_host")
def test_what_people_are_told_is_one_printable_line() -> None:
    variables = {**ADD, "CNI_COMMAND": "GC\x1b[2J\nforged line", "CNI_IFNAME": "\x1b]0;x\x07"}
    done = subprocess.run(
        (str(PLUGIN),), input="", env=variables, capture_output=True, text=True, timeout=20
    )
    assert done.stderr == "cni-bridge: unknown CNI_COMMAND: GC?[2J?forged line\n"
