"""DEL does not wait for what the kernel does after the interface is gone: another process does."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.lab import Attachment, Container, Host, Network, Plugin
from tests.lab.wire import wire

TERMINATION = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def under_strace(network: Network, *options: str) -> None:
    network.plugin = replace(
        network.plugin, prefix=("strace", "-f", "-qq", "-o", "/dev/null", *options)
    )


def attached(host: Host, network: Network) -> Container:
    container = host.container()
    network.add(container).result()
    return container


def processes(session: int) -> list[int]:
    """Return the processes of a session that run the plugin."""
    found = []
    for each in Path("/proc").glob("[0-9]*"):
        try:
            fields = (each / "stat").read_text().rpartition(")")[2].split()
            if int(fields[3]) == session and "strace" not in (each / "exe").readlink().name:
                found.append(int(each.name))
        except (FileNotFoundError, ProcessLookupError):
            continue
    return found


def deleting(network: Network, container: Container) -> "subprocess.Popen[str]":
    """Begin a DEL, in a session of its own."""
    environment, stdin = network.call("DEL", Attachment(container))
    run = subprocess.Popen(
        (*network.plugin.prefix, network.plugin.path),
        env={"PATH": os.environ["PATH"], **environment},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert run.stdin
    run.stdin.write(stdin)
    run.stdin.close()
    run.stdin = None
    return run


@pytest.mark.parametrize(
    "accident",
    [
        "clone:error=EAGAIN",
        "pipe2:error=EMFILE",
        "close_range:signal=KILL:when=1",
        "write:error=EPIPE:when=1",
        "clock_nanosleep:error=EPERM",
    ],
    ids=[
        "no process can be had",
        "no pipe can be had",
        "it is killed",
        "it has nobody to tell",
        "it may not sleep",
    ],
)
def test_whatever_becomes_of_the_other_process_the_interface_is_gone(
    accident: str, host: Host, network: Network
) -> None:
    container = attached(host, network)
    under_strace(network, "-e", f"inject={accident}")
    network.delete(container).assert_silent_success()
    assert not host.left_behind()


def test_the_other_process_holds_nothing_that_a_runtime_waits_for(
    host: Host, network: Network
) -> None:
    """Neither the pipes, of which the runtime waits for the end, nor the ledger, nor its lock."""
    for _ in range(10):
        with deleting(network, attached(host, network)) as run:
            assert run.communicate(timeout=20) == ("", "")
            for other in processes(run.pid):
                assert {
                    name for name in open_files(other) if not name.startswith("socket:")
                } == set()
        assert not host.left_behind()


def open_files(pid: int) -> list[str]:
    try:
        return [str(each.readlink()) for each in Path(f"/proc/{pid}/fd").iterdir()]
    except FileNotFoundError:
        return []


def test_the_other_process_cannot_be_stopped_half_way(host: Host, network: Network) -> None:
    container = attached(host, network)
    under_strace(network, "-e", "inject=close_range:delay_enter=500000:when=1")
    with deleting(network, container) as run:
        deadline = time.monotonic() + 20
        while len(pair := processes(run.pid)) < 2 and time.monotonic() < deadline:
            time.sleep(0.002)
        assert len(pair) == 2
        for number in TERMINATION:
            for each in pair:
                os.kill(each, number)
        assert run.wait(timeout=20) == 0
    assert not host.left_behind()


SUBREAPER = """
import ctypes, subprocess, sys, time
ctypes.CDLL(None).prctl(36, 1)  # PR_SET_CHILD_SUBREAPER
done = subprocess.run(sys.argv[1:])
children = f"/proc/self/task/{__import__('os').getpid()}/children"
for _ in range(1000):
    states = [open(f"/proc/{pid}/stat").read().split()[2] for pid in open(children).read().split()]
    if set(states) <= {"Z"}:
        break
    time.sleep(0.01)
print(done.returncode, *states)
"""


def test_where_nothing_reaps_it_an_ended_process_is_left_and_nothing_else(
    host: Host, network: Network
) -> None:
    """In a container whose first process is no init, say."""
    container = attached(host, network)
    environment, stdin = network.call("DEL", Attachment(container))
    done = subprocess.run(
        (sys.executable, "-c", SUBREAPER, network.plugin.path),
        env={"PATH": os.environ["PATH"], **environment},
        input=stdin,
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert done.stdout.split() == ["0", "Z"]
    assert not host.left_behind()


def test_an_add_right_after_a_del_of_the_same_attachment_works(
    host: Host, network: Network
) -> None:
    container = host.container()
    for _ in range(10):
        network.add(container).result()
        assert container.can_ping("10.88.0.1")
        network.delete(container).assert_silent_success()
    assert not host.left_behind()


def test_the_namespace_can_be_made_again_right_after_a_del(host: Host, network: Network) -> None:
    for _ in range(5):
        container = attached(host, network)
        network.delete(container).assert_silent_success()
        container.delete()
        container.create()
        network.add(container).result()
        assert container.can_ping("10.88.0.1")
        network.delete(container).assert_silent_success()
    assert not host.left_behind()


@pytest.fixture
def processes_of(tmp_path: Path) -> Callable[[Network], Callable[[], int]]:
    """Return what traces a network's runs, and returns how many processes they have made."""

    def trace(network: Network) -> Callable[[], int]:
        log = tmp_path / "strace.log"
        words = ("strace", "-f", "-o", str(log), "-e", "trace=clone,clone3,fork,vfork")
        network.plugin = replace(network.plugin, prefix=words)
        return lambda: log.read_text().count("clone(")

    return trace


Traced = Callable[[Network], Callable[[], int]]


@pytest.mark.parametrize("count", [1, 3], ids=["one", "a group"])
def test_gc_has_another_process_wait_too(
    count: int, host: Host, network: Network, processes_of: Traced
) -> None:
    containers = [attached(host, network) for _ in range(count)]
    network.config["cniVersion"] = "1.1.0"
    made = processes_of(network)
    none: dict[str, Any] = {"cni.dev/valid-attachments": []}
    network.do("GC", containers[0], "eth0", config=none).assert_silent_success()
    assert made() == 1
    assert not host.left_behind()


def test_rolling_an_add_back_has_another_process_wait_too(
    host: Host, network: Network, processes_of: Traced
) -> None:
    network.config["sysctl"] = {
        "net.ipv4.ip_local_port_range": "x"
    }  # refused when the pair is made
    made = processes_of(network)
    assert network.add(host.container()).error()["code"] == 110
    assert made() == 1
    assert not host.left_behind()


def test_removing_a_wire_has_another_process_wait_too(
    host: Host, plugin: Plugin, processes_of: Traced
) -> None:
    network = host.network(plugin, wire(plugin))
    one, two = host.container(), host.container()
    network.add(one).result()
    network.add(two).result()
    network.delete(one).assert_silent_success()  # the other one's end waits for a successor
    made = processes_of(network)
    network.delete(two).assert_silent_success()
    assert made() == 1
    assert not host.left_behind()
