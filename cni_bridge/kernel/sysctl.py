"""Kernel parameters: one key of /proc/sys at a time, in the network namespace of the process.

No policy: which keys may be absent or refused is for the caller to know. Keys are separated by `/`,
so that interface names with dots in them work.
"""

import posix

ROOT = "/proc/sys/"
VALUE_LIMIT = 4096


def read(key: str) -> "str | None":
    """The value, or None where the kernel has no such key, or one that can only be written."""
    try:
        descriptor = posix.open(ROOT + key, posix.O_RDONLY | posix.O_CLOEXEC)
    except (FileNotFoundError, PermissionError):
        return None
    try:
        return posix.read(descriptor, VALUE_LIMIT).decode().rstrip("\n")
    finally:
        posix.close(descriptor)


def write(key: str, value: str) -> bool:
    """Set a value unless it is set already; whether it had to be set. Raises OSError.

    Reading first costs some microseconds, but spares a contended lock (writing `forwarding` takes
    the one of all netlink requests) and works where /proc/sys is read-only and rightly set.
    """
    if read(key) == value:
        return False
    descriptor = posix.open(ROOT + key, posix.O_WRONLY | posix.O_CLOEXEC)
    try:
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
