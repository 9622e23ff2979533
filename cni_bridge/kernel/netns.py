"""Network namespaces: open one, identify it, run code inside it and return."""

import posix
import sys
from fcntl import ioctl

from cni_bridge import errors
from cni_bridge.lean.record import record
from cni_bridge.model import Netns

TYPE_CHECKING = False

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    T = TypeVar("T")

CLONE_NEWNET = 0x40000000  # linux/sched.h
NS_GET_NSTYPE = 0xB703  # linux/nsfs.h
OWN_NETNS = "/proc/self/ns/net"


@record
class OpenNetns:
    """An open network namespace: it stays alive until closed, even if its path is removed."""

    descriptor: int
    home: int  # descriptor of the namespace that the process was in when it opened this one
    identity: Netns


def open_netns(path: str, *, may_be_own: bool = False) -> OpenNetns:
    """Open the network namespace at a path. Raise UnknownContainer, InvalidNetns."""
    descriptor = _open(path)
    home = _open(OWN_NETNS)
    try:
        identity = _identify(descriptor, home, path, may_be_own)
    except BaseException:
        posix.close(descriptor)
        posix.close(home)
        raise
    return OpenNetns(descriptor=descriptor, home=home, identity=identity)


def close(netns: OpenNetns) -> None:
    """Close both descriptors."""
    posix.close(netns.descriptor)
    posix.close(netns.home)


def inside(netns: OpenNetns, work: "Callable[[], T]") -> "T":
    """Run `work` inside the namespace and return what it returns.

    Raise OSError if the process can't enter it, or can't return. A signal handler that raises may leave the process
    inside as well: open sockets keep their namespace, but call `come_home` before opening new ones.
    """
    setns = _setns()
    try:
        setns(netns.descriptor, CLONE_NEWNET)
    except OSError as error:
        what = f"can't enter network namespace {netns.identity.path} ({error.strerror})"
        raise OSError(error.errno, what) from None
    try:
        return work()
    finally:
        setns(netns.home, CLONE_NEWNET)


def come_home(netns: OpenNetns) -> None:
    """Return to the namespace from before `inside` if a signal interrupted it. Raise OSError."""
    if posix.stat(OWN_NETNS).st_ino != posix.fstat(netns.home).st_ino:
        _setns()(netns.home, CLONE_NEWNET)


def leads_to(path: str, identity: Netns) -> bool:
    """Tell whether a path is one of the namespace's."""
    try:
        found = posix.stat(path)
    except (OSError, ValueError):
        return False
    return (found.st_dev, found.st_ino) == (identity.device, identity.inode)


def _open(path: str) -> int:
    # Without O_NONBLOCK, opening a FIFO would block for ever.
    flags = posix.O_RDONLY | posix.O_CLOEXEC | posix.O_NONBLOCK | posix.O_NOCTTY
    try:
        return posix.open(path, flags)
    except FileNotFoundError:
        raise errors.UnknownContainer(f"network namespace {path} does not exist") from None
    except (OSError, ValueError) as error:
        raise errors.InvalidNetns(f"can't open network namespace {path!r}", str(error)) from None


def _identify(descriptor: int, home: int, path: str, may_be_own: bool) -> Netns:
    found, own = posix.fstat(descriptor), posix.fstat(home)
    # All namespaces are on one device (nsfs); on others the ioctl number may mean something else.
    if found.st_dev != own.st_dev or ioctl(descriptor, NS_GET_NSTYPE) != CLONE_NEWNET:
        raise errors.InvalidNetns(f"{path} is not a network namespace")
    if found.st_ino == own.st_ino and not may_be_own:
        raise errors.InvalidNetns(
            "plugin's netns and netns from CNI_NETNS should not be the same",
            f"{path} is the network namespace that cni-bridge itself runs in",
        )
    return Netns(path=path, device=found.st_dev, inode=found.st_ino)


def _setns() -> "Callable[[int, int], None]":
    """Return setns(2), looked up before entering, so that afterwards only the kernel can fail."""
    if sys.version_info >= (3, 12):
        return posix.setns
    try:
        from cni_bridge_launcher import setns  # build/launcher.c
    except ImportError:  # running from source
        from cni_bridge.kernel import libc

        return libc.function("setns")
    return setns
