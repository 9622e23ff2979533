"""machine_image.py bookworm|trixie...: a whole Debian below .cache/machine, made from its packages.

The disk holds systemd, runtimes, and the firewalls and network managers that share a host with
containers; of these only what a test starts runs. Kernel and initrd lie beside it. Packages come
from where this machine's apt takes them.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

import emulator

ROOT = Path(__file__).resolve().parents[1]
CACHE = ROOT / ".cache" / "machine"
OVERLAY = ROOT / "tests" / "machine" / "guest"  # files put over those of the packages

SUITES = {"bookworm": "12", "trixie": "13"}
SIZE = "4G"
PACKAGES = (
    *("linux-image-cloud-amd64", "systemd-sysv", "udev", "dbus", "qemu-guest-agent"),
    *("iproute2", "iputils-ping", "procps", "kmod", "nftables", "iptables", "conntrack"),
    *("podman", "crun", "containerd", "runc", "containernetworking-plugins", "docker.io"),
    *("firewalld", "ufw", "network-manager", "dnsmasq", "apparmor", "apparmor-profiles"),
    *("busybox-static", "socat", "python3-minimal", "ca-certificates"),
)
ALSO = {"trixie": ("docker-cli",)}  # no part of docker.io there
# A test starts what it is about; the rest would only cost time.
DISABLED = (
    *("docker.service", "docker.socket", "containerd.service", "firewalld.service", "ufw.service"),
    *("NetworkManager.service", "NetworkManager-wait-online.service", "dnsmasq.service"),
    *("podman.service", "podman.socket", "podman-auto-update.timer", "podman-restart.service"),
    *("apt-daily.timer", "apt-daily-upgrade.timer", "dpkg-db-backup.timer", "fstrim.timer"),
    *("e2scrub_all.timer", "e2scrub_reap.service", "systemd-timesyncd.service"),
)
ENABLED = ("lan.service", "lan-echo.service")
SHOWN = ("linux-image-cloud-amd64", "systemd", "podman", "containerd", "docker.io", "nftables")


@dataclass(frozen=True)
class Image:
    """What qemu boots, and what is in it."""

    disk: str
    kernel: str
    initrd: str
    versions: dict[str, str]
    made: str
    seconds: int


def image(suite: str) -> Image:
    """Return the image of a release of Debian, made if it is not in the cache."""
    directory = CACHE / f"{suite}-{_recipe(suite)}"
    facts = directory / "image.json"
    if not facts.exists():
        _make(suite, directory)
    known = json.loads(facts.read_text())
    # Where they are now: the cache may have been copied from another place.
    here = {each: str(directory / Path(known[each]).name) for each in ("disk", "kernel", "initrd")}
    return Image(**known | here)


def _packages(suite: str) -> tuple[str, ...]:
    return (*PACKAGES, *ALSO.get(suite, ()))


def _recipe(suite: str) -> str:
    """Return a digest of everything that decides what is in an image."""
    files = sorted(path for path in OVERLAY.rglob("*") if path.is_file())
    settings = (_packages(suite), DISABLED, ENABLED, SIZE, _hooks(Path()))
    parts = [repr(settings).encode(), *(path.read_bytes() for path in files)]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()[:12]


def _make(suite: str, directory: Path) -> None:
    print(f"machine: making an image of Debian {SUITES[suite]} ({suite})", flush=True)
    emulator.need("mmdebstrap", "mke2fs=e2fsprogs")
    began = time.monotonic()
    for old in CACHE.glob(f"{suite}-*"):
        shutil.rmtree(old)
    fresh = CACHE / f"{suite}-fresh"
    fresh.mkdir(parents=True)
    _bootstrap(suite, fresh)
    facts = Image(
        disk=str(directory / "disk.raw"),
        kernel=str(directory / "vmlinuz"),
        initrd=str(directory / "initrd"),
        versions=dict(line.split("\t") for line in (fresh / "versions").read_text().splitlines()),
        made=f"{datetime.now(UTC):%Y-%m-%d}",
        seconds=round(time.monotonic() - began),
    )
    (fresh / "image.json").write_text(json.dumps(asdict(facts), indent=2) + "\n")
    fresh.rename(directory)


def _hooks(directory: Path) -> tuple[str, ...]:
    """Return what is done to the unpacked packages before they are copied to the disk."""
    return (
        'cp -a "$OVERLAY/." "$1/"; chown -R 0:0 "$1/etc/systemd/system" "$1/usr/local"',
        'echo machine > "$1/etc/hostname"; echo "127.0.0.1 localhost machine" > "$1/etc/hosts"',
        'echo "/dev/vda / ext4 defaults 0 1" > "$1/etc/fstab"',
        'rm -f "$1/etc/dpkg/dpkg.cfg.d/99mmdebstrap" "$1/etc/machine-id"; : > "$1/etc/machine-id"',
        f'for each in {" ".join(DISABLED)}; do chroot "$1" systemctl disable --quiet $each || true; done',
        f'chroot "$1" systemctl enable --quiet {" ".join(ENABLED)}',
        f"chroot \"$1\" dpkg-query -W -f '${{Package}}\\t${{Version}}\\n' {' '.join(SHOWN)}"
        f' > "{directory}/versions"',
        f'cp -L "$1"/boot/vmlinuz-* "{directory}/vmlinuz"',
        f'cp -L "$1"/boot/initrd.img-* "{directory}/initrd"',
        'rm -f "$1"/boot/initrd.img-* "$1"/var/cache/apt/*.bin',
        # By another mount, which has none of the file systems that are mounted in this one.
        'mount --bind "$1" "$1/mnt"',
        f'mke2fs -q -t ext4 -L root -d "$1/mnt" "{directory}/disk.raw" {SIZE}',
        'umount "$1/mnt"',
    )


def _bootstrap(suite: str, directory: Path) -> None:
    command = (
        *("mmdebstrap", "--quiet", "--variant=minbase", "--format=null"),
        f"--include={','.join(_packages(suite))}",
        "--dpkgopt=path-exclude=/usr/share/man/*",
        "--dpkgopt=path-exclude=/usr/share/locale/*",
        '--aptopt=Acquire::Languages "none"',
        *(f"--customize-hook={hook}" for hook in _hooks(directory)),
        *(suite, "-", *_sources(suite)),
    )
    environment = {"PATH": f"{os.environ['PATH']}:/usr/sbin", "OVERLAY": str(OVERLAY)}
    subprocess.run(command, check=True, env={**os.environ, **environment})


def _sources(suite: str) -> list[str]:
    """Return the sources that this machine's apt has for its own release, for another one."""
    wanted = "$(LABEL)\t$(REPO_URI)"
    targets = (
        "apt-get",
        "indextargets",
        "--format",
        wanted,
        "Created-By: Packages",
        "Origin: Debian",
    )
    known = dict(line.split("\t") for line in emulator.output(*targets).splitlines())
    suites = {"Debian": suite, "Debian-Security": f"{suite}-security"}
    return [f"deb {known[label]} {name} main" for label, name in suites.items() if label in known]


def main(suites: list[str]) -> int:
    """Make the images that are missing, and say what is in them."""
    for suite in suites:
        print(json.dumps(asdict(image(suite)), indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
