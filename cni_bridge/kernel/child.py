"""Run a child process to its end: another plugin, or a tool."""

import posix
from select import POLLIN, poll

from cni_bridge.lean.record import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

GRACE_MS = 1_000
OUTPUT_LIMIT = 1 << 25  # bytes of each stream that are read; a host's whole ruleset is far less


@record
class Finished:
    """Exit status and output of a child."""

    status: int
    stdout: bytes
    stderr: bytes


def run(
    arguments: tuple[str, ...],
    stdin: bytes = b"",
    variables: "Mapping[bytes, bytes] | None" = None,
    *,
    timeout_ms: int,
) -> Finished:
    """Execute the file at the path in the first argument.

    Raise OSError if it can't be executed, TimeoutError if it does not end in time. All three streams
    are files: no pipe can fill up, and a grandchild that keeps one open does not block this process.
    """
    given, output, complaints = (
        posix.memfd_create(name, posix.MFD_CLOEXEC) for name in ("stdin", "stdout", "stderr")
    )
    try:
        _fill(given, stdin)
        process = posix.posix_spawn(
            arguments[0],
            arguments,
            dict(posix.environ) | dict(variables or {}),
            file_actions=[
                (posix.POSIX_SPAWN_DUP2, stream, number)
                for number, stream in enumerate((given, output, complaints))
            ],
            setsigdef=range(1, 32),
        )
        status = _wait(process, timeout_ms)
        return Finished(status=status, stdout=_content(output), stderr=_content(complaints))
    finally:
        for descriptor in (given, output, complaints):
            posix.close(descriptor)


def _wait(process: int, timeout_ms: int) -> int:
    """Return the exit status of a child; kill it if the wait is interrupted or times out."""
    try:
        if not _has_ended(process, timeout_ms):
            raise TimeoutError
    except BaseException:
        posix.kill(process, 15)
        if not _has_ended(process, GRACE_MS):
            posix.kill(process, 9)
        posix.waitpid(process, 0)
        raise
    return posix.waitstatus_to_exitcode(posix.waitpid(process, 0)[1])


def _has_ended(process: int, timeout_ms: int) -> bool:
    handle = posix.pidfd_open(process)
    try:
        waiting = poll()
        waiting.register(handle, POLLIN)
        return bool(waiting.poll(timeout_ms))
    finally:
        posix.close(handle)


def _fill(descriptor: int, content: bytes) -> None:
    rest = content
    while rest:
        rest = rest[posix.write(descriptor, rest) :]
    posix.lseek(descriptor, 0, 0)


def _content(descriptor: int) -> bytes:
    return posix.pread(descriptor, min(posix.fstat(descriptor).st_size, OUTPUT_LIMIT), 0)
