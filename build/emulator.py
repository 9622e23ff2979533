"""qemu as the emulated machines need it: installed, and its command line for this machine."""

import os
import re
import subprocess
import sys
from pathlib import Path

QEMU = "qemu-system-x86_64"
KVM = Path("/dev/kvm")
TRANSLATED_MB = 1024


def command(*, memory_mb: int) -> list[str]:
    """Return the beginning of every command line."""
    # An emulated second processor costs more than it does; what was translated is kept.
    chosen = (
        ("kvm", "-cpu", "host", "-smp", "2") if has_kvm() else (f"tcg,tb-size={TRANSLATED_MB}",)
    )
    return [QEMU, "-nodefaults", "-display", "none", "-accel", *chosen, "-m", str(memory_mb)]


def has_kvm() -> bool:
    """Tell whether the processor itself runs guests.

    A virtual machine may offer /dev/kvm without that (kvm_pvm); Debian's kernel never starts there.
    """
    flags = re.search(r"^flags\s*:(.*)", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    is_able = bool(flags and {"vmx", "svm"} & set(flags[1].split()))
    return is_able and os.access(KVM, os.R_OK | os.W_OK)


def need(*commands: str) -> None:
    """Install the packages of those commands that are missing; need.sh says how they are named."""
    done = subprocess.run((Path(__file__).with_name("need.sh"), *commands))
    if done.returncode:
        sys.exit(done.returncode)


def update_lists() -> None:
    """Update the package lists; an ordinary user uses the existing ones."""
    if not os.geteuid():
        subprocess.run(("apt-get", "-qq", "update"), check=True)


def output(*command: str) -> str:
    """Return what a command prints that succeeds."""
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout
