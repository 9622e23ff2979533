"""podman with CNI networks, on a private machine.

The commands as people type them; what comes of them is judged by the tests.
"""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.lab import namespaces
from tests.runtimes.arrangements import NETWORK
from tests.runtimes.box import Box
from tests.runtimes.machine import CNI_BIN, CNI_CONF, Machine

if TYPE_CHECKING:
    import subprocess

WITHOUT_SYSTEMD = """
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
runtime = "crun"
[containers]
log_driver = "k8s-file"
"""
NETWORK_DIRECTORY = str(CNI_CONF)
CONFIG = f"""
[network]
network_backend = "cni"
cni_plugin_dirs = ["{CNI_BIN}"]
network_config_dir = "{NETWORK_DIRECTORY}"
"""
STORAGE = Path("/var/lib/containers/storage")
SLEEP = ("/bin/sleep", "600")


def configure(machine: Machine) -> None:
    """Lets podman and buildah use CNI and its places, and no systemd."""
    config = Path("/run/containers.conf")
    config.write_text(CONFIG + WITHOUT_SYSTEMD)
    machine.environment["CONTAINERS_CONF"] = str(config)


class Podman:
    """podman, and the containers that it has on this machine."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        configure(machine)

    def __call__(self, *words: str) -> str:
        """Return what `podman WORDS` prints; it must succeed."""
        return self.machine.run("podman", *words)

    def fail(self, *words: str) -> str:
        """Return what `podman WORDS` complains of."""
        done = self.machine.try_to_run("podman", *words)
        assert done.returncode, done.stdout
        return done.stderr

    def start(self, name: str, *options: str, network: str = NETWORK) -> Box:
        """Return a container that sleeps."""
        root = str(self.machine.root_directory(name))
        self("run", "-d", "--name", name, "--network", network, *options, "--rootfs", root, *SLEEP)
        return self.box(name, network)

    def begin(self, name: str, *options: str) -> "subprocess.Popen[bytes]":
        """Return the same, without waiting for it."""
        root = str(self.machine.root_directory(name))
        words = ("run", "-d", "--name", name, "--network", NETWORK, *options, "--rootfs", root)
        return self.machine.start("podman", *words, *SLEEP, log=Path("/run", f"{name}.log"))

    def clean_up(self, name: str) -> None:
        """Remove a container whose `podman run` was killed, which knows of no mount of its own."""
        memory = STORAGE / "overlay-containers" / self.inspect(name)["Id"] / "userdata/shm"
        if memory.is_mount():
            namespaces.unmount(memory)
        self("rm", "--force", "--time", "0", name)

    def box(self, name: str, network: str = NETWORK) -> Box:
        """Return a running container as the network sees it."""
        settings = self.inspect(name)["NetworkSettings"]
        found = settings["Networks"][network]
        addresses = (found["IPAddress"], found["GlobalIPv6Address"])
        return Box(name, Path(settings["SandboxKey"]), tuple(filter(None, addresses)))

    def inspect(self, name: str) -> dict[str, Any]:
        """All that podman knows of a container."""
        (found,) = json.loads(self("inspect", name))
        return dict(found)

    def bridge(self, network: str) -> str:
        """Return the bridge of a network."""
        (found,) = json.loads(self("network", "inspect", network))
        return str(found["network_interface"])

    def exec(self, name: str, *command: str) -> str:
        """Return what a command prints inside."""
        return self("exec", name, *command)

    def tidy(self) -> None:
        """Remove every container, and every network but the first."""
        self("rm", "--all", "--force", "--time", "0")
        for name in self("network", "ls", "--quiet").split():
            if name not in (NETWORK, "podman"):
                self("network", "rm", name)
