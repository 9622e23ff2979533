"""CNI spec versions: which exist, and which commands each has.

Some runtimes send VERSION to every plugin before every command, so this module answers it alone.
"""

from cni_bridge import errors

SUPPORTED = ("0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0")
NEWEST = SUPPORTED[-1]
# The first version that has a command; the others are in all.
SINCE = {"CHECK": "0.4.0", "GC": "1.1.0", "STATUS": "1.1.0"}


def answer() -> str:
    """Return what VERSION prints: the newest version, whatever stdin asks for, as the reference."""
    spoken = ",".join(f'"{version}"' for version in SUPPORTED)
    return f'{{"cniVersion":"{NEWEST}","supportedVersions":[{spoken}]}}'


def check(command: str, version: str) -> None:
    """Refuse a version that is not supported or lacks this command."""
    if version not in SUPPORTED:
        raise errors.IncompatibleVersion(
            "incompatible CNI versions",
            f'config is "{version}", plugin supports {" ".join(SUPPORTED)}',
        )
    since = SINCE.get(command, SUPPORTED[0])
    if SUPPORTED.index(version) < SUPPORTED.index(since):
        raise errors.IncompatibleVersion(
            f"config version does not allow {command}",
            f'cniVersion is "{version}"; {command} exists since {since}',
        )
