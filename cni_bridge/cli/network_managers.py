"""NetworkManager and systemd-networkd: whether they manage cni-bridge's interfaces, and how to tell them.

`doctor` looks at interfaces that exist, `init` at a bridge that will.
"""

import configparser
import fnmatch
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TypeAlias

from cni_bridge.lean.record import record

NETWORK_MANAGER = "NetworkManager"
NETWORKD = "systemd-network"  # the kernel keeps fifteen letters of a program's name
DIRECTORIES = ("/etc", "/run", "/usr/lib")  # a file hides those of its name in later ones
TRUE = ("yes", "true", "1", "on")

Sections: TypeAlias = dict[str, dict[str, str]]


@record
class Unheeded:
    """A manager that has not been told to leave interfaces alone.

    What tells it is a file of each bridge's own: the next bridge's must not replace it.
    """

    cause: str
    effect: str
    command: str  # that tells it


@record
class Managers:
    """The managers that run in this network namespace, and their configuration files."""

    running: frozenset[str]
    files: dict[str, str]

    def unheeded(self, bridges: list[str], host_ends: list[str]) -> Iterator[Unheeded]:
        """Yield what they are configured to do with these interfaces."""
        if NETWORKD in self.running:
            yield from self._networkd(bridges, host_ends)
        if NETWORK_MANAGER in self.running:
            yield from self._network_manager(bridges)

    def _networkd(self, bridges: list[str], host_ends: list[str]) -> Iterator[Unheeded]:
        """Of all files that match an interface, only the first counts, whichever directory it is in."""
        names = {
            Path(file).name: file for file in reversed(self.files) if file.endswith(".network")
        }
        sections = {names[each]: _sections(self.files[names[each]]) for each in sorted(names)}
        managed: dict[str, list[str]] = {}
        for interface in (*bridges, *host_ends):
            file = next(filter(partial(_concerns, sections, interface), sections), None)
            if file and sections[file].get("link", {}).get("unmanaged", "no") not in TRUE:
                managed.setdefault(file, []).append(interface)
        for file, taken in managed.items():
            yield Unheeded(
                cause=f"{file} makes systemd-networkd manage {', '.join(taken[:3])}",
                effect="it removes addresses and bridges that it does not know",
                command=f"printf '[Match]\\nName=veth* {' '.join(bridges)}\\n[Link]\\nUnmanaged=yes\\n' "
                f"> /etc/systemd/network/05-{bridges[0]}.network; networkctl reload",
            )

    def _network_manager(self, bridges: list[str]) -> Iterator[Unheeded]:
        rules: list[str] = []
        for file, text in self.files.items():
            if file.endswith(".conf"):
                rules += _sections(text).get("keyfile", {}).get("unmanaged-devices", "").split(";")
        patterns = [rule.strip().removeprefix("interface-name:") for rule in rules]
        managed = [name for name in bridges if not _matches(name, patterns)]
        if managed:
            listed = ";".join(f"interface-name:{name}" for name in (*managed, "veth*"))
            yield Unheeded(
                cause=f"NetworkManager runs and is not configured to ignore {', '.join(managed)}",
                effect="it may remove addresses, or take the bridge down with a connection of its own",
                command=f"printf '[keyfile]\\nunmanaged-devices+={listed}\\n' "
                f"> /etc/NetworkManager/conf.d/90-{managed[0]}.conf; nmcli general reload",
            )


def look() -> Managers:
    """Return what runs, and what its files say."""
    return Managers(running=frozenset(_running()), files=dict(_files()))


def _running() -> Iterator[str]:
    here = Path("/proc/self/ns/net").readlink()
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command = (process / "comm").read_text(encoding="utf-8", errors="replace").strip()
            is_here = (
                command in (NETWORK_MANAGER, NETWORKD) and (process / "ns/net").readlink() == here
            )
        except OSError:  # it has ended
            continue
        if is_here:
            yield command


def _files() -> Iterator[tuple[str, str]]:
    for directory in DIRECTORIES:
        files = [
            *Path(directory, "systemd/network").glob("*.network"),
            *Path(directory, "NetworkManager").glob("**/*.conf"),
        ]
        for file in sorted(files):
            yield str(file), file.read_text(encoding="utf-8", errors="replace")


def _concerns(sections: dict[str, Sections], interface: str, file: str) -> bool:
    return _matches(interface, sections[file].get("match", {}).get("name", "").split())


def _sections(text: str) -> Sections:
    """Parse an ini file; return nothing if it cannot be parsed."""
    parser = configparser.ConfigParser(strict=False, interpolation=None, delimiters=("=", "+="))
    try:
        parser.read_string(text)
    except configparser.Error:
        return {}
    return {name.lower(): dict(parser[name]) for name in parser.sections()}


def _matches(name: str, patterns: list[str]) -> bool:
    """Match a name like systemd.network(5): a list of globs; one with `!` excludes."""
    if any(fnmatch.fnmatch(name, each[1:]) for each in patterns if each.startswith("!")):
        return False
    return any(fnmatch.fnmatch(name, each) for each in patterns)
