"""Kernel parameters in /proc/sys, in the network namespace of the process.

The caller decides which keys may be absent or read-only. Keys are separated by `/`, so that interface
names with dots in them work.
"""

import posix

ROOT = "/proc/sys/"
VALUE_LIMIT = 4096


def read(key: str) -> "str | None":
    """Return the value, or None if the kernel has no such key or it is write-only."""
    try:
        descriptor = posix.open(ROOT + key, posix.O_RDONLY | posix.O_CLOEXEC)
    except (FileNotFoundError, PermissionError):
        return None
    try:
        return posix.read(descriptor, VALUE_LIMIT).decode().rstrip("\n")
    finally:
        posix.close(descriptor)


def write(key: str, value: str, *, is_rehearsal: bool = False) -> bool:
    """Set a value unless it is set already; return whether it was changed. Raise OSError.

    Reading first costs microseconds, avoids a contended lock (writing `forwarding` takes the one of
    all netlink requests), and works where /proc/sys is read-only but correct.
    """
    if read(key) == value:
        return False
    descriptor = posix.open(ROOT + key, posix.O_WRONLY | posix.O_CLOEXEC)
    try:
        if not is_rehearsal:
            posix.write(descriptor, value.encode())
    finally:
        posix.close(descriptor)
    return True


def try_write(key: str, value: str) -> None:
    """Set a value if the kernel has such a key and lets us; for what is good to have only."""
    try:
        write(key, value)
    except OSError:
        pass
