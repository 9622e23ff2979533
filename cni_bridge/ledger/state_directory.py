"""Create the state directory, and refuse one that another user could write to.

Nothing here knows what is kept in it.
"""

import posix
from _stat import S_ISDIR, S_ISLNK

from cni_bridge import errors
from cni_bridge.lean import files

HOST = "/run/cni-bridge"  # where a ledger is, unless a config says otherwise

WRITABLE_BY_OTHERS = 0o022
LONGEST = 480  # SQLite's own limit is 512, with the names of the files in it
_VOLATILE = ("tmpfs", "ramfs")


def ensure(path: str) -> None:
    """Create the directory and its parents, unless it exists and can be trusted.

    Raises LedgerUnusable.
    """
    if is_usable(path):
        return
    if len(path.encode(errors="surrogateescape")) > LONGEST:
        raise errors.LedgerUnusable(
            f"the state directory's path has {len(path)} letters, SQLite takes {LONGEST} at most",
            "Set ipam.dataDir to a shorter path.",
        )
    umask = posix.umask(WRITABLE_BY_OTHERS)  # a runtime's may even remove the owner's rights
    try:
        _make(path.rstrip("/"), 0o700)
    except OSError as error:
        raise errors.LedgerUnusable(
            f"cannot make the state directory {path}: {error.strerror}",
            "Create it with `install -d -m 0700 DIRECTORY`; its file system must be writable.",
        ) from error
    finally:
        posix.umask(umask)
    is_usable(path)


def is_usable(path: str) -> bool:
    """Return False if the directory does not exist. Raises LedgerUnusable if it can't be trusted."""
    # Without the trailing slash, which would follow a symbolic link.
    found = status(path.rstrip("/") or path[:1])
    if found is None:
        return False
    user = posix.geteuid()
    if complaint := objection(found, user):
        raise errors.LedgerUnusable(
            f"the state directory {path} {complaint}",
            "Every user who can write there can take and free addresses. Only uid "
            f"{user} may have that right: `install -d -m 0700 -o {user} DIRECTORY`.",
        )
    return True


def status(path: str) -> posix.stat_result | None:
    """Return the path's lstat, or None if nothing is there. Raises LedgerUnusable."""
    try:
        return posix.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise errors.LedgerUnusable(f"cannot look at {path}: {error.strerror}") from error


def objection(found: posix.stat_result, user: int) -> str:
    """Return why that user can't trust a directory of that status; empty if it can."""
    if S_ISLNK(found.st_mode):
        return "is a symbolic link"
    if not S_ISDIR(found.st_mode):
        return "is not a directory"
    if found.st_uid != user:
        return f"belongs to uid {found.st_uid}, not to uid {user}"
    if found.st_mode & WRITABLE_BY_OTHERS:
        return f"is writable by other users, its mode is {found.st_mode & 0o7777:04o}"
    return ""


def survives_reboot(path: str) -> bool:
    """Return whether files below the directory outlive the running kernel."""
    device = posix.stat(path).st_dev
    try:
        mounts = files.text_of("/proc/self/mountinfo")
    except OSError:  # without /proc, be careful
        return True
    return not is_volatile(mounts, posix.major(device), posix.minor(device))


def is_volatile(mountinfo: str, major: int, minor: int) -> bool:
    """Return whether the device of that number is a file system in memory.

    A line is `36 35 0:24 / /run rw,nosuid shared:5 - tmpfs tmpfs rw`; proc_pid_mountinfo(5).
    """
    for line in mountinfo.splitlines():
        mount, _, file_system = line.partition(" - ")
        if mount.split()[2] == f"{major}:{minor}":
            return file_system.split()[0] in _VOLATILE
    return False


def _make(path: str, mode: int) -> None:
    """Create a directory and its parents; another process may create them too."""
    missing = [path]
    while parent := missing[-1].rpartition("/")[0].rstrip("/"):
        if posix.access(parent, posix.F_OK):
            break
        missing.append(parent)
    for each in reversed(missing):
        try:
            posix.mkdir(each, mode if each == path else 0o755)
        except FileExistsError:
            pass
