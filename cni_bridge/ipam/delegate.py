"""Other IPAM plugins: found on CNI_PATH and executed as the spec says (SPEC 1.0, section 4).

They get our stdin and environment as they came; what their answers mean is not known here.
"""

import posix
import sys
from _stat import S_ISREG
from select import POLLIN, poll

from cni_bridge.edge import codec
from cni_bridge.errors import (
    CniError,
    Delegated,
    InvalidConfig,
    InvalidEnvironment,
    IOFailure,
    TryAgainLater,
    UndecodableContent,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cni_bridge.edge.codec import Object

# Served in process where nobody else is installed to do it: its config is ours too.
REFERENCE_TYPE = "host-local"
OWN_EXECUTABLE = "/proc/self/exe"
LIBRARIES = b"LD_LIBRARY_PATH"
LIBRARIES_BEFORE = b"LD_LIBRARY_PATH_ORIG"
BUNDLE_PREFIX = b"_PYI_"
STDERR_LIMIT = 2000
PATIENCE_MS = 120_000  # runtimes lose theirs sooner; a DHCP server may take half a minute
GRACE_MS = 1_000


def find(kind: str, plugin_dirs: tuple[str, ...]) -> str | None:
    """The path of the IPAM plugin of that type, or None when it is this very executable."""
    if "/" in kind or kind in (".", ".."):
        raise InvalidConfig(f"invalid plugin name: {kind}", "ipam.type is a file's name, no path")
    for directory in plugin_dirs:
        path = f"{directory}/{kind}"
        try:
            found = posix.stat(path)
        except (OSError, ValueError):
            continue
        if S_ISREG(found.st_mode):
            return None if _is_own(found) else path
    if kind == REFERENCE_TYPE:
        return None
    if not plugin_dirs:
        raise InvalidEnvironment("required env variables [CNI_PATH] missing", f"for {kind}")
    raise InvalidConfig(
        f'failed to find plugin "{kind}" in path [{":".join(plugin_dirs)}]',
        "install it there, or let ipam.type be cni-bridge",
    )


def execute(path: str, command: str, raw: bytes) -> "Object":
    """Run a plugin with our stdin; return what it prints, {} for nothing.

    Raises Delegated with the plugin's own code, message and details, or else says what went wrong:
    IOFailure, UndecodableContent, TryAgainLater.
    """
    output = _file("stdout")
    complaints = _file("stderr")
    try:
        try:
            status = _run(path, command, raw, output, complaints)
        except OSError as error:
            raise IOFailure(f"can't execute {path}", str(error)) from error
        answer = _content(output)
        spoken = _content(complaints)
    finally:
        posix.close(output)
        posix.close(complaints)
    _pass_on(spoken)
    if status:
        raise _refusal(path, status, answer, spoken.decode(errors="replace"))
    if not answer.strip():
        return {}
    try:
        return codec.decode(answer)
    except UndecodableContent as error:
        raise UndecodableContent(
            f"IPAM plugin {path} answered what is no JSON object", f"{error}"
        ) from error


def environment(command: str) -> dict[bytes, bytes]:
    """Our environment for a child: another command, and nothing of our bundle's.

    PyInstaller's bootloader sets variables for itself; a child that inherits them loads our
    libraries instead of its own.
    """
    inherited = dict(posix.environ)
    if hasattr(sys, "_MEIPASS"):
        before = inherited.pop(LIBRARIES_BEFORE, None)
        if before is not None:
            inherited[LIBRARIES] = before
        elif _is_bundles(inherited.get(LIBRARIES, b"")):
            del inherited[LIBRARIES]
        for name in [name for name in inherited if name.startswith(BUNDLE_PREFIX)]:
            del inherited[name]
    return inherited | {b"CNI_COMMAND": command.encode()}


def _is_bundles(libraries: bytes) -> bool:
    root: str = sys._MEIPASS  # type: ignore[attr-defined]  # set by the bootloader
    return root.encode(errors="surrogateescape") in libraries.split(b":")


def _is_own(found: posix.stat_result) -> bool:
    own = posix.stat(OWN_EXECUTABLE)
    return (found.st_dev, found.st_ino) == (own.st_dev, own.st_ino)


def _run(path: str, command: str, raw: bytes, output: int, complaints: int) -> int:
    """The exit status. Files for all three streams: no pipe can fill up, nor a grandchild that
    keeps one open hold us up."""
    stdin = _file("stdin", raw)
    try:
        child = posix.posix_spawn(
            path,
            (path,),
            environment(command),
            file_actions=[
                (posix.POSIX_SPAWN_DUP2, stdin, 0),
                (posix.POSIX_SPAWN_DUP2, output, 1),
                (posix.POSIX_SPAWN_DUP2, complaints, 2),
            ],
            setsigdef=range(1, 32),
        )
    finally:
        posix.close(stdin)
    try:
        if not _has_ended(child, PATIENCE_MS):
            raise TryAgainLater(f"IPAM plugin {path} did not answer in {PATIENCE_MS // 1000} s")
    except BaseException:
        posix.kill(child, 15)
        if not _has_ended(child, GRACE_MS):
            posix.kill(child, 9)
        posix.waitpid(child, 0)
        raise
    return posix.waitstatus_to_exitcode(posix.waitpid(child, 0)[1])


def _has_ended(child: int, timeout_ms: int) -> bool:
    handle = posix.pidfd_open(child)
    try:
        waiting = poll()
        waiting.register(handle, POLLIN)
        return bool(waiting.poll(timeout_ms))
    finally:
        posix.close(handle)


def _file(name: str, content: bytes = b"") -> int:
    """A file in memory, to be read from its start."""
    descriptor = posix.memfd_create(name, posix.MFD_CLOEXEC)
    rest = content
    while rest:
        rest = rest[posix.write(descriptor, rest) :]
    posix.lseek(descriptor, 0, 0)
    return descriptor


def _content(descriptor: int) -> bytes:
    return posix.pread(descriptor, posix.fstat(descriptor).st_size, 0)


def _pass_on(spoken: bytes) -> None:
    try:
        posix.write(2, spoken)
    except OSError:
        pass  # nobody listens


def _refusal(path: str, status: int, answer: bytes, spoken: str) -> CniError:
    try:
        error = codec.decode(answer)
        return Delegated(int(error["code"]), str(error["msg"]), str(error.get("details", "")))
    except (CniError, KeyError, TypeError, ValueError):
        return IOFailure(
            f"IPAM plugin {path} failed without an error of its own",
            f"exit status {status}; stderr: {spoken[-STDERR_LIMIT:].strip() or 'empty'}",
        )
