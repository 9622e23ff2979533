"""Build the reference's own test suites so that they execute another plugin, and run them.

Their files come from Go's module cache and are changed in a copy below .cache; nothing of them is kept
in this repository.
"""

import fcntl
import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

ROOT = Path(__file__).parents[2]
SHIM = tuple(Path(__file__).with_name(name) for name in ("executed.go", "fresh_test.go"))
PEERS_SCRIPT = ROOT / "build" / "peers.sh"
MODULE = "github.com/containernetworking/plugins"
SUITES = {"bridge": "plugins/main/bridge", "host-local": "plugins/ipam/host-local"}
NEEDED = ("go.mod", "go.sum", "pkg", *SUITES.values())
COMMANDS = re.compile(r"^func (cmd(?:Add|Del|Check|Status|GC)\()", re.MULTILINE)
ALONE = (
    "mount -t tmpfs none /run && mount -t tmpfs none /var/lib/cni && mkdir -p /run/netns "
    '&& ip link set lo up && exec "$@"'
)
BUILD_TIMEOUT_S = 600
RUN_TIMEOUT_S = 1200


@dataclass(frozen=True)
class Spec:
    """One spec of a suite, and how it ended."""

    name: str
    state: str
    message: str = ""

    @property
    def has_passed(self) -> bool:
        """Return whether nothing failed."""
        return self.state == "passed"


def version() -> str:
    """Return the reference's version, which the script that builds the peers names."""
    (found,) = re.findall(r"^tag=(\S+)", PEERS_SCRIPT.read_text(), re.MULTILINE)
    return str(found)


def directory() -> Path:
    """Return where the copy and what is built from it are kept."""
    return ROOT / ".cache" / "upstream" / version()


def go() -> str | None:
    """Return a Go toolchain, or None."""
    local = ROOT / ".cache" / "peers" / "go" / "bin" / "go"
    return shutil.which("go") or (str(local) if local.exists() else None)


def built() -> dict[str, Path]:
    """Return the executables of the suites by plugin; build those that are missing or stale.

    Test processes that run side by side wait here for the one that builds.
    """
    directory().mkdir(parents=True, exist_ok=True)
    with (directory() / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        stale = {name: path for name, path in binaries().items() if not _is_fresh(path)}
        if stale:
            _copy()
        for name, path in stale.items():
            _go("test", "-c", "-o", str(path), f"./{SUITES[name]}", cwd=directory() / "source")
            _stamp(path).write_text(_shim())
    return binaries()


def binaries() -> dict[str, Path]:
    """Return where the executables of the suites are, or would be."""
    return {name: directory() / f"{name}.test" for name in SUITES}


def run(binary: Path, plugin: Path, *, focus: str = "") -> list[Spec]:
    """Run a suite on a plugin, in mounts and a network of its own; return its specs."""
    report = binary.with_suffix(".json")
    report.unlink(missing_ok=True)
    links = _linked(binary.parent / f"{binary.stem}-path", plugin)
    words = [str(binary), f"-ginkgo.json-report={report}", "-ginkgo.no-color", "-ginkgo.succinct"]
    if focus:
        words.append(f"-ginkgo.focus={focus}")
    Path("/var/lib/cni").mkdir(parents=True, exist_ok=True)
    alone = ("unshare", "--mount", "--net", "--propagation", "private", "sh", "-c", ALONE, "sh")
    subprocess.run(
        (*alone, *words),
        cwd=directory() / "source" / SUITES[binary.stem],
        env=os.environ
        | {
            "PATH": f"{links}:{os.environ['PATH']}",
            "CNI_UPSTREAM_PLUGIN": str(links / binary.stem),
        },
        stdout=subprocess.DEVNULL,
        stderr=subprocess.STDOUT,
        timeout=RUN_TIMEOUT_S,
        check=False,
    )
    return list(_specs(report))


def _linked(links: Path, plugin: Path) -> Path:
    """Return a directory where the plugin has the names of all suites' plugins."""
    shutil.rmtree(links, ignore_errors=True)
    links.mkdir()
    for name in SUITES:
        (links / name).symlink_to(plugin.resolve())
    return links


def _specs(report: Path) -> Iterator[Spec]:
    for suite in json.loads(report.read_text()):
        for spec in suite["SpecReports"]:
            if spec["LeafNodeType"] != "It" or spec["State"] == "skipped":
                continue
            name = " ".join([*(spec["ContainerHierarchyTexts"] or ()), spec["LeafNodeText"]])
            message = spec.get("Failure", {}).get("Message", "")
            yield Spec(name=name, state=spec["State"], message=message)


def _is_fresh(binary: Path) -> bool:
    stamp = _stamp(binary)
    return binary.exists() and stamp.exists() and stamp.read_text() == _shim()


def _stamp(binary: Path) -> Path:
    return binary.with_suffix(".stamp")


def _shim() -> str:
    """Return a hash of what is built in beside the reference's files."""
    return sha256(b"".join(path.read_bytes() for path in SHIM)).hexdigest()


def _copy() -> None:
    """Copy the module's files, with its commands renamed and the shim's in their place."""
    source = directory() / "source"
    shutil.rmtree(source, ignore_errors=True)
    source.mkdir(parents=True)
    module = _module()
    for name in NEEDED:
        target = source / name
        target.parent.mkdir(parents=True, exist_ok=True)
        command = ("cp", "-r", "--no-preserve=mode", str(module / name), str(target.parent))
        subprocess.run(command, check=True)
    for each in SUITES.values():
        for path in (source / each).glob("*.go"):
            if not path.name.endswith("_test.go"):
                path.write_text(COMMANDS.sub(r"func reference_\1", path.read_text()))
        for path in SHIM:
            shutil.copy(path, source / each)


def _module() -> Path:
    """Return the module's directory in Go's cache, where it is downloaded to if it is missing."""
    said = _go("mod", "download", "-json", f"{MODULE}@{version()}", cwd=Path("/"))
    return Path(json.loads(said)["Dir"])


def _go(*words: str, cwd: Path) -> str:
    toolchain = go()
    assert toolchain, "no Go toolchain"
    done = subprocess.run(
        (toolchain, *words),
        cwd=cwd,
        env=os.environ | {"CGO_ENABLED": "0", "GOFLAGS": "-mod=mod", "GOTOOLCHAIN": "local"},
        capture_output=True,
        text=True,
        timeout=BUILD_TIMEOUT_S,
        check=False,
    )
    assert not done.returncode, done.stderr
    return done.stdout
