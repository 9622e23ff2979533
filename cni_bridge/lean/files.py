"""Read files as text, and streams, without `open`, a builtin that a plugin run does not have (docs/internals/startup.md)."""

import posix

CHUNK = 1 << 16
POLLIN, POLLOUT = 1, 4  # poll.h


def text_of(path: str) -> str:
    """Return all of a file; bytes that are not UTF-8 are replaced. Raises OSError."""
    descriptor = posix.open(path, posix.O_RDONLY | posix.O_CLOEXEC)
    try:
        chunks = []
        while chunk := posix.read(descriptor, CHUNK):
            chunks.append(chunk)
        return b"".join(chunks).decode(errors="replace")
    finally:
        posix.close(descriptor)


def start_of(path: str, size: int) -> str:
    """Return the first bytes of a file, by one read: all of a small one. Raises OSError.

    Never waits: of a FIFO it returns nothing.
    """
    descriptor = posix.open(path, posix.O_RDONLY | posix.O_CLOEXEC | posix.O_NONBLOCK)
    try:
        return posix.read(descriptor, size).decode(errors="replace")
    finally:
        posix.close(descriptor)


def read_some(descriptor: int, size: int) -> bytes:
    """Return what there is, b"" at the end; wait for it even if the stream is non-blocking."""
    while True:
        try:
            return posix.read(descriptor, size)
        except BlockingIOError:
            _wait(descriptor, POLLIN)


def write_all(descriptor: int, data: bytes) -> None:
    """Write all of it; wait for a reader even if the stream is non-blocking."""
    while data:
        try:
            data = data[posix.write(descriptor, data) :]
        except BlockingIOError:
            _wait(descriptor, POLLOUT)


def _wait(descriptor: int, event: int) -> None:
    from select import poll  # rarely needed

    waiting = poll()
    waiting.register(descriptor, event)
    waiting.poll()
