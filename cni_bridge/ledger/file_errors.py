"""What can be wrong with the ledger's file, in our words, with what to do about it.

Texts only, and read only where there is trouble; nothing is repaired here.
"""

import posix
from _stat import S_ISREG

from cni_bridge.errors import CniError, LedgerUnusable, TryAgainLater
from cni_bridge.lean import files
from cni_bridge.lean.csqlite import csqlite

FROM_KERNEL = (
    "`cni-bridge restore --from-kernel` sets the file aside and makes a new one of what the kernel "
    "shows of the containers that run."
)


def failure(error: Exception, path: str, patience_s: float) -> CniError:
    """What SQLite complains about."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # the low byte is the kind of error
    if code in (csqlite.SQLITE_BUSY, csqlite.SQLITE_LOCKED):
        return locked(path, patience_s)
    if code in (csqlite.SQLITE_CORRUPT, csqlite.SQLITE_NOTADB):
        return LedgerUnusable(f"the ledger {path} is damaged: {error}", FROM_KERNEL)
    if code == csqlite.SQLITE_FULL:
        return LedgerUnusable(
            f"no space is left for the ledger {path}: {error}",
            "Make space on its file system. Nothing that was recorded is lost.",
        )
    if code == csqlite.SQLITE_READONLY:
        return LedgerUnusable(
            f"the ledger {path} is read-only: {error}",
            "Mount its file system writable again. Nothing that was recorded is lost.",
        )
    return LedgerUnusable(
        f"cannot use the ledger {path}: {error}",
        "Check the permissions of the file and of its directory, and the space left there.",
    )


def locked(path: str, patience_s: float) -> TryAgainLater:
    """Others had it all the time."""
    return TryAgainLater(
        f"the ledger {path} stayed locked for {patience_s:g} s", _lock_details(path)
    )


def foreign(path: str, found: int, ours: int) -> LedgerUnusable:
    """A ledger of a version that is not known here."""
    return LedgerUnusable(
        f"the ledger {path} has schema version {found}, this cni-bridge knows versions up to {ours}",
        f"Go on with the cni-bridge that wrote it, or a newer one. Or else: {FROM_KERNEL}",
    )


def no_ledger(path: str, mode: int) -> LedgerUnusable:
    """Something in the ledger's place that is no file, or that others could have written to."""
    complaint = f"can be written by others, its mode is {mode & 0o7777:04o}"
    if not S_ISREG(mode):
        complaint = "is not a regular file"
    return LedgerUnusable(f"the ledger {path} {complaint}", FROM_KERNEL)


def lock_holders(locks: str, device: int, inode: int) -> tuple[str, ...]:
    """The process ids that hold a lock on the file, from the text of /proc/locks.

    A line is `1: POSIX  ADVISORY  WRITE 4711 00:19:81 1073741825 1073741825`, and those that wait
    have `->` after the number; proc_locks(5). Overlayfs and btrfs show another device than stat
    does: where no lock is on that file, those on any file of that number are taken.
    """
    lines = [line.split() for line in locks.splitlines()]
    held = [(line[5], line[4]) for line in lines if line[1] != "->"]
    file = f"{posix.major(device):02x}:{posix.minor(device):02x}:{inode}"
    pids = [pid for where, pid in held if where == file]
    pids = pids or [pid for where, pid in held if where.endswith(f":{inode}")]
    return tuple(dict.fromkeys(pids))


def _lock_details(path: str) -> str:
    """Who holds the lock, as far as /proc tells."""
    try:
        found = posix.stat(path)
        pids = lock_holders(files.text_of("/proc/locks"), found.st_dev, found.st_ino)
    except OSError:
        pids = ()
    who = ", ".join(f"{pid} ({_command(pid)})" for pid in pids)
    return f"It is held by process {who}." if who else "Whoever held it is gone now."


def _command(pid: str) -> str:
    try:
        return files.text_of(f"/proc/{pid}/comm").strip()
    except OSError:  # it ended, or is of another pid namespace
        return "unknown"
