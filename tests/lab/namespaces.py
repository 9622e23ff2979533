"""Linux namespaces: entering private ones, coming back, and making named network namespaces.

No iproute2, no plugin and no policy here; everything is done in the calling thread, without forks.
"""

import ctypes
import os
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path

CLONE_FS = 0x00000200  # linux/sched.h
CLONE_NEWNS = 0x00020000
CLONE_NEWUSER = 0x10000000
CLONE_NEWNET = 0x40000000
MS_RDONLY = 0x1  # linux/mount.h
MS_REMOUNT = 0x20
MS_BIND = 0x1000
MS_REC = 0x4000
MS_PRIVATE = 0x40000
MNT_DETACH = 2

SELF_NET = "/proc/thread-self/ns/net"
SELF_MOUNTS = "/proc/thread-self/ns/mnt"
NETNS_DIR = Path("/run/netns")
PRIVATE_DIRS = ("/run", "/var/lib/cni", "/etc/cni")

_libc = ctypes.CDLL(None, use_errno=True)


def become_root() -> None:
    """Make an ordinary user root of namespaces of its own; must be called before any thread starts."""
    if (uid := os.geteuid()) == 0:
        return
    gid = os.getegid()
    _call("unshare", CLONE_NEWUSER | CLONE_NEWNET | CLONE_NEWNS)
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"0 {uid} 1")
    Path("/proc/self/gid_map").write_text(f"0 {gid} 1")


@contextmanager
def private_host(
    directories: Iterable[str] = PRIVATE_DIRS, *, own_sysfs: bool = True
) -> Iterator[None]:
    """Inside, this thread has a network of its own, and these directories are empty.

    Without a sysfs of its own it still sees the machine's cgroups, which are mounted below /sys.
    """
    directory = os.getcwd()
    with _returning(SELF_MOUNTS, CLONE_NEWNS), _returning(SELF_NET, CLONE_NEWNET):
        _call("unshare", CLONE_NEWNET | CLONE_NEWNS)
        mount("none", "/", flags=MS_REC | MS_PRIVATE)
        _cover(directories)
        NETNS_DIR.mkdir()
        if own_sysfs:
            _show_own_network_in_sysfs()
        os.chdir(directory)
        yield
    os.chdir(directory)


def processes() -> Iterator[Path]:
    """Yield the /proc directory of each process in this network: tests beside this one have their own."""
    own = Path(SELF_NET).readlink()
    for each in Path("/proc").glob("[0-9]*"):
        try:
            is_here = (each / "ns/net").readlink() == own
        except OSError:  # it has just ended
            continue
        if is_here:
            yield each


def leave_network() -> None:
    """From now on this thread has another network, as new as after a start of the machine."""
    _call("unshare", CLONE_NEWNET)


class Place:
    """The network and the mounts that the thread has when this is made, to come back to."""

    def __init__(self) -> None:
        self._kept = [
            (os.open(path, os.O_RDONLY | os.O_CLOEXEC), kind)
            for path, kind in ((SELF_NET, CLONE_NEWNET), (SELF_MOUNTS, CLONE_NEWNS))
        ]

    def enter(self) -> None:
        """Goes there."""
        for descriptor, kind in self._kept:
            _go(descriptor, kind)

    def close(self) -> None:
        """Forgets the place."""
        for descriptor, _ in self._kept:
            os.close(descriptor)


@contextmanager
def visiting(path: Path) -> Iterator[None]:
    """Inside, this thread is in the network namespace at `path`."""
    with _returning(SELF_NET, CLONE_NEWNET):
        _enter(path, CLONE_NEWNET)
        yield


def visiting_if(path: Path | None) -> AbstractContextManager[None]:
    """Return the same, or nothing where no namespace is named."""
    return visiting(path) if path else nullcontext()


def create_netns(path: Path) -> None:
    """Make a network namespace and keeps it at `path`, as `ip netns add` does."""
    path.touch(exist_ok=False)
    with _returning(SELF_NET, CLONE_NEWNET):
        _call("unshare", CLONE_NEWNET)
        mount(SELF_NET, path, flags=MS_BIND)


def delete_netns(path: Path) -> None:
    """Undoes `create_netns`."""
    unmount(path)
    path.unlink()


def unmount(target: Path | str) -> None:
    """umount2(2), at once, whoever still uses it."""
    _call("umount2", os.fsencode(target), MNT_DETACH)


@contextmanager
def read_only_sysctls() -> Iterator[None]:
    """Let nothing in this mount namespace set a kernel parameter until the block ends."""
    freeze_sysctls()
    try:
        yield
    finally:
        unmount("/proc/sys")


def freeze_sysctls() -> None:
    """Make /proc/sys read-only in this mount namespace."""
    mount("/proc/sys", "/proc/sys", flags=MS_BIND)
    mount("none", "/proc/sys", flags=MS_BIND | MS_REMOUNT | MS_RDONLY)


def mount(
    source: str, target: Path | str, kind: str = "", *, flags: int = 0, options: str = ""
) -> None:
    """mount(2)."""
    arguments = (source, os.fspath(target), kind)
    _call("mount", *(a.encode() for a in arguments), ctypes.c_ulong(flags), options.encode())


def layer(path: str) -> None:
    """Show the directory as it is, and keeps what is changed in it in the /run of the time."""
    upper, work = (Path("/run", kind + path.replace("/", "-")) for kind in ("upper", "work"))
    upper.mkdir()
    work.mkdir()
    mount("overlay", path, "overlay", options=f"lowerdir={path},upperdir={upper},workdir={work}")


def _cover(directories: Iterable[str]) -> None:
    """Put empty tmpfs on the directories without creating anything on the disk below."""
    layered = set()
    for path in directories:
        parent = os.path.dirname(path)
        if not os.path.isdir(path):
            if parent not in layered:
                layer(parent)
                layered.add(parent)
            os.mkdir(path)
        mount("tmpfs", path, "tmpfs", options="mode=0755")


def _show_own_network_in_sysfs() -> None:
    """Show this network's links in /sys, where the kernel permits it.

    Containers that mask parts of /sys forbid a new mount of it; nothing here depends on one.
    """
    try:
        mount("sysfs", "/sys", "sysfs")
    except PermissionError:
        return


@contextmanager
def _returning(namespace: str, kind: int) -> Iterator[None]:
    """Afterwards, this thread is in the namespace in which it is now."""
    home = os.open(namespace, os.O_RDONLY | os.O_CLOEXEC)
    try:
        yield
    finally:
        _go(home, kind)
        os.close(home)


def _enter(path: Path, kind: int) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        _go(descriptor, kind)
    finally:
        os.close(descriptor)


def _go(namespace: int, kind: int) -> None:
    """setns(2); a thread that shares its directories with another one may not change mounts."""
    if kind == CLONE_NEWNS:
        _call("unshare", CLONE_FS)
    _call("setns", namespace, kind)


def _call(function: str, *arguments: object) -> None:
    """One libc call; raises OSError as Python's own wrappers do."""
    if getattr(_libc, function)(*arguments) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{function}: {os.strerror(number)}")
