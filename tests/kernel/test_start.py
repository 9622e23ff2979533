"""How the executables start: once, by themselves, and where little is there for them."""

import os
import signal
import subprocess
from pathlib import Path

import pytest

from tests.lab import PLUGIN, PLUGIN_PORTABLE, Host, Network, Plugin

EXECUTABLES = pytest.mark.parametrize(
    "executable", [PLUGIN, PLUGIN_PORTABLE], ids=lambda path: path.name
)


@EXECUTABLES
def test_an_executable_starts_once_with_the_c_library_alone(executable: Path) -> None:
    environment = {"CNI_COMMAND": "VERSION", "LD_DEBUG": "files"}
    done = subprocess.run(
        [executable], env=environment, input="", capture_output=True, text=True, check=True
    )
    assert done.stderr.count("transferring control") == 1
    loaded = [line.split()[-1] for line in done.stderr.splitlines() if "calling init" in line]
    assert {Path(each).name.partition(".")[0] for each in loaded} <= {
        "ld-linux-x86-64",
        "ld-linux-aarch64",
        "libc",
        "libm",
    }


def test_a_portable_plugin_run_unpacks_nothing(host: Host, network: Network) -> None:
    network.plugin = Plugin.at(PLUGIN_PORTABLE)
    network.config["type"] = PLUGIN_PORTABLE.name
    nowhere = {"TMPDIR": "/proc"}  # where nothing can be made
    container = host.container()
    network.add(container, environment=nowhere).result()
    network.delete(container, environment=nowhere).assert_silent_success()


def test_an_error_that_is_explained_leaves_nothing_unpacked(
    host: Host, network: Network, tmp_path: Path
) -> None:
    network.plugin = Plugin.at(PLUGIN_PORTABLE)
    network.config["mtu"] = "large"
    error = network.add(host.container(), environment={"TMPDIR": str(tmp_path)}).error()
    assert (error["code"], "mtu" in error["msg"]) == (7, True)
    assert list(tmp_path.iterdir()) == []


def test_a_portable_that_can_not_unpack_says_where(
    host: Host, network: Network, tmp_path: Path
) -> None:
    network.plugin = Plugin.at(PLUGIN_PORTABLE)
    network.config["mtu"] = "large"
    nowhere = tmp_path / "none"
    error = network.add(host.container(), environment={"TMPDIR": str(nowhere)}).error()
    assert error["code"] == 5
    assert str(nowhere) in error["msg"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_portable_command_that_is_stopped_leaves_nothing_in_tmp(
    number: signal.Signals, tmp_path: Path
) -> None:
    environment = {"PATH": os.environ["PATH"], "TMPDIR": str(tmp_path)}
    words = (PLUGIN_PORTABLE, "show", "--watch")
    with subprocess.Popen(words, env=environment, stdout=subprocess.PIPE) as watching:
        assert watching.stdout
        assert watching.stdout.readline()
        assert list(tmp_path.iterdir()) != []
        watching.send_signal(number)
        watching.wait(timeout=20)
    assert list(tmp_path.iterdir()) == []


@EXECUTABLES
def test_commands_for_people_leave_nothing_in_tmp(executable: Path, tmp_path: Path) -> None:
    environment = {"PATH": os.environ["PATH"], "TMPDIR": str(tmp_path)}
    done = subprocess.run(
        [executable, "--version"], env=environment, capture_output=True, text=True
    )
    assert (done.returncode, done.stdout.startswith("cni-bridge "), done.stderr) == (0, True, "")
    assert list(tmp_path.iterdir()) == []
