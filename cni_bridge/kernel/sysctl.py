"""Kernel parameters in /proc/sys, in the network namespace of the process.

The caller decides which keys may be absent or read-only. Keys are separated by `/`, so that interface
names with dots in them work.
"""

import posix

from cni_bridge import errors

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = "/proc/sys/"
VALUE_LIMIT = 4096


def dotted(key: str) -> str:
    """Return a key as sysctl(8) spells it; dots of an interface's name become slashes."""
    return key.translate({ord("/"): ".", ord("."): "/"})


def route_localnet(interface: str) -> str:
    """Return the key that lets an interface route 127.0.0.0/8, for ports published there."""
    return f"net/ipv4/conf/{interface}/route_localnet"


def read(key: str) -> "str | None":
    """Return the value, or None if the kernel has no such key or does not show it."""
    try:
        descriptor = posix.open(ROOT + key, posix.O_RDONLY | posix.O_CLOEXEC)
    except (FileNotFoundError, PermissionError):
        return None
    try:
        return _content(descriptor)
    finally:
        posix.close(descriptor)


def write(key: str, value: str, *, is_rehearsal: bool = False) -> bool:
    """Set a value unless it is set already; return whether it was changed. Raise OSError.

    A rehearsal only finds out whether the value could be set.

    Reading first costs microseconds, avoids a contended lock (writing `forwarding` takes the one of
    all netlink requests), and works where /proc/sys is read-only but correct. Both are done by one
    descriptor: on a host of many containers it takes the kernel up to a millisecond to find a key.
    """
    try:
        descriptor = posix.open(ROOT + key, posix.O_RDWR | posix.O_CLOEXEC)
    except FileNotFoundError:
        raise
    except OSError:  # read-only or write-only
        if read(key) == value:
            return False
        descriptor = posix.open(ROOT + key, posix.O_WRONLY | posix.O_CLOEXEC)
    try:
        if _content(descriptor) == value:
            return False
        if not is_rehearsal:
            posix.pwrite(descriptor, value.encode(), 0)
    finally:
        posix.close(descriptor)
    return True


def _content(descriptor: int) -> "str | None":
    try:
        return posix.read(descriptor, VALUE_LIMIT).decode().rstrip("\n")
    except OSError:  # write-only, or never set: net.ipv6.conf.*.stable_secret
        return None


def try_write(key: str, value: str) -> None:
    """Set a value if the kernel has such a key and lets us; for what is good to have only."""
    try:
        write(key, value)
    except OSError:
        pass


def require(key: str, value: str, purpose: str, *, is_rehearsal: bool = False) -> None:
    """Set a value that a promise depends on. Raise KernelRefused with the purpose."""
    try:
        write(key, value, is_rehearsal=is_rehearsal)
    except FileNotFoundError:
        raise errors.KernelRefused(
            f"sysctl {dotted(key)} does not exist", f"{purpose} needs it to be {value}"
        ) from None
    except OSError as error:
        raise errors.KernelRefused(
            f"sysctl {dotted(key)} is {read(key)} and can't be set to {value}: {error.strerror}",
            f"{purpose} needs it; set it on the host, or make /proc/sys writable",
        ) from error


def accepts_routers(interface: str) -> bool:
    """Return whether the kernel takes routes from router advertisements on an interface."""
    accept_ra = read(f"net/ipv6/conf/{interface}/accept_ra")
    if accept_ra == "1":  # unless the interface forwards
        return read(f"net/ipv6/conf/{interface}/forwarding") == "0"
    return accept_ra not in (None, "0")


def router_problems(interface: str) -> "Iterator[str]":
    """Yield the problem if the kernel takes routes from router advertisements on an interface."""
    if accepts_routers(interface):
        key = f"net/ipv6/conf/{interface}/accept_ra"
        yield (
            f"sysctl {key}: expected 0, found {read(key)}: a container could make itself this host's "
            "IPv6 router"
        )


def refuse_routers(interface: str, *, is_rehearsal: bool = False) -> bool:
    """Ignore router advertisements on an interface. Raise KernelRefused if that is impossible.

    Return whether the interface has IPv6: the kernel may lack it, and an MTU below 1280 is too small.

    Otherwise a container that sends them becomes this host's router (CVE-2020-10749).
    """
    key = f"net/ipv6/conf/{interface}/accept_ra"
    try:
        write(key, "0", is_rehearsal=is_rehearsal)
    except FileNotFoundError:
        return False
    except OSError as error:
        if accepts_routers(interface):
            raise errors.KernelRefused(
                f"sysctl {dotted(key)} is {read(key)} and can't be set to 0: {error.strerror}",
                "a container could make itself this host's IPv6 router; make /proc/sys writable, or "
                "set net.ipv6.conf.default.accept_ra to 0 on the host before the bridge is created",
            ) from error
    return True
