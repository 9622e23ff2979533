"""Questions to the kernel about one connection: routes, neighbours, listening sockets.

Nothing is changed; only an echo request is sent to a neighbour that the kernel does not know.
"""

import ipaddress
import socket
import struct
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import TypeVar

from cni_bridge.cli import icmp, kernel_messages
from cni_bridge.cli.kernel_messages import Neighbour, family
from cni_bridge.cli.messages import NUD_FAILED, NUD_INCOMPLETE, NUD_NOARP
from cni_bridge.cluster.messages import NUD_PERMANENT
from cni_bridge.firewall.model import PROTOCOLS
from cni_bridge.kernel import links, netns, port_holders
from cni_bridge.kernel.messages import BRIDGE_VLAN_INFO_PVID
from cni_bridge.kernel.netlink import KernelError, Request, Socket
from cni_bridge.kernel.netns import OWN_NETNS
from cni_bridge.kernel.port_holders import (
    DIAG_REQUEST,
    NETLINK_SOCK_DIAG,
    SOCK_DIAG_BY_FAMILY,
    TABLES,
)
from cni_bridge.lean.record import record

T = TypeVar("T")

FIXED = NUD_PERMANENT | NUD_NOARP
DIAG_INODE, DIAG_SIZE = 68, 72  # of an inet_diag_msg (linux/inet_diag.h)
INET_DIAG_SKV6ONLY = 11
OUTSIDE = {False: "1.1.1.1", True: "2606:4700:4700::1111"}  # by family: an address far away
FAR_AWAY = {False: ("1.1.1.1", "203.0.113.1"), True: ("2606:4700:4700::1111",)}  # both halves
UNKNOWN = NUD_INCOMPLETE | NUD_FAILED


@record
class Way:
    """The kernel's routing decision; with `refusal` there is no route."""

    device: str = ""
    gateway: str = ""
    source: str = ""  # the address that it is sent from, if it is not forwarded
    is_local: bool = False
    refusal: str = ""


@record
class Listener:
    """A socket that listens."""

    address: str
    is_ipv6_only: bool
    inode: int
    port: int

    def accepts(self, address: str) -> bool:
        """Whether a packet for this address gets to it; an empty one is any but the loopback's."""
        own = ipaddress.ip_address(self.address)
        mapped = getattr(own, "ipv4_mapped", None)
        own = mapped or own
        if not address:
            return not own.is_loopback
        asked = ipaddress.ip_address(address)
        if not own.is_unspecified or mapped:
            return own == asked or (bool(mapped) and own.is_unspecified and asked.version == 4)
        return own.version == asked.version or (own.version == 6 and not self.is_ipv6_only)

    @property
    def process(self) -> str:
        """The name of the process that has it; empty if it is not visible from here."""
        pid = port_holders.process({str(self.inode)})
        return port_holders.command(pid) if pid else ""


def route(path: str, address: str, *, source: str = "", arrives_by: str = "") -> Way:
    """Ask for the route from the namespace at a path; as forwarded if it arrives by an interface."""

    def ask(kernel: Socket) -> Way:
        arrival = _index(kernel, arrives_by) if arrives_by else 0
        if arrival is None:
            return Way(refusal=f"{arrives_by} is gone")
        # A source that is not this host's own is taken only with the interface that it arrives by.
        here = source if arrival else ""
        query = kernel_messages.route(address, source=here, arrives_by=arrival)
        found = kernel_messages.parse_route(kernel.ask(query))
        return Way(
            device=links.parse(kernel.ask(links.get(found.interface))).name,
            gateway=found.gateway,
            source=found.source,
            is_local=found.is_local,
        )

    try:
        return _asked(path, ask)
    except KernelError as error:
        return Way(refusal=str(error.strerror))


def is_silent(device: str, address: str) -> bool:
    """Whether a neighbour of the host fails to answer now; older entries are asked again."""
    states = [each.state for each in _neighbours(OWN_NETNS, device, address)]
    if states and not any(state & UNKNOWN for state in states):
        return False
    with icmp.sender(socket.AddressFamily(family(address))) as sender:
        if icmp.answered([(sender, address, 0)]):
            return False
    states = [each.state for each in _neighbours(OWN_NETNS, device, address)]
    return any(state & UNKNOWN for state in states)  # echoes may be filtered


def answers(path: str, address: str) -> bool:
    """Whether an address answers an echo request from a namespace, or at least its ARP."""
    opened = netns.open_netns(path, may_be_own=True)
    try:
        with netns.inside(
            opened, lambda: icmp.sender(socket.AddressFamily(family(address)))
        ) as made:
            return bool(icmp.answered([(made, address, 0)]))
    finally:
        netns.close(opened)


