"""Runs tests on Debian's kernel in a qemu guest, for what the kernel of this machine lacks.

`guest.py TEST...` gives its arguments to pytest; the exit status is pytest's, and 1 without one.
The guest sees this machine's files read-only and has no network; without KVM it is emulated. A
whole Debian in such a machine: machine_image.py and tests/machine.
"""

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import emulator

ROOT = Path(__file__).resolve().parents[1]
CACHE = ROOT / ".cache" / "guest"
UNPACKED = CACHE / "root"
BUSYBOX = UNPACKED / "bin" / "busybox"

PASSED_ON = ("PLUGIN", "PEERS")
KERNEL_PACKAGE = "linux-image-amd64"
FIRST_MODULES = ("virtio_pci", "9pnet_virtio", "9p", "overlay")  # the rest is loaded on demand
MEMORY_MB = 1024
TIMEOUT_S = 1800
VERDICT = re.compile(r"^guest: exit status (\d+)\s*$", re.MULTILINE)


def main(arguments: list[str]) -> int:
    """Exit status: that of pytest in the guest."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # and the guest ends too
    emulator.need(f"{emulator.QEMU}=qemu-system-x86")
    if not BUSYBOX.exists():
        _unpack_kernel()
    variables = [f"{name}={os.environ[name]}" for name in PASSED_ON if name in os.environ]
    # Plugins that these tests don't use take an emulated machine ten seconds to import.
    variables.append("PYTEST_DISABLE_PLUGIN_AUTOLOAD=1")
    command = ("env", *variables, sys.executable, "-m", "pytest", "--color=no", *arguments)
    initramfs = CACHE / f"initramfs-{os.getpid()}"
    try:
        initramfs.write_bytes(_initramfs(shlex.join(command)))
        return _boot(initramfs)
    finally:
        initramfs.unlink(missing_ok=True)


# ---------------------------------------------------------------- what it takes


def _unpack_kernel() -> None:
    """Debian's kernel and busybox, unpacked below .cache and not installed."""
    emulator.update_lists()
    dependencies = emulator.output("apt-cache", "depends", "--important", KERNEL_PACKAGE)
    kernel = dependencies.split("Depends: ")[1].split()[0]
    print(f"guest: unpacking {kernel}", flush=True)
    shutil.rmtree(CACHE, ignore_errors=True)
    fresh = CACHE / "fresh"
    fresh.mkdir(parents=True)
    download = ("apt-get", "-qq", "-o", "APT::Sandbox::User=root", "download")
    subprocess.run((*download, kernel, "busybox-static"), cwd=fresh, check=True)
    for package in fresh.glob("*.deb"):
        subprocess.run(("dpkg-deb", "-x", package, fresh), check=True)
        package.unlink()
    (fresh / "bin" / "modprobe").symlink_to("busybox")
    subprocess.run((fresh / "bin/busybox", "depmod", "-b", fresh, _release(fresh)), check=True)
    fresh.rename(UNPACKED)


def _release(unpacked: Path) -> str:
    (modules,) = (unpacked / "lib" / "modules").iterdir()
    return modules.name


# ---------------------------------------------------------------- what it boots


def _initramfs(command: str) -> bytes:
    """Our init, busybox, and the modules that reach the host's files, as a cpio archive."""
    modules = list(_modules())
    settings = {"unpacked": UNPACKED, "directory": ROOT, "command": command}
    files = {
        "init": (ROOT / "build" / "guest-init.sh").read_bytes(),
        "bin/busybox": BUSYBOX.read_bytes(),
        "settings": "".join(f"{k}={shlex.quote(str(v))}\n" for k, v in settings.items()).encode(),
        "modules": "\n".join(path.name for path in modules).encode(),
        **{path.name: path.read_bytes() for path in modules},
    }
    entries = [_entry("bin", b"", 0o040755)]
    entries += [_entry(name, data, 0o100755) for name, data in files.items()]
    return b"".join(entries) + _entry("TRAILER!!!", b"", 0)


def _entry(name: str, data: bytes, mode: int) -> bytes:
    """One file of a cpio archive in the "newc" format, initramfs.txt of the kernel's documents."""
    encoded = name.encode() + b"\0"
    numbers = (0, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(encoded), 0)
    head = b"070701" + b"".join(b"%08x" % number for number in numbers) + encoded
    return _padded(head) + _padded(data)


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)


def _modules() -> Iterator[Path]:
    """Return the modules' files, each after those that it needs."""
    directory = UNPACKED / "lib" / "modules" / _release(UNPACKED)
    needs: dict[str, list[str]] = {}
    for line in (directory / "modules.dep").read_text().splitlines():
        path, _, others = line.partition(":")
        needs[path] = others.split()
    paths = {Path(path).stem.replace("-", "_"): path for path in needs}
    seen: dict[str, None] = {}

    def visit(path: str) -> None:
        for other in needs[path]:
            visit(other)
        seen.setdefault(path)

    for name in FIRST_MODULES:
        visit(paths[name])
    return (directory / path for path in seen)


# ---------------------------------------------------------------- the run


def _boot(initramfs: Path) -> int:
    (kernel,) = (UNPACKED / "boot").glob("vmlinuz-*")
    command = (
        *emulator.command(memory_mb=MEMORY_MB),
        "-no-reboot",
        *("-kernel", str(kernel), "-initrd", str(initramfs)),
        *("-append", "console=ttyS0 quiet loglevel=1 panic=-1 mitigations=off"),
        *("-serial", "stdio"),
        *("-virtfs", "local,path=/,mount_tag=host,security_model=none,readonly=on,multidevs=remap"),
    )
    guest = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, bufsize=0)
    watchdog = threading.Timer(TIMEOUT_S, guest.kill)
    watchdog.start()
    console = b""
    try:
        assert guest.stdout
        while data := guest.stdout.read(4096):
            console += data
            sys.stdout.buffer.write(data)
            sys.stdout.flush()
    finally:
        watchdog.cancel()
        guest.kill()
        guest.wait()
    verdict = VERDICT.search(console.decode(errors="replace"))
    if verdict is None:
        print(f"guest: no verdict, within {TIMEOUT_S} s", file=sys.stderr)
        return 1
    return int(verdict[1])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
