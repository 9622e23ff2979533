"""What a run has to say beside its answer: one line for people, on stderr.

Runtimes log it; nothing depends on its being read.
"""

import posix


def remark(text: str) -> None:
    """Say it, if anybody listens."""
    try:
        posix.write(2, f"cni-bridge: {text}\n".encode(errors="replace"))
    except OSError:
        pass
