"""A private machine to run a container runtime on: plugins, conflists, a root file system, a world outside.

Which runtime it is, and what its containers should reach, is decided by the callers.
"""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from tests.lab import PLUGIN, Host, Json, namespaces
from tests.lab.stacks import OURS
from tests.lab.state import differences
from tests.lab.town import Town
from tests.runtimes.arrangements import Arrangement
from tests.runtimes.leftovers import of_containers

DIRECTORIES = (
    *namespaces.PRIVATE_DIRS,
    "/var/lib/containers",
    "/var/lib/containerd",
    "/var/log",
    "/etc/cni",
    "/opt/cni",
)
CNI_BIN, CNI_CONF = Path("/opt/cni/bin"), Path("/etc/cni/net.d")
BESIDE_US = ("firewall", "host-local", "loopback", "portmap", "tuning")
UNIFIED = Path("/sys/fs/cgroup/unified")
APPLETS = (
    "cat",
    "false",
    "hostname",
    "httpd",
    "ip",
    "ls",
    "nc",
    "ping",
    "sh",
    "sleep",
    "true",
    "wget",
)
NEWER = os.environ.get("RUNTIMES", "")  # a directory with newer ones than Debian's
PATH = f"{NEWER}:/usr/sbin:/usr/bin:/sbin:/bin:{CNI_BIN}".removeprefix(":")
TIMEOUT = 60  # seconds, of one command


class Machine:
    """What the runtimes find: our executable as `cni-bridge` and as `bridge`, and one network."""

    def __init__(self, town: Town, arrangement: Arrangement) -> None:
        self.town = town
        self.arrangement = arrangement
        self.environment = {"PATH": PATH, "HOME": "/root"}
        self.shared = set(arrangement.bridges)
        CNI_BIN.mkdir()
        CNI_CONF.mkdir()
        (CNI_BIN / "cni-bridge").symlink_to(PLUGIN.resolve())
        (CNI_BIN / "bridge").symlink_to(arrangement.bridge.resolve())
        for name in BESIDE_US:
            (CNI_BIN / name).symlink_to(arrangement.others.resolve() / name)
        self.configure(arrangement.conflist)

    def install(self) -> None:
        """Put a copy of ours where every user may read it, as `make install` does."""
        installed = shutil.copytree(PLUGIN.parent, CNI_BIN.parent / "cni-bridge")
        for link in CNI_BIN.iterdir():
            if link.resolve() == PLUGIN.resolve():
                link.unlink()
                link.symlink_to(installed / PLUGIN.name)

    def configure(self, conflist: Json, directory: Path = CNI_CONF) -> None:
        """Write a conflist."""
        path = directory / f"10-{conflist['name']}.conflist"
        path.write_text(json.dumps(conflist, indent=2) + "\n")

    def root_directory(self, name: str) -> Path:
        """Return a new root file system with little but busybox in it."""
        roots = Path("/run/roots")
        made = len(list(roots.glob("*")))
        root = roots / f"{made}-{name}"
        fill(root)
        return root

    def run(self, *command: str | Path, timeout: float = TIMEOUT) -> str:
        """Return what a command prints that succeeds."""
        done = self.try_to_run(*command, timeout=timeout)
        assert done.returncode == 0, f"{' '.join(map(str, command))}: {done.stdout}{done.stderr}"
        return done.stdout

    def try_to_run(
        self, *command: str | Path, timeout: float = TIMEOUT
    ) -> "subprocess.CompletedProcess[str]":
        """Return what became of a command that may fail."""
        return subprocess.run(
            command,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    def start(self, *command: str | Path, log: Path) -> "subprocess.Popen[bytes]":
        """Start a daemon or another command that stays."""
        with log.open("ab") as stream:
            return subprocess.Popen(
                command,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=stream,
            )

    def left_behind(self) -> list[str]:
        """Return what differs from the start but for bridges, and for what the other plugins share."""
        host = self.town.host
        left = [str(path) for path in namespaces.NETNS_DIR.iterdir() if path.name != "world"]
        before, after = (of_containers(each, self.shared) for each in (host.before, host.state()))
        return left + differences(before, after)

    def assert_as_before(self) -> None:
        """Nothing was left."""
        left = self.left_behind()
        assert not left, "left behind:\n" + "\n".join(left)


def fill(root: Path) -> None:
    """Make a root file system with little but busybox in it."""
    for directory in ("bin", "dev", "etc", "proc", "run", "sys", "tmp", "www"):
        (root / directory).mkdir(parents=True)
    busybox = shutil.which("busybox")
    assert busybox, "no busybox-static"
    shutil.copy(busybox, root / "bin/busybox")
    for applet in APPLETS:
        (root / "bin" / applet).symlink_to("busybox")
    (root / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/sh\n")
    (root / "www/index.html").write_text("hello from a container\n")


@cache
def version_of(program: str) -> str:
    """Return the version of a program, as it tells it."""
    path = shutil.which(program, path=PATH) or program
    printed = subprocess.run((path, "--version"), capture_output=True, text=True, check=True)
    found = re.search(r"\d+(\.\d+)+", printed.stdout)
    assert found, printed
    return found[0]


@contextmanager
def private_machine(arrangement: Arrangement) -> Iterator[Machine]:
    """Yield a machine as good as new, in which the calling thread is."""
    with Host(DIRECTORIES, own_sysfs=False) as host:
        if os.path.ismount(UNIFIED):  # crun refuses cgroups of both kinds
            namespaces.unmount(UNIFIED)
        with Town(host, OURS) as town:
            yield Machine(town, arrangement)
