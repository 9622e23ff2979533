"""The images that Kubernetes' own specs name, made offline: what the specs use of them, from this machine's programs.

Their versions are those that the source of the specs asks for.
"""

import re
import shutil
import subprocess
from pathlib import Path

from tests.kubernetes.images import WAIT, add_libraries, root_of_image
from tests.kubernetes.programs import DIRECTORY
from tests.runtimes.image import write_image

REGISTRY = "registry.k8s.io/"
DNS = "localhost/coredns:1"
SOURCE = DIRECTORY / "source"
VERSION = re.compile(r'configs\[(\w+)\] += Config\{[\w.]+, "([\w./-]+)", "([\w.-]+)"\}')
PROGRAMS = ("bash", "conntrack", "curl", "dig", "getent", "ip", "nc.openbsd", "ss")
WHERE = {"pause": "", "distroless-iptables": "build-image/"}
OTHERS_OF_BUSYBOX = {"bash", "busybox", "getent", "ip", "nc", "sh", "wget"}
# busybox's own crashes where names are looked up as nsswitch.conf says.
WGET = """#!/bin/bash
limit=10 page=
while (($#)); do
    case $1 in
        -T) limit=$2; shift ;;
        -O) shift ;;
        -*) ;;
        *) page=$1 ;;
    esac
    shift
done
exec curl -gsSfL -m "$limit" "$page"
"""


def write_all(directory: Path) -> tuple[Path, ...]:
    """Write the archives of all images of the specs."""
    directory.mkdir(parents=True)
    known = names()
    root = _root(directory / "root")
    small = {
        "busybox": (known["BusyBox"], ("/bin/sh",), ()),
        "pause": (known["Pause"], WAIT, ()),
    }
    made = [_write(root, directory, name, *rest) for name, rest in small.items()]
    for program in ("agnhost", "coredns", "regression-issue-74839"):
        shutil.copy(DIRECTORY / program, root / program)
    (root / "agnhost-2").symlink_to("agnhost")
    for each in ("crt", "key"):
        shutil.copy(SOURCE / f"test/images/agnhost/porter/localhost.{each}", root)
    large = {
        "agnhost": (known["Agnhost"], ("pause",), ("/agnhost",)),
        "dns": (known["GlibcDnsTesting"], ("/bin/sh",), ()),
        "iptables": (known["DistrolessIptables"], ("/bin/sh",), ()),
        # What is asked of it is that it listens.
        "nginx": (known["Nginx"], ("test-webserver",), ("/agnhost",)),
        "regression": (known["RegressionIssue74839"], (), ("/regression-issue-74839",)),
        "coredns": (DNS, (), ("/coredns",)),
    }
    made += [_write(root, directory, name, *rest) for name, rest in large.items()]
    shutil.rmtree(root)
    return tuple(made)


def names() -> dict[str, str]:
    """Return the images of the specs by the names that the source has for them."""
    manifest = (SOURCE / "test/utils/image/manifest.go").read_text()
    return {
        key: f"{REGISTRY}{WHERE.get(name, 'e2e-test-images/')}{name}:{version}"
        for key, name, version in VERSION.findall(manifest)
    }


def _write(
    root: Path,
    directory: Path,
    name: str,
    image: str,
    command: tuple[str, ...],
    entry: tuple[str, ...],
) -> Path:
    path = directory / f"{name}.tar"
    write_image(root, path, image, command, entry)
    return path


def _root(root: Path) -> Path:
    """Return a root file system with the programs that the specs call."""
    root_of_image(root)
    applets = root / "bin"
    told = subprocess.run((applets / "busybox", "--list"), capture_output=True, text=True).stdout
    for applet in {*told.split()} - OTHERS_OF_BUSYBOX:
        if not (applets / applet).exists():
            (applets / applet).symlink_to("busybox")
    for each in ("ip", "nc", "sh", "wget"):
        (applets / each).unlink(missing_ok=True)
    for each in PROGRAMS:
        found = shutil.which(each, path="/usr/sbin:/usr/bin:/sbin:/bin")
        assert found, f"no {each}"
        (applets / each).unlink(missing_ok=True)
        shutil.copy(found, applets / each)
        add_libraries(root, Path(found))
    (applets / "sh").symlink_to("bash")
    (applets / "nc").symlink_to("nc.openbsd")
    (applets / "wget").write_text(WGET)
    (applets / "wget").chmod(0o755)
    (root / "etc/nsswitch.conf").write_text("hosts: files dns\npasswd: files\ngroup: files\n")
    with (root / "etc/passwd").open("a") as users:
        users.write("user-defined-in-image:x:1000:1000::/:/bin/sh\n")
    (root / "etc/group").write_text("root:x:0:\n")
    for each in ("uploads", "root", "var/log", "usr/bin", "usr/sbin", "sbin"):
        (root / each).mkdir(parents=True, exist_ok=True)
    (root / "tmp").chmod(0o1777)
    return root
