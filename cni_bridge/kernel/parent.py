"""The portable executable's bootloader, which waits for this process: neither goes on alone.

Nothing here knows what a run does; what a termination signal does to it stands in `signals`.
"""

import posix

from cni_bridge.kernel import libc, signals

PR_SET_PDEATHSIG = 1  # linux/prctl.h
SELF = "/proc/self/exe"


def follow() -> None:
    """Be terminated when the bootloader dies, as a runtime knows and kills that one only."""
    libc.function("prctl")(PR_SET_PDEATHSIG, signals.TERMINATION[0])
    if not _is_there():  # it died before this process asked
        posix.kill(posix.getpid(), signals.TERMINATION[0])


def _is_there() -> bool:
    try:
        parent = posix.stat(f"/proc/{posix.getppid()}/exe")
    except OSError:
        return False
    own = posix.stat(SELF)
    return (parent.st_dev, parent.st_ino) == (own.st_dev, own.st_ino)
