"""Find the network namespaces of this host that have a path.

Used only where no record names them.
"""

import posix

from cni_bridge.errors import InvalidNetns, UnknownContainer
from cni_bridge.kernel import netns
from cni_bridge.kernel.messages import NAMESPACE, NETNSA_FD, NETNSA_NSID, RTM_GETNSID
from cni_bridge.kernel.netlink import Request, decode, encode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from cni_bridge.kernel.netlink import Socket
    from cni_bridge.kernel.netns import OpenNetns

# Where runtimes mount them, and those of processes.
MOUNTED = ("/run/netns", "/run/docker/netns")
PROCESSES = "/proc"


def found() -> "Iterator[OpenNetns]":
    """Yield each namespace except the process's own, once; close it when the next is requested."""
    known = set()
    for path in _paths():
        try:
            opened = netns.open_netns(path)
        except (InvalidNetns, UnknownContainer):  # among them the process's own
            continue
        try:
            if opened.identity.inode not in known:
                known.add(opened.identity.inode)
                yield opened
        finally:
            netns.close(opened)


def identifier(socket: "Socket", space: "OpenNetns") -> int | None:
    """Return the id of another namespace as seen from the socket's, as in a veth's peer_netns."""
    request = Request(
        what=f"ask for the id of {space.identity.path}",
        kind=RTM_GETNSID,
        body=encode(NAMESPACE, (0,), {NETNSA_FD: space.descriptor}),
    )
    _, answer = decode(NAMESPACE, socket.ask(request))
    return answer.number(NETNSA_NSID)


def _paths() -> "Iterator[str]":
    for directory in MOUNTED:
        yield from (f"{directory}/{name}" for name in _listed(directory))
    for name in _listed(PROCESSES):
        if name.isdecimal():
            yield f"{PROCESSES}/{name}/ns/net"


def _listed(directory: str) -> list[str]:
    try:
        return posix.listdir(directory)
    except OSError:
        return []
