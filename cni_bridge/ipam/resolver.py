"""`ipam.resolvConf`: a resolv.conf file as the result's `dns`.

Reads that one file; applying it is the runtime's matter.
"""

import posix

from cni_bridge import errors
from cni_bridge.model import Dns

SIZE_LIMIT = 1 << 16


def read(path: str) -> Dns:
    """The file's settings; nothing for an empty path. Raises IOFailure."""
    return parse(_content(path)) if path else Dns()


def parse(content: str) -> Dns:
    """The lines that a result can carry; the last `domain` and `search` win, as in resolv.conf(5)."""
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


def _content(path: str) -> str:
    try:
        descriptor = posix.open(path, posix.O_RDONLY | posix.O_CLOEXEC | posix.O_NONBLOCK)
        try:
            return posix.read(descriptor, SIZE_LIMIT).decode("utf-8", "replace")
        finally:
            posix.close(descriptor)
    except OSError as error:
        raise errors.IOFailure(f"ipam.resolvConf: {path} can't be read", str(error)) from error
