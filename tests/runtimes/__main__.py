"""`python -m tests.runtimes [pytest's arguments]`: runs tests where their daemons and containers end with them.

A PID namespace of their own, and afterwards no cgroup of theirs; what is tested is not known here.
"""

import os
import subprocess
import sys
from pathlib import Path

INSIDE = "--inside"
CGROUPS = Path("/sys/fs/cgroup")
CGROUPS_OF_RUNTIMES = ("libpod_parent", "default", "k8s.io", "buildah", "cni-bridge-tests")
UNSHARE = ("unshare", "--mount", "--pid", "--uts", "--fork", "--kill-child", "--mount-proc")


def main() -> int:
    """pytest's exit status."""
    arguments = sys.argv[1:]
    if arguments[:1] == [INSIDE]:
        return _as_init((sys.executable, "-m", "pytest", *arguments[1:]))
    status = subprocess.run(
        (*UNSHARE, sys.executable, "-m", "tests.runtimes", INSIDE, *arguments)
    ).returncode
    _remove_cgroups()
    return status


def _as_init(command: tuple[str, ...]) -> int:
    """Runs the command and buries every orphan, or runtimes take the dead for living."""
    process = subprocess.Popen(command)
    while True:
        pid, status = os.wait()
        if pid == process.pid:
            return os.waitstatus_to_exitcode(status)


def _remove_cgroups() -> None:
    """Those that were left empty; the others are not ours."""
    for name in CGROUPS_OF_RUNTIMES:
        for top in (CGROUPS / name, *CGROUPS.glob(f"*/{name}")):
            for directory, _, _ in os.walk(top, topdown=False):
                try:
                    os.rmdir(directory)
                except OSError:
                    continue


if __name__ == "__main__":
    sys.exit(main())
