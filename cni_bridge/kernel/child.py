"""A child process that is run to its end: another plugin, or a tool.

Nothing here knows which, nor what its output means.
"""

import posix

from cni_bridge.record import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

# PyInstaller's bootloader sets these for itself; a child that inherits them loads our libraries.
BUNDLE_VARIABLES = (b"LD_LIBRARY_PATH", b"_MEIPASS2")
BUNDLE_PREFIX = b"_PYI_"
ORIGINAL = b"_ORIG"


@record
class Finished:
    """How a child ended."""

    status: int
    stdout: bytes
    stderr: bytes


def run(
    arguments: tuple[str, ...], stdin: bytes = b"", variables: "Mapping[bytes, bytes] | None" = None
) -> Finished:
    """Execute the file that the first argument is a path of. Raises OSError if that can't be done.

    Files for all three streams: no pipe can fill up, nor a grandchild that keeps one open hold us
    up.
    """
    given, output, complaints = (
        posix.memfd_create(name, posix.MFD_CLOEXEC) for name in ("stdin", "stdout", "stderr")
    )
    try:
        _fill(given, stdin)
        status = _spawn(arguments, environment(variables or {}), (given, output, complaints))
        return Finished(status=status, stdout=_content(output), stderr=_content(complaints))
    finally:
        for descriptor in (given, output, complaints):
            posix.close(descriptor)


def environment(variables: "Mapping[bytes, bytes]") -> dict[bytes, bytes]:
    """Our environment for a child: with changes, and nothing of our bundle's."""
    inherited = posix.environ
    scrubbed = {
        name: value
        for name, value in inherited.items()
        if name not in BUNDLE_VARIABLES and not name.startswith(BUNDLE_PREFIX)
    }
    for name in BUNDLE_VARIABLES:
        if name + ORIGINAL in scrubbed:
            scrubbed[name] = scrubbed.pop(name + ORIGINAL)
    return scrubbed | {b"PYINSTALLER_RESET_ENVIRONMENT": b"1"} | dict(variables)


def _spawn(
    arguments: tuple[str, ...], variables: dict[bytes, bytes], streams: tuple[int, int, int]
) -> int:
    child = posix.posix_spawn(
        arguments[0],
        arguments,
        variables,
        file_actions=[
            (posix.POSIX_SPAWN_DUP2, stream, number) for number, stream in enumerate(streams)
        ],
        setsigdef=range(1, 32),
    )
    try:
        _, status = posix.waitpid(child, 0)
    except BaseException:
        posix.kill(child, 15)
        posix.waitpid(child, 0)
        raise
    return posix.waitstatus_to_exitcode(status)


def _fill(descriptor: int, content: bytes) -> None:
    rest = content
    while rest:
        rest = rest[posix.write(descriptor, rest) :]
    posix.lseek(descriptor, 0, 0)


def _content(descriptor: int) -> bytes:
    return posix.pread(descriptor, posix.fstat(descriptor).st_size, 0)
