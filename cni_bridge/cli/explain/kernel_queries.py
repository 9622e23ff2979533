"""Questions to the kernel about one connection: routes, neighbours, listening sockets.

Nothing is changed; only an echo request is sent to a neighbour that the kernel does not know.
"""

import ipaddress
import socket
import struct
from collections.abc import Iterator
from pathlib import Path

from pyroute2.iproute.linux import IPRoute
from pyroute2.netlink.exceptions import NetlinkError

from cni_bridge.cli import icmp
from cni_bridge.firewall.model import PROTOCOLS
from cni_bridge.kernel import netns
from cni_bridge.kernel.hostports import TABLES
from cni_bridge.kernel.netns import OWN_NETNS
from cni_bridge.lean.record import record

RTN_LOCAL = 2  # linux/rtnetlink.h
NUD_INCOMPLETE, NUD_FAILED = 0x01, 0x20  # linux/neighbour.h
UNKNOWN = NUD_INCOMPLETE | NUD_FAILED
BRIDGE_VLAN_INFO_PVID = 0x2  # linux/if_bridge.h


@record
class Way:
    """The kernel's routing decision; with `refusal` there is no route."""

    device: str = ""
    gateway: str = ""
    source: str = ""  # the address that it is sent from, if it is not forwarded
    is_local: bool = False
    refusal: str = ""


def route(path: str, address: str, *, source: str = "", arrives_by: str = "") -> Way:
    """Ask for the route from the namespace at a path; as forwarded if it arrives by an interface."""
    opened = netns.open_netns(path, may_be_own=True)
    try:
        with netns.inside(opened, IPRoute) as kernel:
            query = {"dst": address, "family": family(address)}
            if arrives_by:
                query |= {"src": source, "iif": kernel.link_lookup(ifname=arrives_by)[0]}
            (answer,) = kernel.route("get", **query)
            (link,) = kernel.get_links(answer.get("oif"))
            return Way(
                device=link.get("ifname"),
                gateway=answer.get("gateway") or "",
                source=answer.get("prefsrc") or "",
                is_local=answer["type"] == RTN_LOCAL,
            )
    except NetlinkError as error:
        return Way(refusal=str(error.args[1] if error.args[1:] else error))
    finally:
        netns.close(opened)


def is_silent(device: str, address: str) -> bool:
    """Whether a neighbour of the host fails to answer now; older entries are asked again."""
    states = _neighbour(device, address)
    if states and not any(state & UNKNOWN for state in states):
        return False
    with icmp.sender(socket.AddressFamily(family(address))) as sender:
        if icmp.answered([(sender, address, 0)]):
            return False
    return any(state & UNKNOWN for state in _neighbour(device, address))  # echoes may be filtered


def vlans(port: str) -> tuple[int | None, frozenset[int]]:
    """Return the VLAN of untagged packets that enter by a bridge port, and all that leave by it."""
    opened = netns.open_netns(OWN_NETNS, may_be_own=True)
    try:
        with netns.inside(opened, IPRoute) as kernel:
            (link,) = kernel.get_vlans(index=kernel.link_lookup(ifname=port)[0])
    finally:
        netns.close(opened)
    told = link.get("af_spec")  # None of a port that is in no VLAN
    entries = told.get_attrs("IFLA_BRIDGE_VLAN_INFO") if told else ()
    native = (each["vid"] for each in entries if each["flags"] & BRIDGE_VLAN_INFO_PVID)
    return next(native, None), frozenset(each["vid"] for each in entries)


def filters_vlans(bridge: str) -> bool:
    """Whether a bridge separates VLANs."""
    file = Path("/sys/class/net", bridge, "bridge/vlan_filtering")
    return file.exists() and file.read_text(encoding="ascii").strip() == "1"


def listeners(path: str, protocol: str, port: int) -> set[str]:
    """Return the addresses that sockets in a namespace listen at on a port."""
    opened = netns.open_netns(path, may_be_own=True)
    try:
        return netns.inside(opened, lambda: set(_listening(protocol, port)))
    finally:
        netns.close(opened)


def family(address: str) -> int:
    """Return AF_INET or AF_INET6."""
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def _neighbour(device: str, address: str) -> list[int]:
    """Return the states of an address on an interface: one, or none if it was never resolved."""
    opened = netns.open_netns(OWN_NETNS, may_be_own=True)
    try:
        with netns.inside(opened, IPRoute) as kernel:
            index = kernel.link_lookup(ifname=device)[0]
            known = kernel.get_neighbours(family=family(address), ifindex=index)
            return [
                each["state"]
                for each in known
                if each["ifindex"] == index and each.get("dst") == address
            ]
    finally:
        netns.close(opened)


def _listening(protocol: str, port: int) -> Iterator[str]:
    """Parse proc_net(5): local address and state are the second and fourth columns."""
    tables, state = TABLES[PROTOCOLS[protocol]]
    for table in tables:
        file = Path("/proc/thread-self/net", table)
        for line in file.read_text(encoding="ascii").splitlines()[1:] if file.exists() else ():
            columns = line.split()
            digits, _, number = columns[1].partition(":")
            if int(columns[3], 16) == state and int(number, 16) == port:
                yield str(ipaddress.ip_address(_packed(digits)))


def _packed(digits: str) -> bytes:
    """Decode an address of /proc: words in the machine's byte order."""
    words = (int(digits[at : at + 8], 16) for at in range(0, len(digits), 8))
    return b"".join(struct.pack("=I", word) for word in words)
