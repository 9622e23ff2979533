"""Published ports and the host: which may be had, and whose connections have to begin anew.

What the ports are as elements stands in `elements`; nothing here changes the firewall.
"""

from cni_bridge import address, errors
from cni_bridge.firewall import elements
from cni_bridge.firewall.model import Element, Firewall, PublishedPort
from cni_bridge.kernel import hostports
from cni_bridge.kernel.netlink import KernelError
from cni_bridge.kernel.nftables import Netfilter
from cni_bridge.lean.csocket import csocket
from cni_bridge.lean.record import replace
from cni_bridge.model import Attachment

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from cni_bridge.firewall.register import Register
    from cni_bridge.kernel.conntrack import Connection

ATTEMPTS = 64  # at a free port, each of them the kernel's suggestion
PORTS_ONE_BY_ONE = 4  # so many are looked for one by one, more in one list of all


def settled(register: "Register", attachment: Attachment, want: Firewall) -> Firewall:
    """With a number for every port that may be any."""
    ports: list[PublishedPort] = []
    taken = {(port.protocol, port.host_port) for port in want.rules.ports}
    addresses = elements.first_addresses(want)
    for port in want.rules.ports:
        if not elements.targets(addresses, port):
            raise errors.InvalidConfig(
                f"runtimeConfig.portMappings: container port {port.container_port} can't be "
                f"published on {address.text(port.host_ip) if port.host_ip else 'this host'}",
                "the container has no address of that family",
            )
        chosen = port if port.host_port else _choose(register, attachment, want, (port, taken))
        taken.add((chosen.protocol, chosen.host_port))
        ports.append(chosen)
    return replace(want, rules=replace(want.rules, ports=tuple(ports)))


def refuse_bound(attachment: Attachment, settled: Firewall, want: Firewall) -> None:
    """Raise PortInUse for a port on which a process of the host waits for others than us."""
    addresses = elements.first_addresses(settled)
    is_waiting = _suspicion(settled.rules.ports)
    for port, asked in zip(settled.rules.ports, want.rules.ports, strict=True):
        if not asked.host_port or not is_waiting(port):  # chosen because it is free, or is free
            continue
        targets = elements.targets(addresses, port)
        # One look for both families, where both are published.
        ip = targets[0][0] if len(targets) == 1 else b""
        if not hostports.is_bound(port.protocol, ip, port.host_port):
            continue
        if owner := hostports.owner(port.protocol, port.host_port, attachment.container):
            what = elements.describe(elements.of_port(*targets[0], port))
            raise errors.PortInUse(
                f"{what} is held by {owner}", "publish another host port, or stop it"
            )


def _suspicion(ports: tuple[PublishedPort, ...]) -> "Callable[[PublishedPort], bool]":
    """Whether it is worth trying a port: one by one, or by one list of all that have a process."""
    if len(ports) <= PORTS_ONE_BY_ONE:
        return lambda _: True
    listed = {number: hostports.waiting(number) for number in {port.protocol for port in ports}}

    def is_waiting(port: PublishedPort) -> bool:
        waiting = listed[port.protocol]
        return waiting is None or port.host_port in waiting

    return is_waiting


def forget_udp(ports: "Iterable[Element]", *, has_begun: bool) -> None:
    """Let clients that keep sending from one port meet what the port leads to now.

    An entry that conntrack has is never looked up in the maps again.
    """
    published: dict[int, dict[int, list[Element]]] = {}
    for item in ports:
        if item.data is not None and elements.port_of(item)[0] == csocket.IPPROTO_UDP:
            number = elements.port_of(item)[1]
            family = address.family(elements.address_behind(item))
            published.setdefault(family, {}).setdefault(number, []).append(item)
    if not published:
        return
    from cni_bridge.kernel import conntrack  # UDP only

    socket = Netfilter()
    for family, by_port in published.items():
        groups = [[number] for number in by_port]
        if len(groups) > PORTS_ONE_BY_ONE:
            groups = [list(by_port)]
        for group in groups:

            def is_stale(found: "Connection", by_port: dict[int, list[Element]] = by_port) -> bool:
                return any(_concerns(item, found, has_begun) for item in by_port[found.port])

            try:
                conntrack.forget_udp(socket, family, set(group), is_stale)
            except KernelError:
                return  # a kernel without ctnetlink has no way to forget
    socket.close()


def _choose(
    register: "Register",
    attachment: Attachment,
    want: Firewall,
    choice: "tuple[PublishedPort, set[tuple[int, int]]]",
) -> PublishedPort:
    port, taken = choice
    where = elements.targets(elements.first_addresses(want), port)
    for _ in range(ATTEMPTS):
        number = _suggestion(port.protocol, where[0][0])
        candidate = replace(port, host_port=number)
        if (port.protocol, number) in taken:
            continue
        if any(
            register.is_held(attachment, elements.of_port(*target, candidate))
            or hostports.is_bound(port.protocol, target[0], number)
            for target in where
        ):
            continue
        return candidate
    raise errors.PortInUse(
        f"no free host port found for container port {port.container_port}",
        f"{ATTEMPTS} ports of net.ipv4.ip_local_port_range were tried",
    )


def _suggestion(protocol: int, ip: bytes) -> int:
    try:
        return hostports.choose(protocol, ip)
    except OSError:  # a protocol or an address that this host has not, yet
        return hostports.choose(csocket.IPPROTO_TCP, bytes(4))


def _concerns(item: Element, found: "Connection", has_begun: bool) -> bool:
    """Whether the entry is one that a port which has begun, or ended, makes wrong."""
    leads_to = elements.address_behind(item)
    if not has_begun:
        return found.answerer == leads_to
    ip = elements.port_of(item)[2]
    return found.answerer != leads_to and ip in (b"", found.destination)
