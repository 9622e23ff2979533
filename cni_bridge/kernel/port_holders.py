"""Ports of this host's own processes: whether a port is bound, which is free, and which process listens.

Probing binds a socket for an instant and never listens, so no client can connect to it.
"""

import posix
from errno import EADDRINUSE

from cni_bridge.kernel.netlink import Request, Socket
from cni_bridge.lean import files
from cni_bridge.lean.csocket import csocket
from cni_bridge.lean.cstruct import pack, unpack_from

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

TCP_LISTEN = 10  # net/tcp_states.h
UDP_UNCONNECTED = 7
NETLINK_SOCK_DIAG = 4  # linux/netlink.h
SOCK_DIAG_BY_FAMILY = 20  # linux/sock_diag.h
DIAG_REQUEST = "BBxxI48x"  # inet_diag_req_v2: family, protocol, states
DIAG_PORT = ">4xH"  # inet_diag_msg: the socket's own port
KINDS = {
    csocket.IPPROTO_TCP: csocket.SOCK_STREAM,
    csocket.IPPROTO_UDP: csocket.SOCK_DGRAM,
    csocket.IPPROTO_SCTP: csocket.SOCK_STREAM,
}
TABLES = {
    csocket.IPPROTO_TCP: (("tcp", "tcp6"), TCP_LISTEN),
    csocket.IPPROTO_UDP: (("udp", "udp6"), UDP_UNCONNECTED),
}


def is_bound(protocol: int, ip: bytes, port: int) -> bool:
    """Return whether a socket of this host has the port at an address.

    All zeros mean any address, empty bytes any address of both families. False if the kernel can't
    tell: it lacks the protocol or the address.
    """
    try:
        _bind(protocol, ip, port)
    except OSError as error:
        return error.errno == EADDRINUSE
    return False


def waiting(protocol: int) -> "set[int] | None":
    """Return the ports on which sockets of this host listen, at any address; None if unknown."""
    if protocol not in TABLES:
        return None
    _, state = TABLES[protocol]
    ports: set[int] = set()
    try:
        socket = Socket(NETLINK_SOCK_DIAG)
        for family in (csocket.AF_INET, csocket.AF_INET6):
            listing = Request(
                what="list the sockets of this host",
                kind=SOCK_DIAG_BY_FAMILY,
                body=pack(DIAG_REQUEST, family, protocol, 1 << state),
            )
            ports.update(unpack_from(DIAG_PORT, answer)[0] for answer in socket.dump(listing))
        socket.close()
    except OSError:
        return None
    return ports


def choose(protocol: int, ip: bytes) -> int:
    """Return a port in ip_local_port_range that is free at that address. Raise OSError."""
    return _bind(protocol, ip, 0)


def owner(protocol: int, port: int, container: str) -> "str | None":
    """Return the process that listens on the port, as `process 812 (sshd)`; None if no other process does.

    A port can be bound without a listener, by an outgoing connection. And podman's conmon, whose
    arguments name the container, reserves that container's ports by binding them.
    """
    inodes = set(_inodes(protocol, port))
    if not inodes:
        return None
    pid = process(inodes)
    if not pid:
        return "a process that is not visible from here"
    if container in _read(f"/proc/{pid}/cmdline").split("\0"):
        return None
    return f"process {pid} ({command(pid)})"


def process(inodes: "set[str]") -> str:
    """Return the id of a process that has one of these sockets; empty if it is not visible from here."""
    for pid in filter(str.isdecimal, posix.listdir("/proc")):
        if not inodes.isdisjoint(_sockets(pid)):
            return pid
    return ""


def command(pid: str) -> str:
    """Return the name of a process."""
    return _read(f"/proc/{pid}/comm").strip() or "unknown"


def _bind(protocol: int, ip: bytes, port: int) -> int:
    family = csocket.AF_INET if len(ip) == 4 else csocket.AF_INET6
    kind = KINDS[protocol] | csocket.SOCK_CLOEXEC
    probe = csocket.socket(family, kind, protocol)
    try:
        if family == csocket.AF_INET6:
            probe.setsockopt(csocket.IPPROTO_IPV6, csocket.IPV6_V6ONLY, int(bool(ip)))
        if protocol == csocket.IPPROTO_TCP and port:
            # Ignore connections in TIME_WAIT; a listener still counts.
            probe.setsockopt(csocket.SOL_SOCKET, csocket.SO_REUSEADDR, 1)
        probe.bind((csocket.inet_ntop(family, ip or bytes(16)), port))
        return port or int(probe.getsockname()[1])
    finally:
        probe.close()


def _inodes(protocol: int, port: int) -> "Iterator[str]":
    """Yield the inodes of sockets that listen on the port.

    proc_net(5): address, state and inode are the second, fourth and tenth columns.
    """
    tables, state = TABLES.get(protocol, ((), 0))
    for table in tables:
        for line in _read(f"/proc/self/net/{table}").splitlines()[1:]:
            columns = line.split()
            if int(columns[3], 16) == state and int(columns[1].rpartition(":")[2], 16) == port:
                yield columns[9]


def _sockets(pid: str) -> "Iterator[str]":
    try:
        for name in posix.listdir(f"/proc/{pid}/fd"):
            target = posix.readlink(f"/proc/{pid}/fd/{name}")
            if target.startswith("socket:["):
                yield target[len("socket:[") : -1]
    except OSError:  # the process ended, or belongs to another user
        return


def _read(path: str) -> str:
    try:
        return files.text_of(path)
    except OSError:
        return ""
