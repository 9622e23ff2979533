"""The bridge: shared by all attachments of a network, so it is ensured and never removed.

An existing bridge is reused and completed; foreign settings are changed only if the config says so.
"""

from errno import EEXIST

from cni_bridge import errors, names
from cni_bridge.address import AF_INET, AF_INET6, Prefix, overlap, prefix_text
from cni_bridge.kernel import layer3, links, machine, sysctl
from cni_bridge.kernel.messages import IFA_F_NODAD
from cni_bridge.lean.record import replace
from cni_bridge.model import Bridge, Interface

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from cni_bridge.kernel.links import Link
    from cni_bridge.kernel.netlink import Socket

FORWARDING = {4: "net/ipv4/ip_forward", 16: "net/ipv6/conf/all/forwarding"}


def ensure(host: "Socket", desired: Bridge) -> "Link":
    """Create or complete the bridge as planned, whoever created it; return it."""
    link = _pin_mac(host, find(host, desired.name) or _create(host, desired))
    # Whoever made it: a container that sends router advertisements must not become the host's
    # router (CVE-2020-10749).
    sysctl.try_write(f"net/ipv6/conf/{desired.name}/accept_ra", "0")
    changes = []
    if not link.is_up:
        changes.append(links.set_up(link.index))
    if desired.is_promiscuous and not link.is_promiscuous:
        changes.append(links.set_promiscuous(link.index))
    if desired.filters_vlans and not link.filters_vlans:
        changes.append(links.filter_vlans(link.index))
    host.run(*changes)
    return link


def ensure_gateways(host: "Socket", link: "Link", desired: Bridge) -> None:
    """Add the gateway addresses to `link`: the bridge, or the gateway interface of its VLAN."""
    for length in sorted({len(gateway.ip) for gateway in desired.gateways}):
        _ensure_addresses(host, link, desired, length)
        _ensure_forwarding(length)


def rehearse(host: "Socket", desired: Bridge) -> None:
    """Raise what `ensure` and `ensure_gateways` would raise now; change nothing."""
    link = find(host, desired.name)
    if desired.gateway_vlan:
        answer = host.find(links.get(names.gateway(desired.name, desired.gateway_vlan)))
        link = links.parse(answer) if answer else None
    for length in sorted({len(gateway.ip) for gateway in desired.gateways}):
        if link:
            _address_changes(host, link, desired, length)
        _ensure_forwarding(length, is_rehearsal=True)
        key = f"net/ipv6/conf/{link.name if link else 'default'}/disable_ipv6"
        if length == 16 and sysctl.read(key) == "1":
            raise errors.KernelRefused(
                f"IPv6 is disabled on {desired.name}: {key} is 1", f"set it: sysctl -w {key}=0"
            )


def problems(host: "Socket", desired: Bridge) -> "Iterator[str]":
    """Yield every difference between the plan and the kernel: what, expected, found."""
    link = find(host, desired.name)
    if link is None:
        yield f"bridge {desired.name}: expected to exist, found no such interface"
        return
    if not link.is_up:
        yield f"bridge {desired.name}: expected up, found down"
    if desired.is_promiscuous and not link.is_promiscuous:
        yield f"bridge {desired.name}: expected promiscuous, found not"
    if desired.filters_vlans and not link.filters_vlans:
        yield f"bridge {desired.name}: expected to filter VLANs, found not"
    yield from _gateway_problems(host, link, desired)


def conflicts(desired: Bridge, gateway: Prefix, present: "Iterable[Prefix]") -> list[Prefix]:
    """Return the addresses that conflict with a gateway: any other IPv4 address, overlapping IPv6 ones.

    On the bridge of a cluster network, which has a gateway for each block, only overlapping ones.
    """
    return [
        prefix
        for prefix in present
        if prefix not in desired.gateways
        and len(prefix.ip) == len(gateway.ip)
        and ((len(prefix.ip) == 4 and not desired.has_blocks) or overlap(prefix, gateway))
    ]


def describe(link: "Link") -> Interface:
    """Return the bridge as an interface of a result."""
    return Interface(name=link.name, mac=link.mac, mtu=link.mtu)


def find(host: "Socket", name: str) -> "Link | None":
    """Return the bridge, or None. Raise NameTaken if another kind of interface has its name."""
    answer = host.find(links.get(name))
    link = links.parse(answer) if answer else None
    if link and link.kind != "bridge":
        raise errors.NameTaken(
            f'"{name}" already exists but is not a bridge',
            f"its kind is {link.kind or 'unknown'}; set another name in `bridge`, or remove the interface",
        )
    return link


