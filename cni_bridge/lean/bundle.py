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


# Where a portable executable unpacks if it can't in TMPDIR: one of these allows programs nearly everywhere.
PLACES = ("/tmp", "/var/tmp", "/run", "/dev/shm")  # noqa: S108 - mkdir(2) is what is safe
ADVICE = "set TMPDIR to a directory with 30 MB free that is not mounted noexec"
_made: "list[str]" = []  # directories that hold what is unpacked


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
    if launcher.is_portable:
        _close_at_the_end()
        _unpack(launcher)
    cni_bridge.__path__.append(_other_half(launcher))  # imported already, one half of it
    launcher.complete(launcher.home)


def close_library() -> None:
    """Remove what opening it has unpacked."""
    if launcher is None or not launcher.is_portable:
        return
    for home in _made:
        for path in launcher.files:
            _try(posix.unlink, f"{home}/{path}")
        for directory in sorted(_directories(launcher, home), reverse=True):
            _try(posix.rmdir, directory)
    _made.clear()


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
    first, _, name = launcher.home.rpartition("/")
    refusals = []
    for place in dict.fromkeys((first, *PLACES)):
        try:
            if posix.statvfs(place).f_flag & posix.ST_NOEXEC:
                refusals.append(f"{place} is mounted noexec")
                continue
            _write_into(launcher, f"{place}/{name}")
        except OSError as error:
            close_library()
            refusals.append(f"{place}: {error.strerror}")
        else:
            launcher.home = f"{place}/{name}"  # type: ignore[attr-defined]  # the launcher has it
            return
    raise OSError(f"nowhere to unpack its library: {ADVICE} ({', '.join(refusals)})")


def _write_into(launcher: "ModuleType", home: str) -> None:
    posix.mkdir(home, 0o700)
    _made.append(home)
    for directory in sorted(_directories(launcher, home) - {home}):
        posix.mkdir(directory, 0o700)
    for name in launcher.files:
        file = posix.open(f"{home}/{name}", posix.O_WRONLY | posix.O_CREAT, 0o600)
        try:
            rest = _carried(launcher, name)
            while rest:
                rest = rest[posix.write(file, rest) :]
        finally:
            posix.close(file)


def _directories(launcher: "ModuleType", home: str) -> "set[str]":
    """Return the directory that it unpacks into, and all below."""
    found = {home}
    for name in launcher.files:
        while name := name.rpartition("/")[0]:
            found.add(f"{home}/{name}")
    return found


def _carried(launcher: "ModuleType", name: str) -> memoryview:
    offset, size = launcher.files[name]
    content: memoryview = launcher.carried[offset : offset + size]
    return content


def _close_at_the_end() -> None:
    """Remove what is unpacked at the end, and when a command is stopped; a plugin run does that by itself."""
    import _signal  # type: ignore[import-not-found]  # `signal` is in the library
    import atexit

    def end(number: int, _frame: object) -> None:
        close_library()
        _signal.signal(number, _signal.SIG_DFL)
        posix.kill(posix.getpid(), number)

    atexit.register(close_library)
    for number in (_signal.SIGTERM, _signal.SIGHUP):
        if _signal.getsignal(number) == _signal.SIG_DFL:
            _signal.signal(number, end)


def _try(remove: "Callable[[str], None]", path: str) -> None:
    try:
        remove(path)
    except OSError:  # what was not made need not be removed
        pass
