"""Text of files, for whoever does without `open`: a plugin run has no such builtin (docs/internals/startup.md).

Nothing here knows what a file means.
"""

import posix

CHUNK = 1 << 16


def text_of(path: str) -> str:
    """All of it; what is not UTF-8 is replaced. Raises OSError."""
    descriptor = posix.open(path, posix.O_RDONLY | posix.O_CLOEXEC)
    try:
        chunks = []
        while chunk := posix.read(descriptor, CHUNK):
            chunks.append(chunk)
        return b"".join(chunks).decode(errors="replace")
    finally:
        posix.close(descriptor)