def vlans(port: str) -> tuple[int | None, frozenset[int]]:
    """Return the VLAN of untagged packets that enter by a bridge port, and all that leave by it."""
    from cni_bridge.kernel import vlans as vlan_messages  # few bridges filter VLANs

    def ask(kernel: Socket) -> dict[int, int]:
        answers = kernel.dump(vlan_messages.listing())
        return vlan_messages.of_port(_index(kernel, port) or 0, answers)

    entries = _asked(OWN_NETNS, ask)
    native = (vlan for vlan, flags in entries.items() if flags & BRIDGE_VLAN_INFO_PVID)
    return next(native, None), frozenset(entries)


def filters_vlans(bridge: str) -> bool:
    """Whether a bridge separates VLANs."""
    file = Path("/sys/class/net", bridge, "bridge/vlan_filtering")
    return file.exists() and file.read_text(encoding="ascii").strip() == "1"


def listeners(path: str, protocol: str, port: int = 0) -> list[Listener]:
    """Return the sockets in a namespace that listen on a port, or on any."""
    opened = netns.open_netns(path, may_be_own=True)
    try:
        return netns.inside(opened, lambda: list(_listening(protocol, port)))
    finally:
        netns.close(opened)


def wrong_neighbour(path: str, device: str, address: str, mac: str) -> str:
    """Return the MAC of a permanent neighbour entry for an address, if it is another than `mac`."""
    for each in _neighbours(path, device, address):
        if each.state & FIXED and each.mac and mac and each.mac != mac:
            return each.mac
    return ""


def _neighbours(path: str, device: str, address: str) -> list[Neighbour]:
    """Return the neighbour entries of an address on an interface: one, or none."""

    def ask(kernel: Socket) -> list[bytes]:
        index = _index(kernel, device)
        return kernel.dump(kernel_messages.neighbours(family(address), index)) if index else []

    found = map(kernel_messages.parse_neighbour, _asked(path, ask))
    return [each for each in found if each.address == address]


def _asked(path: str, ask: Callable[[Socket], T]) -> T:
    """Return the answer to a question about the namespace at a path."""
    opened = netns.open_netns(path, may_be_own=True)
    try:
        with closing(netns.inside(opened, Socket)) as kernel:
            return ask(kernel)
    finally:
        netns.close(opened)


def _index(kernel: Socket, name: str) -> int | None:
    answer = kernel.find(links.get(name))
    return links.parse(answer).index if answer else None


def _listening(protocol: str, port: int = 0) -> Iterator[Listener]:
    """Parse proc_net(5): address, state, inode are the second, fourth and tenth columns.

    Without a port it yields all.
    """
    tables, state = TABLES[PROTOCOLS[protocol]]
    ipv6_only = _ipv6_only(PROTOCOLS[protocol], state)
    for table in tables:
        file = Path("/proc/thread-self/net", table)
        for line in file.read_text(encoding="ascii").splitlines()[1:] if file.exists() else ():
            columns = line.split()
            digits, _, number = columns[1].partition(":")
            if int(columns[3], 16) == state and int(number, 16) == (port or int(number, 16)):
                yield Listener(
                    address=str(ipaddress.ip_address(_packed(digits))),
                    is_ipv6_only=int(columns[9]) in ipv6_only,
                    inode=int(columns[9]),
                    port=int(number, 16),
                )


def _ipv6_only(protocol: int, state: int) -> set[int]:
    """Return the inodes of sockets of IPV6_V6ONLY; none where the kernel lacks sock_diag."""
    request = Request(
        what="list sockets",
        kind=SOCK_DIAG_BY_FAMILY,
        body=struct.pack(DIAG_REQUEST, socket.AF_INET6, protocol, 1 << state),
    )
    with suppress(OSError), closing(Socket(NETLINK_SOCK_DIAG)) as kernel:
        return {
            struct.unpack_from("=I", answer, DIAG_INODE)[0]
            for answer in kernel.dump(request)
            if _attribute(answer[DIAG_SIZE:], INET_DIAG_SKV6ONLY) == b"\1"
        }
    return set()


def _attribute(attributes: bytes, wanted: int) -> bytes:
    while len(attributes) >= 4:
        length, kind = struct.unpack_from("=HH", attributes)
        if kind == wanted:
            return attributes[4:length]
        attributes = attributes[(max(length, 4) + 3) & ~3 :]
    return b""


def _packed(digits: str) -> bytes:
    """Decode an address of /proc: words in the machine's byte order."""
    words = (int(digits[at : at + 8], 16) for at in range(0, len(digits), 8))
    return b"".join(struct.pack("=I", word) for word in words)
