"""install.py install|uninstall: puts what was built where a system looks for it, or removes that.

One table says what goes where; `make install`, `make uninstall` and `make deb` all read it. Every
file is replaced by a rename, so that a runtime that calls the plugin finds the old one or the new.
"""

import argparse
import ctypes
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BUILT = ROOT / "dist/cni-bridge"
PREFIX = Path("/usr")
PLUGIN_DIR = Path("/opt/cni/bin")
LIBRARY = "lib/cni-bridge"

# Below the prefix: directory, where its files come from in the repository, and which of them.
FILES = (
    ("lib/systemd/system", "conf", "*.service"),
    ("share/man/man8", "docs", "*.8"),
    ("share/cni-bridge/schemas", "schemas", "*.json"),
    ("share/doc/cni-bridge", ".", "*.md"),
    ("share/doc/cni-bridge/docs", "docs", "**/*.md"),
    ("share/doc/cni-bridge/docs", "docs", "**/*.svg"),
    ("share/doc/cni-bridge/conf", "conf", "**/*.conflist"),
    ("share/doc/cni-bridge/conf", "conf", "**/*.yaml"),
)
COMPLETIONS = {
    "bash": "share/bash-completion/completions/cni-bridge",
    "zsh": "share/zsh/vendor-completions/_cni-bridge",
    "fish": "share/fish/vendor_completions.d/cni-bridge.fish",
}
OWN_DIRECTORIES = (LIBRARY, "share/cni-bridge", "share/doc/cni-bridge")

AT_FDCWD = -100  # linux/fcntl.h
RENAME_EXCHANGE = 2  # linux/fs.h


def install(destdir: Path, prefix: Path = PREFIX, plugin_dir: Path = PLUGIN_DIR) -> None:
    """Install everything below `destdir`, which is not part of any path in what is installed."""
    home = _below(destdir, prefix)
    for source, target in _files(home):
        _place(source.read_bytes(), target)
    for shell, path in COMPLETIONS.items():
        words = [str(BUILT / "cni-bridge"), "completion", shell]
        _place(subprocess.run(words, check=True, capture_output=True).stdout, home / path)
    _replace_tree(BUILT, home / LIBRARY)
    for link in _links(destdir, prefix, plugin_dir):
        _link(home / LIBRARY / "cni-bridge", link)


def uninstall(destdir: Path, prefix: Path = PREFIX, plugin_dir: Path = PLUGIN_DIR) -> None:
    """Remove what `install` with these arguments has made; what is not there is no error."""
    home = _below(destdir, prefix)
    for link in _links(destdir, prefix, plugin_dir):
        link.unlink(missing_ok=True)
    for _, target in _files(home):
        target.unlink(missing_ok=True)
    for path in COMPLETIONS.values():
        (home / path).unlink(missing_ok=True)
    for directory in OWN_DIRECTORIES:
        shutil.rmtree(home / directory, ignore_errors=True)


def _files(home: Path) -> Iterator[tuple[Path, Path]]:
    for directory, base, pattern in FILES:
        for source in sorted((ROOT / base).glob(pattern)):
            yield source, home / directory / source.relative_to(ROOT / base)


def _links(destdir: Path, prefix: Path, plugin_dir: Path) -> tuple[Path, Path]:
    """Where people find the executable, and where runtimes do."""
    return _below(destdir, prefix) / "bin/cni-bridge", _below(destdir, plugin_dir) / "cni-bridge"


def _below(destdir: Path, path: Path) -> Path:
    return destdir / path.relative_to("/")


def _place(content: bytes, target: Path) -> None:
    new = _new(target)
    new.write_bytes(content)
    new.chmod(0o644)
    new.replace(target)


def _link(pointee: Path, link: Path) -> None:
    new = _new(link)
    new.unlink(missing_ok=True)
    new.symlink_to(os.path.relpath(pointee, link.parent))
    new.replace(link)


def _new(target: Path) -> Path:
    target.parent.mkdir(parents=True, exist_ok=True)
    return target.with_name(f".{target.name}.new")


def _replace_tree(source: Path, target: Path) -> None:
    """Copy a directory beside `target`, swap the two in one step, remove the old one."""
    new = _new(target)
    shutil.rmtree(new, ignore_errors=True)
    shutil.copytree(source, new, symlinks=True)
    if not target.exists():
        new.rename(target)
        return
    libc = ctypes.CDLL(None, use_errno=True)
    names = os.fsencode(new), os.fsencode(target)
    if libc.renameat2(AT_FDCWD, names[0], AT_FDCWD, names[1], RENAME_EXCHANGE):
        raise OSError(ctypes.get_errno(), f"cannot exchange {new} and {target}")
    shutil.rmtree(new)


def main() -> None:
    """Read the command line and do it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("action", choices=("install", "uninstall"))
    parser.add_argument("--destdir", type=Path, default=Path("/"))
    parser.add_argument("--prefix", type=Path, default=PREFIX)
    parser.add_argument("--plugin-dir", type=Path, default=PLUGIN_DIR)
    options = parser.parse_args()
    action = install if options.action == "install" else uninstall
    action(options.destdir.absolute(), options.prefix, options.plugin_dir)


if __name__ == "__main__":
    main()
