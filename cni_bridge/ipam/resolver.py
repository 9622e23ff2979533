"""Read the file that `ipam.resolvConf` names as the result's `dns`, which the runtime applies."""

from cni_bridge import errors
from cni_bridge.lean import files
from cni_bridge.model import Dns

SIZE_LIMIT = 1 << 16


def read(path: str) -> Dns:
    """Return the file's settings, or none for an empty path. Raises IOFailure."""
    if not path:
        return Dns()
    try:
        return parse(files.start_of(path, SIZE_LIMIT))
    except OSError as error:
        raise errors.IOFailure(f"ipam.resolvConf: can't read {path}", str(error)) from error


def parse(content: str) -> Dns:
    """Return the settings that a result can carry; the last `domain` and `search` win (resolv.conf(5))."""
    nameservers: list[str] = []
    options: list[str] = []
    search: tuple[str, ...] = ()
    domain = ""
    for line in content.splitlines():
        keyword, *values = line.partition("#")[0].split()[:64] or [""]
        if keyword == "nameserver":
            nameservers += values[:1]
        elif keyword == "options":
            options += values
        elif keyword == "search":
            search = tuple(values)
        elif keyword == "domain" and values:
            domain = values[0]
    return Dns(nameservers=tuple(nameservers), domain=domain, search=search, options=tuple(options))
