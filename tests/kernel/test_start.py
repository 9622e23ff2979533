"""The executable starts once: it finds its libraries without being executed anew."""

import subprocess

from tests.lab import ROOT


def test_the_executable_starts_once() -> None:
    executable = ROOT / "dist/cni-bridge/cni-bridge"
    environment = {"CNI_COMMAND": "VERSION", "LD_DEBUG": "files"}
    done = subprocess.run(
        [executable], env=environment, input="", capture_output=True, text=True, check=True
    )
    assert done.stderr.count("transferring control") == 1
    libraries = [line.split()[-1] for line in done.stderr.splitlines() if "calling init" in line]
    assert f"{executable.parent}/_internal/libexpat.so.1" in libraries
