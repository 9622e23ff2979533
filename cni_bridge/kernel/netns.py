"""Network namespaces: open one, tell which it is, work inside it and come back.

Nothing here knows what is done inside.
"""

import posix
import sys
from fcntl import ioctl

from cni_bridge.errors import InvalidNetns, UnknownContainer
from cni_bridge.model import Netns
from cni_bridge.record import record

TYPE_CHECKING = False

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    T = TypeVar("T")

CLONE_NEWNET = 0x40000000  # linux/sched.h
NS_GET_NSTYPE = 0xB703  # linux/nsfs.h
OWN_NETNS = "/proc/self/ns/net"
RTLD_NOW = 2  # dlfcn.h


@record
class OpenNetns:
    """A network namespace that stays alive, whatever becomes of its path, until it is closed."""

    descriptor: int
    identity: Netns


def open_netns(path: str, *, may_be_own: bool = False) -> OpenNetns:
    """Open the network namespace that CNI_NETNS names. Raises UnknownContainer, InvalidNetns."""
    descriptor = _open(path)
    try:
        return OpenNetns(descriptor=descriptor, identity=_identify(descriptor, path, may_be_own))
    except BaseException:
        posix.close(descriptor)
        raise


def close(netns: OpenNetns) -> None:
    """Give the descriptor back."""
    posix.close(netns.descriptor)


def inside(netns: OpenNetns, work: "Callable[[], T]") -> "T":
    """What `work` returns when it runs inside the namespace.

    Raises OSError if the process can't come back. Sockets that it has keep their namespace, so it
    can still undo its work, but it must not open any other.
    """
    setns = _setns()
    home = posix.open(OWN_NETNS, posix.O_RDONLY | posix.O_CLOEXEC)
    try:
        setns(netns.descriptor, CLONE_NEWNET)
        try:
            return work()
        finally:
            setns(home, CLONE_NEWNET)
    finally:
        posix.close(home)


def _open(path: str) -> int:
    # Without O_NONBLOCK a FIFO would hold the process up for ever.
    flags = posix.O_RDONLY | posix.O_CLOEXEC | posix.O_NONBLOCK | posix.O_NOCTTY
    try:
        return posix.open(path, flags)
    except FileNotFoundError:
        raise UnknownContainer(f"network namespace {path} does not exist") from None
    except (OSError, ValueError) as error:
        raise InvalidNetns(f"can't open network namespace {path!r}", str(error)) from None


def _identify(descriptor: int, path: str, may_be_own: bool) -> Netns:
    found = posix.fstat(descriptor)
    own = posix.stat(OWN_NETNS)
    # All namespaces live on one device; only there does the ioctl mean what it says.
    if found.st_dev != own.st_dev or ioctl(descriptor, NS_GET_NSTYPE) != CLONE_NEWNET:
        raise InvalidNetns(f"{path} is not a network namespace")
    if found.st_ino == own.st_ino and not may_be_own:
        raise InvalidNetns(
            "plugin's netns and netns from CNI_NETNS should not be the same",
            f"{path} is the network namespace that the plugin itself runs in",
        )
    return Netns(path=path, device=found.st_dev, inode=found.st_ino)


def _setns() -> "Callable[[int, int], None]":
    """setns(2), looked up before anything is entered, so that only the kernel can fail later."""
    if sys.version_info >= (3, 12):
        return posix.setns

    # Imported only when needed, and without `ctypes`, which costs six times as much.
    import _ctypes

    class Int(_ctypes._SimpleCData):  # type: ignore[type-arg] # not generic at run time
        _type_ = "i"

    class Function(_ctypes.CFuncPtr):
        _flags_ = _ctypes.FUNCFLAG_CDECL | _ctypes.FUNCFLAG_USE_ERRNO
        _restype_ = Int

    program = _ctypes.dlopen(None, RTLD_NOW)  # type: ignore[arg-type] # as dlopen(3) has it
    function = Function(_ctypes.dlsym(program, "setns"))

    def setns(descriptor: int, kind: int) -> None:
        if function(descriptor, kind):
            number = _ctypes.get_errno()
            raise OSError(number, posix.strerror(number))

    return setns
