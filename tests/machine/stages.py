"""The states that a machine is brought to once and begins with: the package installed, then booted.

Each is a disk below .cache. The package is installed in namespaces, which takes seconds; qemu keeps
the booted machine as a snapshot.
"""

import hashlib
import io
import os
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.lab import ROOT
from tests.machine.contained import Contained
from tests.machine.emulated import Emulated
from tests.machine.images import Image
from tests.runtimes.image import write_image
from tests.runtimes.machine import fill

BOOTED = "booted"  # the snapshot
FILES = "/srv/files"  # where the machine has what it was handed
FILES_SIZE = 256 << 20
IMAGE = "localhost/busybox:1"
INSTALL_S = 600  # beside other work
NEWER = "999.0"  # the version of a package to upgrade to
CONTAINERS_CONF = """
[containers]
cgroups = "disabled"
[network]
network_backend = "cni"
cni_plugin_dirs = ["/opt/cni/bin", "/usr/lib/cni"]
"""
CONFLIST = """{
  "cniVersion": "1.0.0",
  "name": "web",
  "plugins": [{
    "type": "cni-bridge", "bridge": "web0", "isDefaultGateway": true, "ipMasq": true,
    "capabilities": {"portMappings": true, "ips": true, "mac": true},
    "ipam": {"type": "cni-bridge", "ranges": [[{"subnet": "10.77.0.0/24"}], [{"subnet": "fd77::/64"}]]}
  }]
}
"""
INSTALL = f"""
mkdir {FILES}; tar --extract --file /dev/vdb --directory {FILES}
mkdir -p /etc/containers /etc/cni/net.d
cp {FILES}/containers.conf /etc/containers/containers.conf
cp {FILES}/10-web.conflist /etc/cni/net.d/
cp {FILES}/libfaketime.so.1 /usr/local/lib/
export DEBIAN_FRONTEND=noninteractive
apt-get install --quiet --yes {FILES}/cni-bridge.deb
systemctl enable --now cni-bridge-restore containerd
ctr images import {FILES}/image.tar
. /etc/os-release
test $VERSION_ID != 12 || podman import --quiet {FILES}/root.tar {IMAGE} # the only one with CNI
"""


@contextmanager
def contained(image: Image, package: Path) -> Iterator[Contained]:
    """Yield a Debian in namespaces, to be renewed to how it was with the package installed."""
    installed, files = _installed(image, package)
    running = Contained(installed.with_name(f"running-{os.getpid()}.raw"), files, installed)
    try:
        yield running
    finally:
        running.close()
        _remove(running.disk)


@contextmanager
def emulated(image: Image, other: Image, package: Path) -> Iterator[Emulated]:
    """Yield a machine that has booted with the package installed, on a disk of its own.

    `other`: the release that has another kernel for it.
    """
    installed, files = _installed(image, package)
    booted = installed.with_suffix(".qcow2")
    if not booted.exists():
        _boot(image, other, installed, files, booted)
    disk = installed.with_name(f"running-{os.getpid()}.qcow2")
    _copy(booted, disk)
    running = Emulated(image, other, disk, files, BOOTED)
    try:
        yield running
    finally:
        running.close()
        _remove(disk)


def _installed(image: Image, package: Path) -> tuple[Path, Path]:
    """Return a disk with the package installed, in namespaces if it is missing, and the files for it."""
    directory = Path(image.disk).parent
    files = directory / "files.raw"
    installed = directory / f"installed-{_hand_over(package, files)}.raw"
    if not installed.exists():
        for old in directory.glob("installed-*"):
            old.unlink()
        fresh = Contained(installed.with_suffix(".fresh"), files, Path(image.disk))
        try:
            fresh.renew()
            fresh.run(INSTALL, INSTALL_S)
            fresh.power_off()
        finally:
            fresh.close()
        fresh.disk.rename(installed)
    return installed, files


def _boot(image: Image, other: Image, installed: Path, files: Path, booted: Path) -> None:
    """Make a disk over another one, with a snapshot of the machine that has booted from it."""
    print("machine: boot in qemu", flush=True)
    fresh = booted.with_suffix(".fresh")
    over = ("-b", installed.name, "-F", "raw")
    subprocess.run(("qemu-img", "create", "-q", "-f", "qcow2", *over, fresh), check=True)
    running = Emulated(image, other, fresh, files, BOOTED)
    try:
        running.start()
        running.wait()
        running.save()
    finally:
        running.close()
    fresh.rename(booted)


def _remove(disk: Path) -> None:
    for each in (disk, disk.with_suffix(".console")):
        each.unlink(missing_ok=True)


def _copy(source: Path, target: Path) -> None:
    subprocess.run(("cp", "--sparse=always", source, target), check=True)


# ---------------------------------------------------------------- what the machine is handed


def _hand_over(package: Path, path: Path) -> str:
    """Write a tar file to be the second disk; return a digest of what decides what is installed."""
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        fill(work / "root")
        with tarfile.open(work / "root.tar", "w") as tar:
            tar.add(work / "root", arcname=".")
        write_image(work / "root", work / "image.tar", IMAGE, ("/bin/sleep", "600"))
        _newer(package, work)
        (work / "containers.conf").write_text(CONTAINERS_CONF)
        (work / "10-web.conflist").write_text(CONFLIST)
        shutil.copy(package, work / "cni-bridge.deb")
        shutil.copy("/usr/bin/etcd", work / "etcd")
        (faketime,) = Path("/usr/lib").glob("*/faketime/libfaketime.so.1")
        shutil.copy(faketime, work / faketime.name)
        content = io.BytesIO()
        with tarfile.open(fileobj=content, mode="w") as tar:
            for each in sorted(work.iterdir()):
                if each.is_file():
                    tar.add(each, arcname=each.name)
    fresh = path.with_name(f"{path.name}.{os.getpid()}")
    with fresh.open("wb") as file:
        file.write(content.getvalue())
        file.truncate(FILES_SIZE)
    fresh.rename(path)
    parts = (package.read_bytes(), CONFLIST.encode(), CONTAINERS_CONF.encode(), INSTALL.encode())
    return hashlib.sha256(b"\0".join(parts)).hexdigest()[:12]


def _newer(package: Path, work: Path) -> None:
    """Make the same package with a higher version."""
    root = work / "newer"
    subprocess.run(("dpkg-deb", "-R", package, root), check=True)
    control = root / "DEBIAN/control"
    lines = control.read_text().splitlines(keepends=True)
    changed = (f"Version: {NEWER}\n" if each.startswith("Version:") else each for each in lines)
    control.write_text("".join(changed))
    build = ("dpkg-deb", "--root-owner-group", "-Zgzip", "-z1", "--build")
    subprocess.run((*build, root, work / "newer.deb"), check=True, stdout=subprocess.DEVNULL)


def package() -> Path:
    """Return the package that `make deb` has built."""
    (found,) = (ROOT / "dist/release").glob("*.deb")
    return found