def _create(host: "Socket", desired: Bridge) -> "Link":
    """Create the bridge with its MAC in the same message.

    Otherwise the MAC follows the lowest port, and becomes zero when the last port is removed.
    """
    mac = names.bridge_mac(desired.name, machine.machine_id())
    request = links.create_bridge(
        desired.name, mac=mac, mtu=desired.mtu, filters_vlans=desired.filters_vlans
    )
    host.run(request, tolerate=EEXIST)  # another ADD may have made it first
    link = find(host, desired.name)
    if link is None:
        raise errors.KernelRefused(f"bridge {desired.name} vanished while it was created")
    return link


def _ensure_addresses(host: "Socket", link: "Link", desired: Bridge, length: int) -> None:
    missing, in_the_way = _address_changes(host, link, desired, length)
    host.run(*(layer3.delete_address(link.index, prefix) for prefix in in_the_way))
    additions = [layer3.add_address(link.index, gateway, IFA_F_NODAD) for gateway in missing]
    host.run(*additions, tolerate=EEXIST)  # another ADD may have added it first


def _address_changes(
    host: "Socket", link: "Link", desired: Bridge, length: int
) -> tuple[list[Prefix], "Iterable[Prefix]"]:
    """Return the gateway addresses to add, and those to delete. Raises InvalidConfig."""
    present = _addresses(host, link, length)
    missing = [
        gateway for gateway in _of_length(desired.gateways, length) if gateway not in present
    ]
    in_the_way = dict.fromkeys(
        item for each in missing for item in conflicts(desired, each, present)
    )
    if in_the_way and not desired.replaces_address:
        raise errors.InvalidConfig(
            f'"{link.name}" already has an IP address different from {prefix_text(missing[0])}',
            f"it has {', '.join(map(prefix_text, in_the_way))}; use another bridge, "
            "or set forceAddress to replace the address",
        )
    return missing, in_the_way


def _pin_mac(host: "Socket", link: "Link") -> "Link":
    """Pin the MAC of a bridge that cni-bridge did not create: its current one, or a new one if zero.

    Otherwise the MAC follows the ports, and becomes zero when the last one is removed. Netlink can't
    tell whether it is pinned already; pinning it again changes nothing.
    """
    ours = names.bridge_mac(link.name, machine.machine_id())
    mac = bytes.fromhex(link.mac.replace(":", ""))
    if mac == ours:
        return link
    if not any(mac):
        mac = ours
    host.run(links.set_mac(link.index, mac))
    return replace(link, mac=mac.hex(":"))


def _ensure_forwarding(length: int, *, is_rehearsal: bool = False) -> None:
    key = FORWARDING[length]
    if sysctl.read(key) == "1":
        return
    try:
        sysctl.write(key, "1", is_rehearsal=is_rehearsal)
    except OSError as error:
        raise errors.KernelRefused(
            f"failed to enable forwarding: {key}: {error.strerror}",
            "isGateway needs it; set it on the host, or make /proc/sys writable",
        ) from error


def _gateway_problems(host: "Socket", bridge: "Link", desired: Bridge) -> "Iterator[str]":
    link = bridge
    if desired.gateway_vlan:
        name = names.gateway(desired.name, desired.gateway_vlan)
        answer = host.find(links.get(name))
        if answer is None:
            yield f"interface {name}: expected to exist, found no such interface"
            return
        link = links.parse(answer)
    for length in sorted({len(gateway.ip) for gateway in desired.gateways}):
        present = _addresses(host, link, length)
        for gateway in _of_length(desired.gateways, length):
            if gateway not in present:
                found = ", ".join(map(prefix_text, present)) or "none"
                yield f"address of {link.name}: expected {prefix_text(gateway)}, found {found}"
        if sysctl.read(FORWARDING[length]) != "1":
            yield f"sysctl {FORWARDING[length]}: expected 1, found {sysctl.read(FORWARDING[length])}"


def _addresses(host: "Socket", link: "Link", length: int) -> list[Prefix]:
    request = layer3.addresses(AF_INET if length == 4 else AF_INET6, link.index)
    return [layer3.parse_address(answer).address for answer in host.dump(request)]


def _of_length(gateways: tuple[Prefix, ...], length: int) -> list[Prefix]:
    return [gateway for gateway in gateways if len(gateway.ip) == length]
