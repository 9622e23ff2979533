"""package.py deb|release: a Debian package of what was built; or everything that a release offers.

The package holds what `make install` puts into a system, at Debian's places; a release is the
package, the portable executable, wheel, sdist, bill of materials and their checksums.
"""

import gzip
import hashlib
import os
import shutil
import string
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import install
import sbom

import cni_bridge

ROOT = install.ROOT
RELEASE = ROOT / "dist/release"
TEMPLATES = ROOT / "build/deb"
VERSION = cni_bridge.__version__
# Where Debian's own runtimes look; `postinst` makes the link that the others want.
PLUGIN_DIR = Path("/usr/lib/cni")
MAINTAINER = "cni-bridge maintainers <maintainers@users.noreply.github.com>"


def deb() -> Path:
    """Build the Debian package for this machine's architecture."""
    with tempfile.TemporaryDirectory() as directory:
        root = Path(directory) / "root"
        install.install(root, plugin_dir=PLUGIN_DIR)
        _document(root / "usr/share/doc/cni-bridge")
        _compress(root / "usr/share/man/man8/cni-bridge.8")
        architecture = _run("dpkg", "--print-architecture")
        _control(root, architecture, _dependencies(Path(directory)))
        _set_modes(root)
        target = _new(f"cni-bridge_{VERSION}_{architecture}.deb")
        _run("dpkg-deb", "--root-owner-group", "-Zxz", "--build", str(root), str(target))
    return target


def release() -> list[Path]:
    """Build everything that is offered for download, and SHA256SUMS of it."""
    shutil.rmtree(RELEASE, ignore_errors=True)
    portable = _new(f"cni-bridge-portable_{VERSION}_{os.uname().machine}")
    shutil.copy2(ROOT / "dist/cni-bridge-portable", portable)
    bill = _new(f"cni-bridge_{VERSION}.cdx.json")
    sbom.write(install.BUILT, bill, _time())
    _run(sys.executable, "-m", "hatchling", "build", "--directory", str(RELEASE))
    deb()
    files = sorted(RELEASE.iterdir())
    sums = (f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.name}\n" for file in files)
    (RELEASE / "SHA256SUMS").write_text("".join(sums))
    return [*files, RELEASE / "SHA256SUMS"]


def _document(directory: Path) -> None:
    """Add the files that Debian's policy requires, and the bill of materials."""
    sbom.write(install.BUILT, directory / "sbom.cdx.json", _time())
    shutil.copy(TEMPLATES / "copyright", directory / "copyright")
    changelog = directory / "changelog"
    changelog.write_text(
        f"cni-bridge ({VERSION}) unstable; urgency=medium\n\n"
        f"  * See {directory.relative_to(directory.parents[3])}/CHANGELOG.md.\n\n"
        f" -- {MAINTAINER}  {format_datetime(_time())}\n"
    )
    _compress(changelog)


def _control(root: Path, architecture: str, depends: str) -> None:
    overrides = root / "usr/share/lintian/overrides/cni-bridge"
    overrides.parent.mkdir(parents=True)
    shutil.copy(TEMPLATES / "lintian-overrides", overrides)
    files = [path for path in root.rglob("*") if path.is_file() and not path.is_symlink()]
    size = sum(path.stat().st_size for path in files) // 1024
    sums = (f"{_md5(file)}  {file.relative_to(root)}\n" for file in sorted(files))
    target = root / "DEBIAN"
    target.mkdir()
    (target / "md5sums").write_text("".join(sums))
    known = {"version": VERSION, "architecture": architecture, "size": size, "depends": depends}
    template = string.Template((TEMPLATES / "control").read_text())
    (target / "control").write_text(template.substitute(known, maintainer=MAINTAINER))
    for script in ("postinst", "prerm", "postrm"):
        shutil.copy(TEMPLATES / script, target / script)


def _set_modes(root: Path) -> None:
    """Programs and directories 0755, everything else 0644: shared libraries are no programs."""
    for path in root.rglob("*"):
        if not path.is_symlink():
            is_program = os.access(path, os.X_OK) and ".so" not in path.name
            path.chmod(0o755 if path.is_dir() or is_program else 0o644)


def _dependencies(work: Path) -> str:
    """Return the packages whose libraries the executable needs and does not bring along."""
    (work / "debian").mkdir()
    (work / "debian/control").write_text(
        "Source: cni-bridge\n\nPackage: cni-bridge\nArchitecture: any\n"
    )
    bundle = install.BUILT / sbom.BUNDLE
    binaries = [install.BUILT / "cni-bridge", *sorted(bundle.rglob("*.so*"))]
    brought = _run(
        *("dpkg-shlibdeps", "-O", "--ignore-missing-info", f"-l{bundle}"),
        *(f"-e{binary}" for binary in binaries),
        cwd=work,
    )
    carried = {part.name for part in sbom.libraries(bundle)}
    wanted = brought.partition("=")[2].split(", ")
    return ", ".join(each for each in wanted if each.split()[0] not in carried)


def _compress(path: Path) -> None:
    path.with_name(path.name + ".gz").write_bytes(gzip.compress(path.read_bytes(), 9, mtime=0))
    path.unlink()


def _new(name: str) -> Path:
    RELEASE.mkdir(parents=True, exist_ok=True)
    return RELEASE / name


def _time() -> datetime:
    """When the source was last changed, so that equal sources give equal packages."""
    epoch = os.environ.get("SOURCE_DATE_EPOCH") or _run("git", "log", "-1", "--format=%ct")
    return datetime.fromtimestamp(int(epoch), UTC)


def _md5(file: Path) -> str:
    return hashlib.md5(file.read_bytes(), usedforsecurity=False).hexdigest()


def _run(*command: str, cwd: Path = ROOT) -> str:
    done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=cwd)
    return done.stdout.strip()


if __name__ == "__main__":
    built = {"deb": lambda: [deb()], "release": release}[sys.argv[1]]()
    for file in built:
        print(file.relative_to(ROOT))
