"""A machine that qemu emulates: started, restored to how it was, rebooted, cut off from power.

What is on its disk is made by build/machine_image.py; what happens in it is decided by the callers.
"""

import subprocess
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.machine.guest_agent import Agent, Monitor
from tests.machine.images import Image, emulator
from tests.machine.machines import COMMAND_S, YEARS_BACK, Machine

MEMORY_MB = 2048
START_S = 600  # of an emulated machine beside other work
MONITOR_S = 300
# Kernel and initrd are given by qemu; the modules must be on the disk.
INSTALL_KERNEL = """
mount -t ext4 -o ro,noload /dev/vdc /mnt
cp -r /mnt/usr/lib/modules/. /usr/lib/modules
umount /mnt
"""


class Emulated(Machine):
    """A machine with a disk of its own over the image's, and a second disk to hand it files.

    `other`: another release, the kernel of which can be installed; its disk is the third.
    `fresh`: the snapshot on its disk that scenarios begin with.
    """

    has_own_kernel = True

    def __init__(self, image: Image, other: Image, disk: Path, files: Path, fresh: str) -> None:
        self._fresh = fresh
        self.image = image
        self.other = other
        self._booted = image  # the kernel is this one's
        self.disk = disk
        self.files = files
        self._sockets = tempfile.TemporaryDirectory(prefix="machine-")
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, *options: str, is_set_back: bool = False) -> None:
        """Switch the machine on; it boots what is on its disk."""
        if is_set_back:
            then = datetime.now(UTC) - timedelta(days=365 * YEARS_BACK)
            options += ("-rtc", f"base={then:%Y-%m-%dT%H:%M:%S}")
        directory = Path(self._sockets.name)
        for old in directory.iterdir():
            old.unlink()
        monitor, agent = directory / "monitor", directory / "agent"
        command = (
            *emulator.command(memory_mb=MEMORY_MB),
            *("-kernel", self._booted.kernel, "-initrd", self._booted.initrd),
            *("-append", "root=/dev/vda rw console=ttyS0 quiet mitigations=off panic=-1"),
            *("-drive", f"file={self.disk},if=virtio,cache=unsafe"),
            *("-drive", f"file={self.files},if=virtio,format=raw,readonly=on"),
            *("-drive", f"file={self.other.disk},if=virtio,format=raw,readonly=on"),
            *("-serial", f"file:{self.disk.with_suffix('.console')}"),
            *("-qmp", f"unix:{monitor},server=on,wait=off"),
            *("-chardev", f"socket,path={agent},server=on,wait=off,id=agent"),
            *("-device", "virtio-serial"),
            *("-device", "virtserialport,chardev=agent,name=org.qemu.guest_agent.0"),
            *("-device", "virtio-rng-pci"),
            *options,
        )
        # Where the tests are killed, qemu ends as well.
        tied = ("setpriv", "--pdeathsig", "TERM", *command)
        self._process = subprocess.Popen(tied, stdin=subprocess.DEVNULL)
        self._monitor = Monitor(monitor, MONITOR_S)
        self._agent = Agent(agent, MONITOR_S)

    def wait(self) -> None:
        """Return when the machine has booted."""
        self._agent.wait(START_S)
        self.try_to_run("systemctl is-system-running --wait")

    def cut_power(self) -> None:
        """Switch the machine off at once: what it has not written to its disk is lost."""
        if self._process:
            self._process.terminate()  # and not killed: qemu itself must write what the disk got
            self._process.wait(MONITOR_S)
            self._process = None
            self._monitor.close()
            self._agent.close()

    def close(self) -> None:
        """Switch the machine off for good."""
        self.cut_power()
        self._sockets.cleanup()

    def save(self) -> None:
        """Keep disk and memory as they are now, for all scenarios to begin with."""
        self.run("sync")
        self._monitor.human(f"savevm {self._fresh}")

    def renew(self) -> None:
        """Bring back disk and memory as they were then, with the time of now."""
        if self._booted is not self.image:
            self.cut_power()
            self._booted = self.image
        if not self._process:
            self.start("-S")
        self._monitor.human(f"loadvm {self._fresh}")
        self._monitor("cont")
        self._agent.wait(START_S)
        self.run(f"date --set=@{time.time():.0f}")

    def reboot(self) -> None:
        """Reboot in good order."""
        self._shut_down_to_reboot()
        self.wait()

    def upgrade_kernel(self) -> None:
        """Install the kernel of the other release, and reboot into it in good order."""
        self.run(INSTALL_KERNEL)
        self._shut_down_to_reboot()
        self.cut_power()  # of a machine that has not begun to boot
        self._booted = self.other
        self.start()
        self.wait()

    def _shut_down_to_reboot(self) -> None:
        self._agent.start("systemctl reboot")
        self._monitor.wait_for("RESET")

    def try_to_run(
        self, script: str, timeout_s: float = COMMAND_S
    ) -> "subprocess.CompletedProcess[str]":
        """Return what became of a script that may fail."""
        return self._agent.run(script, timeout_s)
