"""libc's calls for namespaces and mounts, and mounts that only this process and its children see."""

import ctypes
import os

MS_BIND = 0x1000  # linux/mount.h
MS_REC, MS_PRIVATE = 0x4000, 0x40000
CLONE_NEWNS = 0x00020000  # linux/sched.h

_libc = ctypes.CDLL(None, use_errno=True)


def separate() -> None:
    """Give this process mounts of its own: nothing that it mounts from now on is seen outside."""
    call("unshare", CLONE_NEWNS)
    call("mount", b"none", b"/", None, MS_REC | MS_PRIVATE, None)


def bind(source: str | os.PathLike[str], target: str | os.PathLike[str]) -> None:
    """Show a file or directory at another path. Raises OSError."""
    call("mount", os.fsencode(source), os.fsencode(target), None, MS_BIND, None)


def call(function: str, *arguments: object) -> None:
    """Make one libc call; raise OSError as Python's own wrappers do."""
    if getattr(_libc, function)(*arguments) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
