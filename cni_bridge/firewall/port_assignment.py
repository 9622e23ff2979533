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
    from collections.abc import Collection, Iterator

    from cni_bridge.firewall.register import Register

ATTEMPTS = 64  # to find a free port, each suggested by the kernel
PORTS_ONE_BY_ONE = 4  # up to this many are looked up one by one, more in one list


def assign_ports(register: "Register", attachment: Attachment, desired: Firewall) -> Firewall:
    """Return the firewall with a number for every host port that was left open."""
    ports: list[PublishedPort] = []
    addresses = nft_elements.first_addresses(desired)
    sizes = {0, *map(len, addresses)} if addresses else ()
    for port in desired.rules.ports:
        if len(port.host_ip) not in sizes:
            raise errors.InvalidConfig(
                f"runtimeConfig.portMappings: container port {port.container_port} can't be "
                f"published on {address.text(port.host_ip) if port.host_ip else 'this host'}",
                "the container has no address of that family",
            )
        if not port.host_port:
            taken = (*desired.rules.ports, *ports)
            port = _choose(register, attachment, desired, port, taken)
        ports.append(port)
    return replace(desired, rules=replace(desired.rules, ports=tuple(ports)))


def refuse_bound(attachment: Attachment, assigned: Firewall, desired: Firewall) -> None:
    """Raise PortInUse for a requested port on which a process of the host listens."""
    addresses = nft_elements.first_addresses(assigned)
    pairs = zip(assigned.rules.ports, desired.rules.ports, strict=True)
    ports = [port for port, asked in pairs if asked.host_port]  # others were chosen because free
    for port in _with_listeners(ports):
        targets = nft_elements.targets(addresses, port.host_ip)
        # One test for both families if both are published.
        ip = targets[0][0] if len(targets) == 1 else b""
        if not port_holders.is_bound(port.protocol, ip, port.host_port):
            continue
        if owner := port_holders.owner(port.protocol, port.host_port, attachment.container):
            what = nft_elements.describe(nft_elements.of_port(*targets[0], port)[0])
            raise errors.PortInUse(
                f"{what} is held by {owner}", "publish another host port, or stop that process"
            )


def _with_listeners(ports: "list[PublishedPort]") -> "Iterator[PublishedPort]":
    """Yield the single ports that may have a listener: of many, those that one list has."""
    if not ports:
        return
    from cni_bridge.firewall import port_runs  # most containers publish no ports

    is_listed = sum(port.count for port in ports) > PORTS_ONE_BY_ONE
    protocols = {port.protocol for port in ports} if is_listed else ()
    listening = {number: port_holders.waiting(number) for number in protocols}
    for port in ports:
        found = listening.get(port.protocol)
        if found is not None and port.count == 1 and port.host_port not in found:
            continue  # as nearly all of thousands
        numbers: Collection[int] = range(port.host_port, port.host_port + port.count)
        if found is not None:
            few, many = sorted((numbers, found), key=len)
            numbers = sorted(each for each in few if each in many)
        for number in numbers:
            yield port_runs.between(port, number, number + 1)


def _choose(
    register: "Register",
    attachment: Attachment,
    desired: Firewall,
    port: PublishedPort,
    taken: "tuple[PublishedPort, ...]",
) -> PublishedPort:
    from cni_bridge.firewall import port_runs

    where = nft_elements.targets(nft_elements.first_addresses(desired), port.host_ip)
    for attempt in range(ATTEMPTS):
        is_preferred = port.preferred and not attempt
        number = port.preferred if is_preferred else _suggestion(port.protocol, where[0][0])
        candidate = replace(port, host_port=number)
        if any(port_runs.overlap(candidate, each) for each in taken):
            continue
        if any(
            register.is_held(attachment, *nft_elements.of_port(*target, candidate))
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
