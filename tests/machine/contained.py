"""A whole Debian in namespaces of this kernel: systemd is its first process (systemd-nspawn).

It boots in seconds and has its own network, /run, processes and boot id. It has no kernel of its own,
so nothing here has AppArmor, and a clock that was set back is one that its services are told by libfaketime.
"""

import fcntl
import os
import signal
import struct
import subprocess
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

from tests.machine.machines import COMMAND_S, YEARS_BACK, Machine

START_S = 120
CGROUPS = (Path("/sys/fs/cgroup"), Path("/sys/fs/cgroup/systemd"), Path("/sys/fs/cgroup/unified"))
RUN_SIZE = "64M"
CLOCK_BACK = (
    "LD_PRELOAD=/usr/local/lib/libfaketime.so.1",
    f"FAKETIME=-{YEARS_BACK}y",
    "FAKETIME_DONT_FAKE_MONOTONIC=1",
)
EXT4_IOC_SHUTDOWN = 0x8004587D  # linux/fs/ext4/ext4.h
EXT4_GOING_FLAGS_NOLOGFLUSH = 2
# Below the unit's own group, so that what it starts is not ended along with it.
SCOPE = ("systemd-run", "--scope", "--quiet", "--collect")
ENVIRONMENT = ("PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root")
# In a mount namespace, which takes mount and loop device along when nspawn ends.
BOOT = """
mount --make-rprivate /
mount -t tmpfs none /run
mount -t ext4 -o loop {disk} {root}
for each in {cgroups}; do mkdir -p $each/{name}; echo $$ > $each/{name}/cgroup.procs; done
exec systemd-nspawn --directory={root} --boot --quiet --private-network --register=no --keep-unit \\
    --capability=all --system-call-filter="@keyring bpf" --machine={name} --hostname=machine --console=pipe {binds} {options}
"""


class Contained(Machine):
    """A Debian on a disk of its own; `files`: the tar file that it is handed; `fresh`: a disk to copy."""

    has_own_kernel = False

    def __init__(self, disk: Path, files: Path, fresh: Path) -> None:
        self._fresh = fresh
        self.disk = disk
        self._files = files
        self._name = f"machine-{os.getpid()}"
        self._root = tempfile.TemporaryDirectory(prefix="machine-")
        self._process: subprocess.Popen[bytes] | None = None
        self._groups = [each for each in CGROUPS if (each / "cgroup.procs").exists()]

    def start(self, *, is_set_back: bool = False) -> None:
        """Boot what is on its disk."""
        clock = CLOCK_BACK if is_set_back else ()
        script = BOOT.format(
            disk=self.disk,
            root=self._root.name,
            name=self._name,
            cgroups=" ".join(map(str, self._groups)),
            binds=f"--bind-ro={self._files}:/dev/vdb",
            options=" ".join(f"systemd.setenv={each}" for each in clock),
        )
        with self.disk.with_suffix(".console").open("ab") as log:
            self._process = subprocess.Popen(
                ("setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "bash", "-ec", script),
                env={**os.environ, "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1"},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def wait(self) -> None:
        """Return when it has booted."""
        _await(lambda: bool(self._leader()), "it was started")
        _await(lambda: not self.try_to_run("true").returncode, "systemd runs commands")
        self.try_to_run("systemctl is-system-running --wait")
        self.run(f"mount -o remount,size={RUN_SIZE} /run")

    def stop(self) -> None:
        """End it, whatever runs in it."""
        if self._process and self._process.poll() is None and (leader := self._leader()):
            os.kill(leader, signal.SIGKILL)
        self._ended()

    def cut_power(self) -> None:
        """Switch it off at once: what it has not written to its disk is lost."""
        disk = os.open(f"/proc/{self._leader()}/root", os.O_RDONLY)
        try:
            fcntl.ioctl(disk, EXT4_IOC_SHUTDOWN, struct.pack("I", EXT4_GOING_FLAGS_NOLOGFLUSH))
        finally:
            os.close(disk)
        self.stop()

    def power_off(self) -> None:
        """Shut down in good order."""
        self.try_to_run("systemctl poweroff")
        self._ended()

    def close(self) -> None:
        """End it for good."""
        self.stop()
        self._root.cleanup()

    def renew(self) -> None:
        """Boot again from a copy of the disk that it began with."""
        self.stop()
        subprocess.run(("cp", "--sparse=always", self._fresh, self.disk), check=True)
        self.start()
        self.wait()

    def reboot(self) -> None:
        """Reboot in good order."""
        self.try_to_run("systemctl reboot")
        self._ended()
        self.start()
        self.wait()

    def try_to_run(
        self, script: str, timeout_s: float = COMMAND_S
    ) -> "subprocess.CompletedProcess[str]":
        """Return what became of a script that may fail."""
        with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
            # To files: what a script leaves running may keep them open.
            done = subprocess.run(
                self._command(script),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                timeout=timeout_s,
            )
            out.seek(0)
            err.seek(0)
            return subprocess.CompletedProcess(script, done.returncode, out.read(), err.read())

    def _ended(self) -> None:
        """Wait until nothing of it is left."""
        if self._process:
            self._process.wait(START_S)
            self._process = None
        for each in self._groups:
            own = each / self._name
            for group in (*sorted(own.rglob("*/"), reverse=True), own):
                _await(partial(_removes, group), f"{group} is empty")

    def _command(self, script: str) -> tuple[str, ...]:
        enter = ("nsenter", "--target", str(self._leader()), "--all", "--wdns=/", "env", "-i")
        return (*enter, *ENVIRONMENT, *SCOPE, "bash", "-c", script)

    def _leader(self) -> int:
        """Return the id of its first process, 0 if there is none."""
        assert self._process
        if self._process.poll() is not None:
            console = self.disk.with_suffix(".console").read_text(errors="replace")
            raise AssertionError(f"it has ended: {console[-2000:]}")
        own = self._process.pid
        children = Path(f"/proc/{own}/task/{own}/children").read_text().split()
        for child in map(int, children):
            with suppress(OSError):  # it may be gone
                if Path(f"/proc/{child}/comm").read_text() == "systemd\n":
                    return child
        return 0


def _await(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + START_S
    while not condition():
        assert time.monotonic() < deadline, f"not so in {START_S} s: {what}"
        time.sleep(0.05)


def _removes(group: Path) -> bool:
    try:
        group.rmdir()
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True
