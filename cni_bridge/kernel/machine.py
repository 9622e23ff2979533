"""Identifiers of this machine and of its current boot."""

import posix

_boot: list[str] = []  # its id, once it was read: no process outlives a boot


def boot_id() -> str:
    """Return a UUID that changes with every boot."""
    if not _boot:
        _boot.append(_read("/proc/sys/kernel/random/boot_id"))
    return _boot[0]


def machine_id() -> str:
    """Return the installation's id; where there is none (containers, images), the boot's."""
    try:
        return _read("/etc/machine-id")
    except OSError:
        return boot_id()


def _read(path: str) -> str:
    descriptor = posix.open(path, posix.O_RDONLY | posix.O_CLOEXEC)
    try:
        return posix.read(descriptor, 128).decode().strip()
    finally:
        posix.close(descriptor)
