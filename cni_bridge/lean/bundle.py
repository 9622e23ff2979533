"""What the executable has for other than the plugin path: people.zip, libraries, and data files.

Nothing here knows what they are wanted for; outside the executable the library is simply there.
"""

import posix

import cni_bridge

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

launcher: "ModuleType | None"
try:
    import cni_bridge_launcher as launcher  # build/launcher.c
except ImportError:  # this is no executable
    launcher = None


def is_executable() -> bool:
    """Whether this runs in the executable."""
    return launcher is not None


def open_library() -> None:
    """Make the heavy modules importable: json, re, jsonschema, pyroute2, rich, cni_bridge.cli.

    A plugin run starts without what finds modules in files, which takes as long as the rest of the
    interpreter's start. Raises OSError where a portable executable can't unpack them.
    """
    if launcher is None or _other_half(launcher) in cni_bridge.__path__:
        return
    cni_bridge.__path__.append(_other_half(launcher))  # imported already, one half of it
    if launcher.is_portable:
        _unpack(launcher)
    launcher.complete()
    if launcher.is_portable:
        _close_when_terminated()


def close_library() -> None:
    """Remove what opening it has unpacked."""
    if launcher is None or not launcher.is_portable:
        return
    if _other_half(launcher) in cni_bridge.__path__:
        for path in launcher.files:
            _try(posix.unlink, f"{launcher.home}/{path}")
        for directory in sorted(_directories(launcher), reverse=True):
            _try(posix.rmdir, directory)


def data(name: str) -> bytes:
    """Return a data file, like `schemas/network.schema.json`."""
    if launcher is not None:
        return bytes(_carried(launcher, name))
    package = f"{__file__.rpartition('/')[0]}/.."
    installed = f"{package}/{name}"  # a wheel has them inside the package
    path = installed if posix.access(installed, posix.F_OK) else f"{package}/../{name}"
    with open(path, "rb") as file:
        return file.read()


def _other_half(launcher: "ModuleType") -> str:
    """Where the rest of cni_bridge is."""
    return f"{launcher.home}/people.zip/cni_bridge"


def _unpack(launcher: "ModuleType") -> None:
    """Write all that the portable executable carries into a directory of its own, until the end."""
    import atexit

    atexit.register(close_library)
    for directory in sorted(_directories(launcher)):
        posix.mkdir(directory, 0o700)
    for name in launcher.files:
        file = posix.open(f"{launcher.home}/{name}", posix.O_WRONLY | posix.O_CREAT, 0o600)
        rest = _carried(launcher, name)
        while rest:
            rest = rest[posix.write(file, rest) :]
        posix.close(file)


def _directories(launcher: "ModuleType") -> "set[str]":
    """Return the directory that it unpacks into, and all below."""
    found = {launcher.home}
    for name in launcher.files:
        while name := name.rpartition("/")[0]:
            found.add(f"{launcher.home}/{name}")
    return found


def _carried(launcher: "ModuleType", name: str) -> memoryview:
    offset, size = launcher.files[name]
    content: memoryview = launcher.carried[offset : offset + size]
    return content


def _close_when_terminated() -> None:
    """Remove what was unpacked when a command is stopped; a plugin run does it by itself."""
    import signal

    def end(number: int, _frame: object) -> None:
        close_library()
        signal.signal(number, signal.SIG_DFL)
        posix.kill(posix.getpid(), number)

    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, end)


def _try(remove: "Callable[[str], None]", path: str) -> None:
    try:
        remove(path)
    except OSError:  # what was not made need not be removed
        pass
