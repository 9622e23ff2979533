"""The bridge: shared by all attachments of a network, so it is ensured and never removed.

An existing bridge is reused and completed; foreign settings are changed only if the config says so.
"""

from errno import EEXIST

from cni_bridge import errors, names
from cni_bridge.address import (
    AF_INET,
    AF_INET6,
    IPV6_MINIMUM_MTU,
    Prefix,
    is_link_local,
    overlap,
    prefix_text,
)
from cni_bridge.kernel import layer3, links, machine, sysctl
from cni_bridge.kernel.messages import IFA_F_NODAD
from cni_bridge.model import Bridge, Interface, Route

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from cni_bridge.kernel.links import Link
    from cni_bridge.kernel.netlink import Socket

IPV6_OFF = "net/ipv6/conf/all/disable_ipv6"
FORWARDING = {4: "net/ipv4/ip_forward", 16: "net/ipv6/conf/all/forwarding"}


def ensure(host: "Socket", desired: Bridge) -> "Link":
    """Create or complete the bridge as planned, even if another program created it; return it."""
    found = find(host, desired.name) or _create(host, desired)
    link = _pin_mac(host, found)
    if sysctl.read(f"net/ipv6/conf/{link.name}/accept_ra") != "0" and not _is_uplink(host, found):
        sysctl.refuse_routers(link.name)
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
        _ensure_forwarding(host, length)
        if length == 4:
            _loosen_reverse_path(link)
    routes = [layer3.add_route(link.index, Route(destination=each)) for each in desired.routed]
    host.run(*routes, tolerate=EEXIST)


def rehearse(host: "Socket", desired: Bridge) -> None:
    """Raise what `ensure` and `ensure_gateways` would raise now; change nothing."""
    link = find(host, desired.name)
    if link is None or not _is_uplink(host, link):
        sysctl.refuse_routers(link.name if link else "default", is_rehearsal=True)
    if desired.gateway_vlan:
        answer = host.find(links.get(names.gateway(desired.name, desired.gateway_vlan)))
        link = links.parse(answer) if answer else None
    for length in sorted({len(gateway.ip) for gateway in desired.gateways}):
        if link:
            _address_changes(host, link, desired, length)
        _ensure_forwarding(host, length, is_rehearsal=True)
        if length == 16:
            _enable_ipv6(link.name if link else "default", desired, is_rehearsal=True)


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
    if sysctl.accepts_routers(link.name) and not _is_uplink(host, link):
        yield from sysctl.router_problems(link.name)
    yield from _gateway_problems(host, link, desired)


def conflicts(desired: Bridge, gateway: Prefix, present: "Iterable[Prefix]") -> list[Prefix]:
    """Return the addresses that conflict with a gateway: any other IPv4 address, overlapping IPv6 ones.

    On the bridge of a cluster network, which has a gateway for each block, only overlapping ones.
    The link-local address that the kernel gives to every interface never conflicts.
    """
    return [
        prefix
        for prefix in present
        if prefix not in desired.gateways
        and not (len(prefix.ip) == 16 and is_link_local(prefix.ip))
        and len(prefix.ip) == len(gateway.ip)
        and ((len(prefix.ip) == 4 and not desired.has_blocks) or overlap(prefix, gateway))
    ]


def refuse_mac(host: "Socket", name: str, mac: bytes) -> None:
    """Raise AddressInUse if the bridge, or an interface of this host on it, has that MAC."""
    text = mac.hex(":")
    shared = find(host, name)
    if shared is None and mac == names.bridge_mac(name, machine.machine_id()):
        raise _mac_in_use(text, name, name)
    for link in map(links.parse, host.dump(links.listing())) if shared else ():
        is_its = link.name == name or link.name.startswith(f"{name}.")
        if link.mac == text and (is_its or (shared and link.master == shared.index)):
            raise _mac_in_use(text, name, link.name)


def describe(link: "Link") -> Interface:
    """Return the bridge as an interface of a result."""
    return Interface(name=link.name, mac=link.mac, mtu=link.mtu)


