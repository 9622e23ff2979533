"""The lab's network namespaces: made, found by their names, worked in, removed.

One of them plays the host, so nothing of the machine's own network is touched. What is built in
them is decided elsewhere.
"""

import ctypes
import os
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from cni_bridge.errors import IOFailure
from cni_bridge.kernel import netns

T = TypeVar("T")

DIRECTORY = Path("/run/netns")  # iproute2's, so that `ip netns` finds them
PREFIX = "cni-bridge-lab-"
HOST = "host"
MS_BIND = 0x1000  # linux/mount.h
MNT_DETACH = 2

_libc = ctypes.CDLL(None, use_errno=True)


def path(name: str) -> str:
    """Where a namespace of the lab is."""
    return str(DIRECTORY / f"{PREFIX}{name}")


def names() -> list[str]:
    """The namespaces that there are, the host's first."""
    found = [each.name.removeprefix(PREFIX) for each in DIRECTORY.glob(f"{PREFIX}*")]
    return sorted(found, key=lambda name: (name != HOST, len(name), name))


def create(name: str) -> None:
    """Make a namespace, with nothing in it but a `lo` that is down."""
    file = Path(path(name))
    try:
        DIRECTORY.mkdir(exist_ok=True)
        file.touch(exist_ok=False)
        home = os.open(netns.OWN_NETNS, os.O_RDONLY | os.O_CLOEXEC)
        try:
            _call("unshare", netns.CLONE_NEWNET)
            try:
                _call("mount", os.fsencode(netns.OWN_NETNS), bytes(file), b"", MS_BIND, None)
            finally:
                _call("setns", home, netns.CLONE_NEWNET)
        finally:
            os.close(home)
    except OSError as error:
        raise IOFailure(f"cannot make the network namespace {file}: {error.strerror}") from error


def remove(name: str) -> None:
    """Remove a namespace; the kernel removes what is in it."""
    file = Path(path(name))
    try:
        _call("umount2", bytes(file), MNT_DETACH)
    except OSError:  # a file that was never mounted on
        pass
    file.unlink(missing_ok=True)


def work_in(name: str, work: Callable[[], T]) -> T:
    """What `work` returns when it runs in a namespace; processes that it starts stay there."""
    opened = netns.open_netns(path(name))
    try:
        return netns.inside(opened, work)
    finally:
        netns.close(opened)


def _call(function: str, *arguments: object) -> None:
    """One libc call; raises OSError as Python's own wrappers do."""
    if getattr(_libc, function)(*arguments) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
