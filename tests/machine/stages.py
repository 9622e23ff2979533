"""The states that a machine is brought to once and restored from: booted, then with us installed.

Each is a disk below .cache that holds a snapshot with the stage's name.
"""

import hashlib
import io
import os
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.lab import ROOT
from tests.machine.contained import Contained
from tests.machine.emulated import Emulated
from tests.machine.images import Image
from tests.runtimes.image import write_image
from tests.runtimes.machine import fill

BOOTED, INSTALLED = "booted", "installed"
FILES = "/srv/files"  # where the machine has what it was handed
FILES_SIZE = 256 << 20
IMAGE = "localhost/busybox:1"
INSTALL_S = 1800  # where it is emulated, beside other work
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
    directory = Path(image.disk).parent
    files = directory / "files.raw"
    installed = directory / f"installed-{_hand_over(package, files)}.raw"
    if not installed.exists():
        for old in (*directory.glob("installed-*.raw"), *directory.glob("installed-*.console")):
            old.unlink()
        fresh = Contained(installed.with_suffix(".fresh"), files, Path(image.disk))
        try:
            fresh.renew()
            fresh.run(INSTALL, INSTALL_S)
            fresh.power_off()
        finally:
            fresh.close()
        fresh.disk.rename(installed)
    running = Contained(directory / f"running-{os.getpid()}.raw", files, installed)
    try:
        yield running
    finally:
        running.close()
        running.disk.unlink(missing_ok=True)
        running.disk.with_suffix(".console").unlink(missing_ok=True)


@contextmanager
def emulated(image: Image, package: Path) -> Iterator[Emulated]:
    """Yield a machine with the package installed, on a disk of its own."""
    directory = Path(image.disk).parent
    files = directory / "files.raw"
    digest = _hand_over(package, files)
    booted = _stage(image, files, directory / "booted.qcow2", BOOTED, None, _boot)
    installed = directory / f"installed-{digest}.qcow2"
    if not installed.exists():
        for old in directory.glob("installed-*.qcow2"):
            old.unlink()
    _stage(image, files, installed, INSTALLED, booted, _install)
    disk = directory / f"running-{os.getpid()}.qcow2"
    _copy(installed, disk)
    running = Emulated(image, disk, files, INSTALLED)
    try:
        yield running
    finally:
        running.close()
        disk.unlink()
        disk.with_suffix(".console").unlink(missing_ok=True)


def _stage(
    image: Image,
    files: Path,
    disk: Path,
    name: str,
    base: Path | None,
    make: Callable[[Emulated], None],
) -> Path:
    """Return a disk with the snapshot `name`, made from that of another stage if it is missing."""
    if disk.exists():
        return disk
    print(f"machine: {name}", flush=True)
    fresh = disk.with_suffix(".fresh")
    if base:
        _copy(base, fresh)
    else:
        over = ("-b", image.disk, "-F", "raw")
        subprocess.run(("qemu-img", "create", "-q", "-f", "qcow2", *over, fresh), check=True)
    running = Emulated(image, fresh, files)
    try:
        make(running)
        running.save(name)
    finally:
        running.close()
    return fresh.rename(disk)


def _boot(machine: Emulated) -> None:
    machine.start()
    machine.wait()


def _install(machine: Emulated) -> None:
    machine.restore(BOOTED)
    machine.run(INSTALL, INSTALL_S)


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
