"""Other IPAM plugins: found on CNI_PATH and executed as the spec says (SPEC 1.0, section 4).

They get our stdin and environment as they came; what their answers mean is not known here.
"""

import posix
from _stat import S_ISREG

from cni_bridge.edge import codec
from cni_bridge.errors import CniError, Delegated, InvalidConfig, InvalidEnvironment, IOFailure

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cni_bridge.edge.codec import Object

# Served in process where nobody else is installed to do it: its config is ours too.
REFERENCE_TYPE = "host-local"
OWN_EXECUTABLE = "/proc/self/exe"
# PyInstaller's bootloader sets these for itself; a child that inherits them loads our libraries.
BUNDLE_VARIABLES = (b"LD_LIBRARY_PATH", b"_MEIPASS2")
BUNDLE_PREFIX = b"_PYI_"
ORIGINAL = b"_ORIG"
STDERR_LIMIT = 2000


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

    Raises Delegated with the plugin's own code, message and details; IOFailure if it has none.
    """
    output = posix.memfd_create("stdout", posix.MFD_CLOEXEC)
    complaints = posix.memfd_create("stderr", posix.MFD_CLOEXEC)
    try:
        try:
            status = _spawn(path, command, _file(raw), output, complaints)
        except OSError as error:
            raise IOFailure(f"can't execute {path}", str(error)) from error
        answer = _content(output)
        spoken = _content(complaints)
    finally:
        posix.close(output)
        posix.close(complaints)
    posix.write(2, spoken)
    if status:
        raise _refusal(path, status, answer, spoken.decode(errors="replace"))
    return codec.decode(answer) if answer.strip() else {}


def environment(command: str) -> dict[bytes, bytes]:
    """Our environment for a child: another command, and nothing of our bundle's."""
    inherited = posix.environ
    scrubbed = {
        name: value
        for name, value in inherited.items()
        if name not in BUNDLE_VARIABLES and not name.startswith(BUNDLE_PREFIX)
    }
    for name in BUNDLE_VARIABLES:
        if name + ORIGINAL in scrubbed:
            scrubbed[name] = scrubbed.pop(name + ORIGINAL)
    return scrubbed | {
        b"CNI_COMMAND": command.encode(),
        b"PYINSTALLER_RESET_ENVIRONMENT": b"1",
    }


def _is_own(found: posix.stat_result) -> bool:
    own = posix.stat(OWN_EXECUTABLE)
    return (found.st_dev, found.st_ino) == (own.st_dev, own.st_ino)


def _spawn(path: str, command: str, stdin: int, output: int, complaints: int) -> int:
    """The exit status. Files for all three streams: no pipe can fill up, nor a grandchild that
    keeps one open hold us up."""
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
        _, status = posix.waitpid(child, 0)
    except BaseException:
        posix.kill(child, 15)
        posix.waitpid(child, 0)
        raise
    return posix.waitstatus_to_exitcode(status)


def _file(content: bytes) -> int:
    descriptor = posix.memfd_create("stdin", posix.MFD_CLOEXEC)
    rest = content
    while rest:
        rest = rest[posix.write(descriptor, rest) :]
    posix.lseek(descriptor, 0, 0)
    return descriptor


def _content(descriptor: int) -> bytes:
    return posix.pread(descriptor, posix.fstat(descriptor).st_size, 0)


def _refusal(path: str, status: int, answer: bytes, spoken: str) -> CniError:
    try:
        error = codec.decode(answer)
        return Delegated(int(error["code"]), str(error["msg"]), str(error.get("details", "")))
    except (CniError, KeyError, TypeError, ValueError):
        return IOFailure(
            f"IPAM plugin {path} failed without an error of its own",
            f"exit status {status}; stderr: {spoken[-STDERR_LIMIT:].strip() or 'empty'}",
        )
