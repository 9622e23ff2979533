"""The images that nodes run: a small web server, the pause container, and the agent of the DaemonSet; made offline."""

import re
import shutil
import subprocess
from pathlib import Path

from tests.lab import PLUGIN
from tests.runtimes.image import write_image

WEB, PAUSE, AGENT = "localhost/web:1", "localhost/pause:1", "localhost/cni-bridge:1"
APPLETS = (
    *("cat", "chmod", "hostname", "httpd", "ip", "kill", "ls", "mkdir", "nc", "ping", "printf"),
    *("sh", "sleep", "timeout", "true", "wget"),
)
# Answers with the address that the client has for the server.
SEEN = '#!/bin/sh\necho; echo "$REMOTE_ADDR"\n'
SERVE = (
    "/bin/sh",
    "-c",
    "trap 'exit 0' TERM; httpd -p 80 -h /www; while :; do sleep 1000 & wait $!; done",
)
WAIT = ("/bin/sh", "-c", "trap 'exit 0' TERM; while :; do sleep 1000 & wait $!; done")
LIBRARY = re.compile(r"(/\S+) \(0x")
DIRECTORIES = ("bin", "dev", "etc", "proc", "run", "sys", "tmp", "var", "www/cgi-bin")


def write_all(directory: Path) -> tuple[Path, ...]:
    """Write the archives of all images."""
    directory.mkdir(parents=True)
    made = []
    for name, image, command in (
        ("web", WEB, SERVE),
        ("pause", PAUSE, WAIT),
        ("agent", AGENT, WAIT),
    ):
        root = root_of_image(directory / name)
        if name == "agent":
            _add_agent(root)
        path = directory / f"{name}.tar"
        write_image(root, path, image, command)
        shutil.rmtree(root)
        made.append(path)
    return tuple(made)


def root_of_image(root: Path) -> Path:
    """Return a root file system with busybox and a page that tells the client's address."""
    for each in DIRECTORIES:
        (root / each).mkdir(parents=True)
    busybox = shutil.which("busybox")
    assert busybox, "no busybox-static"
    shutil.copy(busybox, root / "bin/busybox")
    for applet in APPLETS:
        (root / "bin" / applet).symlink_to("busybox")
    (root / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/sh\n")
    (root / "etc/machine-id").touch()
    (root / "www/index.html").write_text("hello\n")
    (root / "www/cgi-bin/seen").write_text(SEEN)
    (root / "www/cgi-bin/seen").chmod(0o755)
    return root


def _add_agent(root: Path) -> None:
    """Add what docs/cluster-kubernetes.md puts into the image: the executable's directory and the C library."""
    directory = PLUGIN.resolve().parent
    shutil.copytree(directory, root / "usr/lib/cni-bridge", symlinks=True)
    add_libraries(root, PLUGIN.resolve(), *directory.rglob("*.so*"), but=directory)


def add_libraries(root: Path, *programs: Path, but: Path | None = None) -> None:
    """Add the libraries that programs are linked with, except those of one directory."""
    linked = subprocess.run(("ldd", *programs), capture_output=True, text=True).stdout
    for library in sorted(set(LIBRARY.findall(linked))):
        if but is None or not library.startswith(str(but)):
            target = root / library[1:]
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(library, target)
