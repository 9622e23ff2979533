"""This host's ends of tunnels: devices, addresses, forwarding entries and neighbours.

Which there should be is in `routes`; what is sent through them is not known here.
"""

from collections.abc import Iterator
from errno import EAFNOSUPPORT, EEXIST, EOPNOTSUPP
from socket import AF_BRIDGE

from cni_bridge.address import AF_INET, AF_INET6, Prefix
from cni_bridge.cluster import tunnel_requests as requests
from cni_bridge.cluster.desired import DesiredState, Tunnel
from cni_bridge.cluster.tunnel_requests import Device
from cni_bridge.kernel import layer3, links, sysctl
from cni_bridge.kernel.messages import IFA_F_NODAD
from cni_bridge.kernel.netlink import KernelError, Request, Socket
from cni_bridge.lean.record import record

RT_SCOPE_UNIVERSE = 0  # linux/rtnetlink.h
REMEDIES = {
    EEXIST: "another interface has its name, or its VNI and port; choose another cluster.vni on "
    "all hosts",
    EOPNOTSUPP: "load the kernel module vxlan, or set cluster.backend to host-gw on all hosts",
    EAFNOSUPPORT: "IPv6 is off in this kernel; let the hosts have IPv4 on the network below",
}


@record
class Changes:
    """What to do before there are routes through the tunnels, and after others have gone."""

    indexes: dict[str, int]  # of the tunnels that stand, by name
    first: tuple[Request, ...]
    last: tuple[Request, ...]
    problems: tuple[str, ...]


def ensure(socket: Socket, desired: DesiredState, alias: str, *, has_ipv6: bool) -> Changes:
    """Create the devices; return the changes of their forwarding entries and neighbours."""
    there = {device.tunnel.name: device for device in _devices(socket)}
    indexes, problems = {}, []
    for each in desired.tunnels:
        try:
            indexes[each.name] = _ensure_device(
                socket, each, there.get(each.name), has_ipv6=has_ipv6
            )
        except KernelError as error:
            problems.append(refused(error))
        except FileExistsError:
            problems.append(
                f"interface {each.name} is not of this network: remove it, or choose another "
                "cluster.vni on all hosts"
            )
    first, last = [], []
    for each in desired.tunnels:
        if (index := indexes.get(each.name)) is not None:
            # First: without its last address the kernel flushes what it knows of an interface.
            problems += _give_addresses(socket, index, each, has_ipv6=has_ipv6)
            for some, more in (
                _forwards(socket, index, each, desired),
                _neighbours(socket, index, each, desired, has_ipv6=has_ipv6),
            ):
                first += some
                last += more
    wanted_names = {each.name for each in desired.tunnels}
    last += [
        links.delete(device.index)
        for name, device in there.items()
        if device.tunnel.alias == alias and name not in wanted_names
    ]
    return Changes(indexes=indexes, first=tuple(first), last=tuple(last), problems=tuple(problems))


def refused(error: KernelError) -> str:
    """Return what the kernel had against a device, and what helps."""
    return "; ".join(filter(None, (str(error), REMEDIES.get(error.errno or 0))))


# ---------------------------------------------------------------- devices


def _ensure_device(
    socket: Socket, desired: Tunnel, device: Device | None, *, has_ipv6: bool
) -> int:
    """Return its index. Raises FileExistsError for a foreign tunnel, KernelError."""
    if device and not _is_ours(device, desired):
        raise FileExistsError
    if device and not _is_alike(device, desired):
        socket.run(links.delete(device.index))
        device = None
    if device is None:
        socket.run(requests.create_tunnel(desired))
        device = next(each for each in _devices(socket) if each.tunnel.name == desired.name)
    found = device.tunnel
    if not device.is_up or (found.mac, found.mtu, found.alias) != (
        desired.mac,
        desired.mtu,
        desired.alias,
    ):
        socket.run(
            requests.adjust_tunnel(device.index, desired, has_ipv6=has_ipv6),
            links.set_up(device.index),
        )
    if has_ipv6:
        sysctl.try_write(f"net/ipv6/conf/{desired.name}/disable_ipv6", "0")
    return device.index


def _is_ours(device: Device, desired: Tunnel) -> bool:
    """By its alias or, if we died before it had one, by its MAC."""
    return device.tunnel.alias == desired.alias or (
        not device.tunnel.alias and device.tunnel.mac == desired.mac
    )


def _is_alike(device: Device, desired: Tunnel) -> bool:
    """In what can't be changed while it is there."""
    found = device.tunnel
    return not device.learns and (found.vni, found.port, found.local) == (
        desired.vni,
        desired.port,
        desired.local,
    )


def _devices(socket: Socket) -> Iterator[Device]:
    for answer in socket.dump(requests.tunnels()):
        if device := requests.parse_tunnel(answer):
            yield device


# ---------------------------------------------------------------- what they know

Difference = tuple[list[Request], list[Request]]


def _give_addresses(
    socket: Socket, index: int, desired: Tunnel, *, has_ipv6: bool
) -> Iterator[str]:
    present: set[Prefix] = set()
    for family in (AF_INET, AF_INET6) if has_ipv6 else (AF_INET,):
        for answer in socket.dump(layer3.addresses(family, index)):
            found = layer3.parse_address(answer)
            if found.scope == RT_SCOPE_UNIVERSE:
                present.add(found.address)
    wanted = {each for each in desired.addresses if has_ipv6 or len(each.ip) == 4}
    changes = (
        *(layer3.add_address(index, each, IFA_F_NODAD) for each in wanted - present),
        *(layer3.delete_address(index, each) for each in present - wanted),
    )
    return (str(refusal) for refusal in socket.attempt(*changes) if refusal)


def _forwards(socket: Socket, index: int, tunnel: Tunnel, desired: DesiredState) -> Difference:
    present = {mac: ip for ip, mac in _known(socket, AF_BRIDGE, index)}
    wanted = {each.mac: each for each in desired.forwards if each.tunnel == tunnel.name}
    return (
        [
            requests.set_forward(index, each)
            for mac, each in wanted.items()
            if present.get(mac) != each.ip
        ],
        [
            requests.delete_forward(index, mac, ip)
            for mac, ip in present.items()
            if mac not in wanted
        ],
    )


def _neighbours(
    socket: Socket, index: int, tunnel: Tunnel, desired: DesiredState, *, has_ipv6: bool
) -> Difference:
    present: dict[bytes, bytes] = {}
    for family in (AF_INET, AF_INET6) if has_ipv6 else (AF_INET,):
        present |= dict(_known(socket, family, index))
    wanted = {each.ip: each for each in desired.neighbours if each.tunnel == tunnel.name}
    return (
        [
            requests.set_neighbour(index, each)
            for ip, each in wanted.items()
            if present.get(ip) != each.mac
        ],
        [requests.delete_neighbour(index, ip) for ip in present.keys() - wanted.keys()],
    )


def _known(socket: Socket, family: int, index: int) -> Iterator[tuple[bytes, bytes]]:
    for answer in socket.dump(requests.neighbours(family, index)):
        if found := requests.parse_neighbour(answer):
            yield found
