"""Where runtimes look for CNI plugins: their defaults, and the directories that their configs name."""

import tomllib
from collections.abc import Iterator
from pathlib import Path

DEFAULTS = (
    "/opt/cni/bin",
    "/usr/lib/cni",  # Debian
    "/usr/libexec/cni",  # Fedora, openSUSE
    "/usr/local/lib/cni",
    "/usr/local/libexec/cni",
)
CONFIGS = (
    "/usr/share/containers/containers.conf",
    "/etc/containers/containers.conf",
    "/etc/containers/containers.conf.d/*.conf",
    "/etc/containerd/config.toml",
    "/etc/crio/crio.conf",
    "/etc/crio/crio.conf.d/*.conf",
)
KEYS = ("cni_plugin_dirs", "bin_dir", "bin_dirs", "plugin_dirs")  # podman, containerd, CRI-O


def of_runtimes() -> tuple[str, ...]:
    """Return the directories, those of configs first."""
    named = (directory for file in _configs() for directory in _named(_content(file)))
    return tuple(dict.fromkeys((*named, *DEFAULTS)))


def _configs() -> Iterator[Path]:
    for pattern in CONFIGS:
        yield from sorted(Path("/").glob(pattern[1:]))


def _content(file: Path) -> object:
    """Return a file's tables; none if it cannot be read, which its runtime reports."""
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}


def _named(value: object) -> Iterator[str]:
    if not isinstance(value, dict):
        return
    for key, inner in value.items():
        if key in KEYS:
            listed = inner if isinstance(inner, list) else [inner]
            yield from (each for each in listed if isinstance(each, str) and each)
        else:
            yield from _named(inner)
