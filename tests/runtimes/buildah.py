"""buildah with CNI networks, on a private machine.

Configured as podman is; what the steps of a build should see is judged by the tests.
"""

from pathlib import Path

from tests.runtimes.arrangements import NETWORK
from tests.runtimes.machine import Machine
from tests.runtimes.podman import configure

OPTIONS = ("--isolation", "oci", "--runtime", "crun", "--network", NETWORK)


class Buildah:
    """buildah, and the image `base` that it builds from."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        configure(machine)
        machine.environment["STORAGE_DRIVER"] = "vfs"
        self("from", "--name", "base", "scratch")
        self("copy", "--quiet", "base", str(machine.root_directory("base")), "/")
        self("commit", "--quiet", "base", "localhost/base")

    def __call__(self, *words: str) -> str:
        """Return what `buildah WORDS` prints; it must succeed."""
        return self.machine.run("buildah", *words)

    def run(self, *command: str) -> str:
        """Return what a command prints in the working container."""
        return self("run", *OPTIONS, "base", "--", *command)

    def build(self, *steps: str) -> str:
        """Return what a build of these steps prints."""
        file = Path("/run/Containerfile")
        file.write_text("\n".join(("FROM localhost/base", *steps, "")))
        return self("build", *OPTIONS, "--file", str(file), "/run/roots")
