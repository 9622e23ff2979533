"""Choose and check host ports.

Nothing here changes the firewall; `nft_elements` says what a port looks like there.
"""

from cni_bridge import address, errors
from cni_bridge.firewall import nft_elements
from cni_bridge.firewall.model import Firewall, PublishedPort
from cni_bridge.kernel import port_holders
from cni_bridge.lean.csocket import csocket
from cni_bridge.lean.record import replace
from cni_bridge.model import Attachment

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from cni_bridge.firewall.register import Register

ATTEMPTS = 64  # to find a free port, each suggested by the kernel
PORTS_ONE_BY_ONE = 4  # up to this many are looked up one by one, more in one list


def assign_ports(register: "Register", attachment: Attachment, desired: Firewall) -> Firewall:
    """Return the firewall with a number for every host port that was left open."""
    ports: list[PublishedPort] = []
    taken = {(port.protocol, port.host_port) for port in desired.rules.ports}
    addresses = nft_elements.first_addresses(desired)
    for port in desired.rules.ports:
        if not nft_elements.targets(addresses, port):
            raise errors.InvalidConfig(
                f"runtimeConfig.portMappings: container port {port.container_port} can't be "
                f"published on {address.text(port.host_ip) if port.host_ip else 'this host'}",
                "the container has no address of that family",
            )
        chosen = port if port.host_port else _choose(register, attachment, desired, port, taken)
        taken.add((chosen.protocol, chosen.host_port))
        ports.append(chosen)
    return replace(desired, rules=replace(desired.rules, ports=tuple(ports)))


def refuse_bound(attachment: Attachment, assigned: Firewall, desired: Firewall) -> None:
    """Raise PortInUse for a requested port on which a process of the host listens."""
    addresses = nft_elements.first_addresses(assigned)
    may_listen = _listener_filter(assigned.rules.ports)
    for port, asked in zip(assigned.rules.ports, desired.rules.ports, strict=True):
        if not asked.host_port or not may_listen(port):  # chosen because free, or free
            continue
        targets = nft_elements.targets(addresses, port)
        # One test for both families if both are published.
        ip = targets[0][0] if len(targets) == 1 else b""
        if not port_holders.is_bound(port.protocol, ip, port.host_port):
            continue
        if owner := port_holders.owner(port.protocol, port.host_port, attachment.container):
            what = nft_elements.describe(nft_elements.of_port(*targets[0], port))
            raise errors.PortInUse(
                f"{what} is held by {owner}", "publish another host port, or stop that process"
            )


def _listener_filter(ports: tuple[PublishedPort, ...]) -> "Callable[[PublishedPort], bool]":
    """Return a cheap test for ports that may have a listener: one list instead of many tries."""
    if len(ports) <= PORTS_ONE_BY_ONE:
        return lambda _: True
    listening = {
        number: port_holders.waiting(number) for number in {port.protocol for port in ports}
    }

    def may_listen(port: PublishedPort) -> bool:
        found = listening[port.protocol]
        return found is None or port.host_port in found

    return may_listen


def _choose(
    register: "Register",
    attachment: Attachment,
    desired: Firewall,
    port: PublishedPort,
    taken: "set[tuple[int, int]]",
) -> PublishedPort:
    where = nft_elements.targets(nft_elements.first_addresses(desired), port)
    for _ in range(ATTEMPTS):
        number = _suggestion(port.protocol, where[0][0])
        candidate = replace(port, host_port=number)
        if (port.protocol, number) in taken:
            continue
        if any(
            register.is_held(attachment, nft_elements.of_port(*target, candidate))
            or port_holders.is_bound(port.protocol, target[0], number)
            for target in where
        ):
            continue
        return candidate
    raise errors.PortInUse(
        f"no free host port found for container port {port.container_port}",
        f"tried {ATTEMPTS} ports of net.ipv4.ip_local_port_range",
    )


def _suggestion(protocol: int, ip: bytes) -> int:
    try:
        return port_holders.choose(protocol, ip)
    except OSError:  # this host does not have the protocol or, yet, the address
        return port_holders.choose(csocket.IPPROTO_TCP, bytes(4))
