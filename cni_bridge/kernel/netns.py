"""Network namespaces: open one, tell which it is, work inside it and come back.

Nothing here knows what is done inside.
"""

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
    """A network namespace that stays alive, whatever becomes of its path, until it is closed."""

    descriptor: int
    home: int  # the one that the process was in when it opened the other
    identity: Netns


def open_netns(path: str, *, may_be_own: bool = False) -> OpenNetns:
    """Open the network namespace that CNI_NETNS names. Raises UnknownContainer, InvalidNetns."""
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
    """Give the descriptors back."""
    posix.close(netns.descriptor)
    posix.close(netns.home)


def inside(netns: OpenNetns, work: "Callable[[], T]") -> "T":
    """What `work` returns when it runs inside the namespace.

    Raises OSError if the process can't come back. A signal that raises may leave it inside, too:
    then sockets that it has keep their namespace, but before it opens any other it must come home.
    """
    setns = _setns()
    try:
        setns(netns.descriptor, CLONE_NEWNET)
        return work()
    finally:
        setns(netns.home, CLONE_NEWNET)


def come_home(netns: OpenNetns) -> None:
    """Be where the process was before `inside`, whatever has interrupted that. Raises OSError."""
    if posix.stat(OWN_NETNS).st_ino != posix.fstat(netns.home).st_ino:
        _setns()(netns.home, CLONE_NEWNET)


def _open(path: str) -> int:
    # Without O_NONBLOCK a FIFO would hold the process up for ever.
    flags = posix.O_RDONLY | posix.O_CLOEXEC | posix.O_NONBLOCK | posix.O_NOCTTY
    try:
        return posix.open(path, flags)
    except FileNotFoundError:
        raise errors.UnknownContainer(f"network namespace {path} does not exist") from None
    except (OSError, ValueError) as error:
        raise errors.InvalidNetns(f"can't open network namespace {path!r}", str(error)) from None


def _identify(descriptor: int, home: int, path: str, may_be_own: bool) -> Netns:
    found, own = posix.fstat(descriptor), posix.fstat(home)
    # All namespaces live on one device; only there does the ioctl mean what it says.
    if found.st_dev != own.st_dev or ioctl(descriptor, NS_GET_NSTYPE) != CLONE_NEWNET:
        raise errors.InvalidNetns(f"{path} is not a network namespace")
    if found.st_ino == own.st_ino and not may_be_own:
        raise errors.InvalidNetns(
            "plugin's netns and netns from CNI_NETNS should not be the same",
            f"{path} is the network namespace that the plugin itself runs in",
        )
    return Netns(path=path, device=found.st_dev, inode=found.st_ino)


def _setns() -> "Callable[[int, int], None]":
    """setns(2), looked up before anything is entered, so that only the kernel can fail later."""
    if sys.version_info >= (3, 12):
        return posix.setns
    try:
        from cni_bridge_launcher import setns  # build/launcher.c
    except ImportError:  # this is no executable
        from cni_bridge.kernel import libc

        return libc.function("setns")
    return setns