def find(host: "Socket", name: str) -> "Link | None":
    """Return the bridge, or None. Raise NameTaken if another kind of interface has its name."""
    answer = host.find(links.get(name))
    link = links.parse(answer) if answer else None
    if link and link.name != name:
        raise errors.NameTaken(
            f'"{name}" is an alternative name of interface "{link.name}"',
            f"set `bridge` to {link.name}: the kernel's firewall does not know alternative names",
        )
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
    if missing and length == 16:
        _enable_ipv6(link.name, desired)
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
    if missing and length == 16 and link.mtu < IPV6_MINIMUM_MTU:
        raise errors.InvalidConfig(
            f"{link.name}: expected an MTU of {IPV6_MINIMUM_MTU} or more, which IPv6 needs, "
            f"found {link.mtu}",
            f"set it by `ip link set {link.name} mtu`, use another bridge, or IPv4 addresses only",
        )
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
    return links.parse(host.ask(links.get(link.index)))


def _is_uplink(host: "Socket", link: "Link") -> bool:
    """Return whether the host gets its own IPv6 from routers behind a bridge; never cni-bridge's."""
    if link.mac == names.bridge_mac(link.name, machine.machine_id()).hex(":"):
        return False
    from cni_bridge.parts import host_ipv6  # only for bridges that accept advertisements

    return host_ipv6.is_uplink(host, link)


def _enable_ipv6(interface: str, desired: Bridge, *, is_rehearsal: bool = False) -> None:
    """Enable IPv6 on the interface with the gateway, even if the host has it off by default.

    A default gateway has to route to everywhere, which a host with IPv6 disabled can't.
    """
    key = f"net/ipv6/conf/{interface}/disable_ipv6"
    if sysctl.read(key) in (None, "0"):
        return
    if desired.is_default_gateway and sysctl.read(IPV6_OFF) == "1":
        raise errors.KernelRefused(
            f"{desired.name} can't be a default gateway: IPv6 is disabled on this host "
            f"({sysctl.dotted(IPV6_OFF)} is 1)",
            "set it to 0, leave the IPv6 range out of the network, or set isGateway in place of "
            f"isDefaultGateway: then IPv6 is enabled on {desired.name} alone",
        )
    sysctl.require(key, "0", "an IPv6 gateway address", is_rehearsal=is_rehearsal)


def _ensure_forwarding(host: "Socket", length: int, *, is_rehearsal: bool = False) -> None:
    key = FORWARDING[length]
    if sysctl.read(key) == "1":
        return
    try:
        if length == 16 and not is_rehearsal:
            from cni_bridge.parts import host_ipv6  # once on each host

            host_ipv6.keep(host)
        sysctl.write(key, "1", is_rehearsal=is_rehearsal)
    except OSError as error:
        raise errors.KernelRefused(
            f"failed to enable forwarding: {key}: {error.strerror}",
            "isGateway needs it; set it on the host, or make /proc/sys writable",
        ) from error


def _loosen_reverse_path(link: "Link") -> None:
    """Replace strict reverse path filtering by loose: a container may be on several networks.

    Its answers leave by the network of its default route, where strict filtering drops those that
    have an address of another network.
    """
    key = f"net/ipv4/conf/{link.name}/rp_filter"
    own = sysctl.read(key)  # the higher one of this and that of `all` counts
    if own == "1" or (own == "0" and sysctl.read("net/ipv4/conf/all/rp_filter") == "1"):
        sysctl.try_write(key, "2")


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
        if length == 16 and desired.routed:
            yield from _route_problems(host, link, desired)
        if sysctl.read(FORWARDING[length]) != "1":
            yield f"sysctl {FORWARDING[length]}: expected 1, found {sysctl.read(FORWARDING[length])}"


def _route_problems(host: "Socket", link: "Link", desired: Bridge) -> "Iterator[str]":
    answers = map(layer3.parse_route, host.dump(layer3.routes(AF_INET6, link.index)))
    present = {route.destination for route in answers}
    for each in desired.routed:
        if each not in present:
            yield f"route {prefix_text(each)}: expected on {link.name}, found none"


def _addresses(host: "Socket", link: "Link", length: int) -> list[Prefix]:
    request = layer3.addresses(AF_INET if length == 4 else AF_INET6, link.index)
    return [layer3.parse_address(answer).address for answer in host.dump(request)]


def _of_length(gateways: tuple[Prefix, ...], length: int) -> list[Prefix]:
    return [gateway for gateway in gateways if len(gateway.ip) == length]


def _mac_in_use(mac: str, bridge: str, holder: str) -> errors.AddressInUse:
    return errors.AddressInUse(
        f"MAC address {mac} is in use on bridge {bridge}",
        f"It is that of this host's interface {holder}. Request another one, or none.",
    )
