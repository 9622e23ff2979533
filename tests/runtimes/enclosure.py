"""A place where daemons and containers end with the command that started them, whatever becomes of it.

A PID namespace with an init of its own, and afterwards no cgroup of theirs; what is run there is not known here.
"""

import os
import subprocess
import sys
from pathlib import Path

INIT = "tests.runtimes.enclosure"
CGROUPS = Path("/sys/fs/cgroup")
METER = "cni-bridge-meter"
CGROUPS_OF_RUNTIMES = ("libpod_parent", "default", "k8s.io", "buildah", "cni-bridge-tests", METER)
UNSHARE = ("unshare", "--mount", "--pid", "--uts", "--fork", "--kill-child", "--mount-proc")


def is_inside() -> bool:
    """Whether the first process is one of ours."""
    return INIT in Path("/proc/1/cmdline").read_text().split("\0")


def run_inside(*arguments: str) -> int:
    """Return the exit status of `python ARGUMENTS`, run inside."""
    python = (sys.executable, "-m", INIT, *arguments)
    status = subprocess.run((*UNSHARE, *python)).returncode
    _remove_cgroups()
    return status


def _as_init(*arguments: str) -> int:
    """Run `python ARGUMENTS` and buries every orphan, or runtimes take the dead for living."""
    process = subprocess.Popen((sys.executable, *arguments))
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
    sys.exit(_as_init(*sys.argv[1:]))
