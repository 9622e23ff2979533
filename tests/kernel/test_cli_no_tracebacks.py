"""No command prints a traceback: on a full disk, on a closed pipe, without root."""

import os
import subprocess

import pytest

from tests.kernel.conftest import MakeNetwork
from tests.lab import PLUGIN, Host

COMMANDS = (
    *("init web", "validate /dev/null", "plan /dev/null", "show", "show web", "show --json"),
    *("show --format prometheus", "show cluster", "graph", "graph --format svg", "doctor"),
    *("explain c1 10.88.0.1:80", "explain 8080", "trace", "trace last", "add web c1", "del web c1"),
    *("check web c1", "exec c1 -- true", "rm web", "gc", "gc --dry-run", "restore", "completion"),
    *("adopt host-local", "lab graph", "lab ping", "agent", "help", "version", "-V", "show --help"),
)
NOBODY = ("setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups")


def stderr(*words: str, stdout: int) -> str:
    """Return what a command prints on stderr."""
    done = subprocess.run(
        words,
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        timeout=60,
        env={"PATH": os.environ["PATH"], "LANG": "C.UTF-8"},
    )
    return done.stderr


@pytest.fixture
def version() -> str:
    """Return what people see does not depend on the spec version."""
    return "1.1.0"


def test_a_full_disk_and_a_closed_pipe_are_no_tracebacks(
    host: Host, make_network: MakeNetwork
) -> None:
    make_network().add(host.container()).result()
    full = os.open("/dev/full", os.O_WRONLY)
    reading, closed = os.pipe()
    os.close(reading)
    for stdout in (full, closed):
        for each in COMMANDS:
            told = stderr(str(PLUGIN), *each.split(), stdout=stdout)
            assert "Traceback" not in told, each
            assert "Exception ignored" not in told, each
        os.close(stdout)


def test_without_root_there_are_no_tracebacks(host: Host, make_network: MakeNetwork) -> None:
    make_network().add(host.container()).result()
    for each in COMMANDS:
        told = stderr(*NOBODY, str(PLUGIN), *each.split(), stdout=subprocess.DEVNULL)
        assert "Traceback" not in told, each
        assert "setpriv" not in told, each
        assert told.count("\n") < 40, each
