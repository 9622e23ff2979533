"""The lab's network namespaces: create, find by name, enter, remove.

One of them plays the host, so the machine's own network is not touched.
"""

import json
import os
import shlex
import shutil
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import NoReturn, TypeVar, cast

from cni_bridge.cli import own_mounts
from cni_bridge.cli.environment import own_environment
from cni_bridge.errors import CniError, Delegated, IOFailure
from cni_bridge.kernel import netns
from cni_bridge.ledger import container_names, state_directory

T = TypeVar("T")

DIRECTORY = Path("/run/netns")  # iproute2's, so that `ip netns` finds them
PREFIX = container_names.LAB_PREFIX
HOST = "host"
STATE_DIR = Path("/run/cni-bridge-lab")  # of the lab's ledger and configs
CONF_DIR = STATE_DIR / "net.d"
SHELLS_OWN = frozenset(";&|<>$'\"")
MNT_DETACH = 2  # sys/mount.h


def path(name: str) -> str:
    """Return the path of a namespace of the lab."""
    return str(DIRECTORY / f"{PREFIX}{name}")


def names() -> list[str]:
    """Return the existing namespaces, the host first."""
    found = [each.name.removeprefix(PREFIX) for each in DIRECTORY.glob(f"{PREFIX}*")]
    return sorted(found, key=lambda name: (name != HOST, len(name), name))


def create(name: str) -> None:
    """Create a namespace that has only `lo`, which is down."""
    file = Path(path(name))
    try:
        DIRECTORY.mkdir(exist_ok=True)
        file.touch(exist_ok=False)
        in_fresh(lambda: own_mounts.bind(netns.OWN_NETNS, file))
    except OSError as error:
        raise IOFailure(f"cannot make the network namespace {file}: {error.strerror}") from error


def in_fresh(work: Callable[[], T]) -> T:
    """Run `work` in a new namespace, which is gone afterwards unless kept; return its result."""
    home = os.open(netns.OWN_NETNS, os.O_RDONLY | os.O_CLOEXEC)
    try:
        own_mounts.call("unshare", netns.CLONE_NEWNET)
        try:
            return work()
        finally:
            own_mounts.call("setns", home, netns.CLONE_NEWNET)
    finally:
        os.close(home)


def remove(name: str) -> None:
    """Remove a namespace; the kernel removes what is in it."""
    file = Path(path(name))
    try:
        own_mounts.call("umount2", bytes(file), MNT_DETACH)
    except OSError:  # a file that was never mounted on
        pass
    file.unlink(missing_ok=True)


def remove_all() -> list[str]:
    """Remove everything that labs made; return the namespaces that existed."""
    there = names()
    for name in there:
        remove(name)
    shutil.rmtree(STATE_DIR, ignore_errors=True)
    with suppress(OSError):  # not empty: it was not created for the lab
        Path(state_directory.HOST).rmdir()
    return there


def environment() -> dict[str, str]:
    """Return the environment for programs in the lab's host: its configs, its result cache."""
    return own_environment() | {
        "NETCONFPATH": str(CONF_DIR),
        "CNI_CACHE_DIR": str(STATE_DIR),
        "CNI_PATH": os.path.dirname(os.path.realpath(sys.executable)),
    }


def work_in(name: str, work: Callable[[], T]) -> T:
    """Run `work` in a namespace and return its result; processes it starts stay there."""
    opened = netns.open_netns(path(name), may_be_own=True)
    try:
        return netns.inside(opened, work)
    finally:
        netns.close(opened)


def execution(command: str) -> str:
    """Return `lab exec` for a command of the lab's host, or for one with nsenter."""
    command, sharp, note = command.partition("   #")
    name = HOST
    entry = f"nsenter --net={path('')}"
    if command.startswith(entry):
        name, _, command = command.removeprefix(entry).partition(" ")
    if set(command) & SHELLS_OWN:
        command = f"bash -c {shlex.quote(command)}"
    return f"cni-bridge lab exec {name} -- {command}{sharp}{note}"


def as_host() -> None:
    """Move this process into the lab's host for good: its network, and its ledger.

    Without the ledger the lab's networks would be recorded beside the machine's.
    """
    STATE_DIR.mkdir(mode=0o700, exist_ok=True)
    Path(state_directory.HOST).mkdir(mode=0o700, exist_ok=True)
    own_mounts.separate()
    own_mounts.bind(STATE_DIR, state_directory.HOST)
    opened = netns.open_netns(path(HOST), may_be_own=True)
    own_mounts.call("setns", opened.descriptor, netns.CLONE_NEWNET)
    netns.close(opened)


def as_host_once(environment: dict[str, str], work: Callable[[], T]) -> T:
    """Run `work` in a process of the lab's host; return its result, which JSON can hold.

    Raises what the process raised, if that is a CniError.
    """
    reader, writer = os.pipe()
    if not (child := os.fork()):
        _answer(writer, environment, work)
    os.close(writer)
    with open(reader, "rb") as pipe:
        answer = pipe.read()
    os.waitpid(child, 0)
    if not answer:
        raise IOFailure("a process of the lab ended without an answer")
    result, error = json.loads(answer)
    if error:
        raise Delegated(*error)
    return cast("T", result)


def _answer(writer: int, environment: dict[str, str], work: Callable[[], object]) -> NoReturn:
    """Do the work and end this process, whatever happens."""
    answer: tuple[object, tuple[int, str, str] | None] = None, None
    try:
        as_host()
        os.environ.clear()
        os.environ.update(environment)
        answer = work(), None
    except CniError as error:
        answer = None, (error.code, error.msg, error.details)
    except OSError as error:
        answer = None, (IOFailure.code, f"{error.filename or 'lab'}: {error.strerror}", "")
    finally:
        with open(writer, "wb") as pipe:
            pipe.write(json.dumps(answer).encode())
        os._exit(0)
