"""containerd on a private machine, and `ctr`, its client for people.

Pods are made through `cri`.
"""

import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING

from tests.lab.waiting import wait_until
from tests.runtimes.box import Box
from tests.runtimes.image import write_image
from tests.runtimes.machine import Machine

if TYPE_CHECKING:
    import subprocess

IMAGE, PAUSE = "localhost/busybox:1", "localhost/pause:1"
SLEEP = ("/bin/sleep", "600")
CONFIG, LOG = Path("/run/containerd.toml"), Path("/run/containerd.log")
DEBIANS_CONFIG = Path("/etc/containerd/config.toml")
# No registry, and nobody may set a process's score freely without CAP_SYS_RESOURCE.
OFFLINE = f"""
[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "{PAUSE}"
restrict_oom_score_adj = true
"""
KUBERNETES = "k8s.io"  # the namespace of containerd's CRI
SERIAL = str(os.getpid())  # cgroups are not private: others may run the same test beside us


class Containerd:
    """The daemon, inside the `with` block, with an image for containers and one for sandboxes."""

    def __init__(self, machine: Machine, config: Path = CONFIG) -> None:
        self.machine = machine
        self._config = config
        self._started: list[subprocess.Popen[bytes]] = []
        CONFIG.write_text("version = 2\n" + OFFLINE)

    def __enter__(self) -> "Containerd":
        self.start()
        root = self.machine.root_directory("image")
        for name, namespaces in ((IMAGE, ("default", KUBERNETES)), (PAUSE, (KUBERNETES,))):
            path = Path("/run/image.tar")
            write_image(root, path, name, SLEEP)
            for namespace in namespaces:
                self.ctr("--namespace", namespace, "images", "import", str(path))
        return self

    def __exit__(self, *_: object) -> None:
        for each in self._started:
            each.terminate()
            each.wait(10)

    def start(self) -> None:
        """Start the daemon and waits until it answers."""
        self._started.append(self.machine.start("containerd", "--config", self._config, log=LOG))
        wait_until(lambda: not self.machine.try_to_run("ctr", "version").returncode)

    @property
    def pid(self) -> int:
        """The daemon's."""
        return self._started[0].pid

    def kill(self) -> None:
        """End the daemon as a crash does; its containers go on."""
        daemon = self._started.pop()
        daemon.send_signal(signal.SIGKILL)
        daemon.wait(10)

    def ctr(self, *words: str) -> str:
        """Return what `ctr WORDS` prints; it must succeed."""
        return self.machine.run("ctr", *words)

    def run(self, name: str, *command: str) -> str:
        """Return what a command prints in a container of its own, which is removed."""
        return self.ctr("run", "--rm", "--cni", IMAGE, f"{name}-{SERIAL}", *command)

    def start_container(self, name: str) -> Box:
        """Return a container that sleeps, with ctr waiting for its end."""
        name = f"{name}-{SERIAL}"
        log = Path("/run", name)
        options = ("--rm", "--cni", IMAGE, name)
        self._started.append(self.machine.start("ctr", "run", *options, *SLEEP, log=log))
        wait_until(lambda: self._pid(name) > 0)
        netns = Path(f"/proc/{self._pid(name)}/ns/net")
        return Box(name, netns, self._addresses(name))

    def stop_container(self, box: Box) -> None:
        """End a container; its ctr removes it, and DEL is called."""
        waiting = self._started.pop()
        self.ctr("task", "kill", "--signal", "SIGKILL", box.name)
        waiting.wait(10)

    def kill_client(self, box: Box) -> None:
        """End a container whose ctr has been killed: nobody is left to call DEL."""
        client = self._started.pop()
        client.kill()
        client.wait(10)
        self.ctr("task", "rm", "--force", box.name)
        self.ctr("container", "rm", box.name)

    def _pid(self, name: str) -> int:
        for line in self.ctr("task", "ls").splitlines():
            found, pid, state = line.split()
            if (found, state) == (name, "RUNNING"):
                return int(pid)
        return 0

    def _addresses(self, name: str) -> tuple[str, ...]:
        words = ("task", "exec", "--exec-id", "look", name, "ip", "address", "show", "eth0")
        said = [""]  # what was seen, as ctr at times prints nothing at all

        def has_come() -> bool:
            said[0] = self.ctr(*words)
            return "inet 10." in said[0]

        wait_until(has_come)
        lines = (line.split() for line in said[0].splitlines())
        shown = [words[1] for words in lines if words[0].startswith("inet")]
        return tuple(each.partition("/")[0] for each in shown if not each.startswith("fe80"))
