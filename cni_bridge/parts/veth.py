"""The veth pair with its addresses and routes: owned by one attachment, removed with it.

Both ends are created in their final namespace: nothing is moved. Removal needs the host end's name.
"""

from errno import EEXIST

from cni_bridge import errors, names, timings
from cni_bridge.address import AF_INET6, Prefix, bits, family, prefix_text, subnet, text
from cni_bridge.kernel import layer3, links, netns, sysctl
from cni_bridge.kernel.messages import RTMGRP_IPV6_IFADDR
from cni_bridge.kernel.netlink import KernelError, Socket
from cni_bridge.model import Interface, Route, Veth
from cni_bridge.parts import bridge_port

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from cni_bridge.kernel.links import Link
    from cni_bridge.kernel.netlink import Request
    from cni_bridge.kernel.netns import OpenNetns
    from cni_bridge.model import Attachment

# The group of host ends (see ruleset.nft); plus a process id, the group of those that it removes.
GROUPS = 0x63000000
STATES = ("down", "up")


def create(host: "Socket", container: "OpenNetns", bridge_index: int, desired: Veth) -> None:
    """Create the pair: the host end up and on the bridge, the other in the container and down."""
    port = desired.port
    assert port, "the wire part creates the ends of a wire"
    is_open = not (port.isolated or port.is_checked or port.vlan)
    creation = links.create_veth(
        desired.host_name,
        desired.container_name,
        bridge=bridge_index,
        netns=container.descriptor,
        mtu=desired.mtu,
        mac=desired.mac,
        is_up=is_open,
        group=GROUPS,
    )
    try:
        host.run(creation)
    except KernelError as error:
        if error.errno != EEXIST:
            raise
        path = container.identity.path
        raise errors.NameTaken(
            f'container veth name ("{desired.container_name}") peer provided ("{desired.host_name}") '
            "already exists",
            f"remove {desired.container_name} from {path}, or send DEL for this attachment first",
        ) from error
    bridge_port.configure(host, desired, port)
    if not is_open:
        host.run(links.set_up(desired.host_name))


def configure(
    host: "Socket",
    container: "OpenNetns",
    desired: Veth,
    prepare: "Callable[[], None] | None" = None,
) -> tuple[Interface, Interface]:
    """Configure the pair as planned; return the host end and the container end.

    `prepare` runs in the container's namespace before its end gets addresses and comes up.
    """
    inside, events, inner = populate(container, desired, prepare)
    outer = (
        bridge_port.wait_until_up(host, desired)
        if desired.is_up
        else _link(host, desired.host_name)
    )
    timings.done("port up")
    if desired.is_up and desired.addresses:
        if events:
            from cni_bridge.kernel import duplicates  # only where there is IPv6

            duplicates.wait(inside, events, inner.index)
            timings.done("IPv6 addresses usable")
        inside.run(*announcement(inner))
    path = container.identity.path
    return (
        Interface(name=outer.name, mac=outer.mac, mtu=outer.mtu),
        Interface(name=inner.name, mac=inner.mac, mtu=inner.mtu, sandbox=path),
    )


def populate(
    container: "OpenNetns", desired: Veth, prepare: "Callable[[], None] | None" = None
) -> "tuple[Socket, Socket | None, Link]":
    """Configure the container end as planned, after `prepare` inside its namespace.

    Return a netlink socket inside, one for its events or None, and the end.
    """
    inside, events = netns.inside(container, lambda: _enter(desired, prepare))
    inner = _link(inside, desired.container_name)
    try:
        inside.run(*configuration(inner, desired))
    except KernelError as error:
        raise _explained(error, desired) from error
    timings.done("addresses and routes")
    return inside, events, inner


def find(socket: "Socket", who: "str | int") -> "Link | None":
    """Return the interface of that name or index, or None."""
    answer = socket.find(links.get(who))
    return links.parse(answer) if answer else None


def is_own(link: "Link", name: str) -> bool:
    """Return whether that is a host end or ifb of the derived `name`, and no foreign interface.

    The kernel also finds an interface by its alternative names.
    """
    kind = "ifb" if name.startswith("ifb-") else "veth"
    return (link.name, link.kind) == (name, kind) and names.may_be_own(link.alias)


def find_own(host: "Socket", name: str) -> "Link | None":
    """Return the host end or ifb of that derived name, or None, also if a foreign one has it."""
    link = find(host, name)
    return link if link and is_own(link, name) else None


def host_ends(host: "Socket") -> "dict[Attachment, Link]":
    """Return all host ends of cni-bridge by owner, recorded or not: name and alias prove them."""
    return by_owner(listed(host))


def by_owner(listed: "list[Link]") -> "dict[Attachment, Link]":
    """Return the host ends of cni-bridge among all interfaces, by owner."""
    return {owner: link for link in listed if (owner := names.owner(link.name, link.alias))}


def listed(host: "Socket") -> "list[Link]":
    """Return all interfaces."""
    return [links.parse(answer) for answer in host.dump(links.listing())]


def host_end(host: "Socket", container: "OpenNetns", ifname: str) -> "Link | None":
    """Return the host's end of any veth in the container, or None."""
    inside = netns.inside(container, Socket)
    try:
        inner = find(inside, ifname)
    finally:
        inside.close()
    outer = find(host, inner.peer) if inner and inner.kind == "veth" and inner.peer else None
    if inner is None or outer is None or outer.peer != inner.index:
        return None
    from cni_bridge.kernel import netns_ids  # only for what the reference plugin attached

    # The peer's index may be one of another namespace, where it means another interface.
    return outer if outer.peer_netns == netns_ids.identifier(host, container) else None


def configuration(inner: "Link", desired: Veth) -> "list[Request]":
    """Return all requests for the container end, to be sent at once.

    Addresses first, so that the kernel can announce them when the link comes up; then the link;
    then the routes, which need the link up.
    """
    requests = [layer3.add_address(inner.index, item) for item in desired.addresses]
    if desired.is_up:
        requests.append(links.set_up(inner.index))
    requests += [layer3.add_route(inner.index, route) for route in desired.routes]
    return requests


def _explained(error: KernelError, desired: Veth) -> Exception:
    """Return why the kernel refused a route, as STATUS reports it, or else the kernel's error."""
    from cni_bridge import gateways  # only where the kernel refused something

    for _, reason, hint in gateways.faults(desired.routes, desired.addresses):
        return errors.KernelRefused(reason, f"{error}\n{hint}")
    return error


def sysctls(desired: Veth) -> "Iterator[tuple[str, str, str]]":
    """Yield key, value and purpose of the sysctls of the container's namespace.

    Without a purpose, the kernel may lack or refuse the key.
    """
    name = desired.container_name
    needs_detection = ""
    if has_ipv6(desired):
        yield "net/ipv6/conf/lo/disable_ipv6", "0", ""
        yield f"net/ipv6/conf/{name}/disable_ipv6", "0", "an IPv6 address of the container"
        yield f"net/ipv6/conf/{name}/keep_addr_on_down", "1", ""
        yield f"net/ipv6/conf/{name}/ndisc_notify", "1", ""
        needs_detection = "enabledad"
    if desired.disables_ipv6:
        yield f"net/ipv6/conf/{name}/disable_ipv6", "1", ""
    elif desired.addresses and not desired.detects_duplicates:
        yield f"net/ipv6/conf/{name}/accept_dad", "0", ""
    if desired.detects_duplicates:
        yield f"net/ipv6/conf/{name}/accept_dad", "1", needs_detection
        yield f"net/ipv6/conf/{name}/enhanced_dad", "1", needs_detection
    if desired.ignores_routers:
        yield f"net/ipv6/conf/{name}/accept_ra", "0", ""


def set_sysctls(desired: Veth) -> None:
    """Set the sysctls of the container's namespace, inside it. Raise KernelRefused."""
    for key, value, purpose in sysctls(desired):
        if purpose:
            sysctl.require(key, value, purpose)
        else:
            sysctl.try_write(key, value)


def has_ipv6(desired: Veth) -> bool:
    """Return whether an address is IPv6, and so becomes usable only after a while."""
    return any(family(item.ip) == AF_INET6 for item in desired.addresses)


def _enter(desired: Veth, prepare: "Callable[[], None] | None") -> "tuple[Socket, Socket | None]":
    """Run inside the netns: set its sysctls, and open sockets that keep working from outside.

    The second receives notifications of IPv6 addresses; it is None if there are none.
    """
    set_sysctls(desired)
    if prepare:
        prepare()
    events = Socket(groups=RTMGRP_IPV6_IFADDR) if has_ipv6(desired) else None
    return Socket(), events


def announcement(inner: "Link") -> "tuple[Request, Request]":
    """Make the kernel announce the addresses, by ARP and neighbour advertisement.

    Setting the MAC to its current value does it (arp_notify, ndisc_notify). arp_notify is set only
    now, since what is sent when the link comes up is flooded to every port and then lost: the
    container's own port does not forward yet.
    """
    mac = bytes.fromhex(inner.mac.replace(":", ""))
    return links.announce_changes(inner.index), links.set_mac(inner.index, mac)


def _link(socket: "Socket", name: str) -> "Link":
    return links.parse(socket.ask(links.get(name)))


# ---------------------------------------------------------------- CHECK


def problems(
    host: "Socket", container: "OpenNetns", desired: Veth, mac: str = ""
) -> "Iterator[str]":
    """Yield every difference between the plan and the kernel: what, expected, found.

    `mac` is the container end's in prevResult. Later plugins of the chain may lower the container
    end's MTU, change promiscuous mode, or move a route to another table (SPEC 1.0, CHECK).
    """
    inside = netns.inside(container, Socket)
    inner = find(inside, desired.container_name)
    if inner is None:
        yield missing(container, desired.container_name)
    else:
        yield from inside_problems(inside, inner, desired, mac)
    outer = find(host, desired.host_name)
    if outer is None:
        yield f"host end {desired.host_name}: expected to exist, found no such interface"
        return
    if inner is not None and outer.peer != inner.index:
        yield (
            f"host end {desired.host_name}: expected to be the peer of {desired.container_name} "
            f"(index {inner.index}), found index {outer.peer}"
        )
    if desired.mtu and outer.mtu != desired.mtu:
        yield f"MTU of {outer.name}: expected {desired.mtu}, found {outer.mtu}"
    if inner is not None and inner.mtu > outer.mtu:
        yield (
            f"MTU of {inner.name}: expected {outer.mtu} at most, found {inner.mtu}: "
            "the host end drops what is larger"
        )
    yield from sysctl.router_problems(outer.name)
    if desired.port:
        yield from bridge_port.problems(host, outer, desired.port)


def missing(container: "OpenNetns", name: str) -> str:
    """Describe the problem that an interface is missing."""
    return f"interface {name}: expected in {container.identity.path}, found none"


def connected(desired: Veth) -> dict[Prefix, Prefix]:
    """Return the subnets for which the kernel adds routes, each with the address behind it."""
    first = desired.addresses[::-1] if desired.is_up else ()
    return {subnet(item): item for item in first if item.length < bits(item.ip)}


def inside_problems(inside: "Socket", inner: "Link", desired: Veth, mac: str) -> "Iterator[str]":
    """Yield every difference of the container end."""
    name = desired.container_name
    if mac and inner.mac != mac:
        yield f"MAC of {inner.name}: expected {mac}, found {inner.mac}"
    if inner.kind != "veth":
        yield f"interface {name}: expected a veth, found {inner.kind or 'another kind'}"
    if inner.is_up != desired.is_up:
        yield f"interface {name}: expected {STATES[desired.is_up]}, found {STATES[inner.is_up]}"
    yield from _address_problems(inside, inner, desired.addresses)
    own = tuple(Route(destination=each) for each in connected(desired))
    yield from _route_problems(inside, inner, own + desired.routes)


def _address_problems(
    inside: "Socket", inner: "Link", desired: tuple[Prefix, ...]
) -> "Iterator[str]":
    for version in sorted({family(item.ip) for item in desired}):
        answers = map(layer3.parse_address, inside.dump(layer3.addresses(version, inner.index)))
        present = {item.address: item for item in answers}
        for item in desired:
            if family(item.ip) != version:
                continue
            if item not in present:
                found = ", ".join(map(prefix_text, present)) or "none"
                yield f"address of {inner.name}: expected {prefix_text(item)}, found {found}"
            elif present[item].is_duplicate:
                yield f"address {prefix_text(item)}: expected usable, found a duplicate (DAD failed)"


def _route_problems(inside: "Socket", inner: "Link", desired: tuple[Route, ...]) -> "Iterator[str]":
    for version in sorted({family(route.destination.ip) for route in desired}):
        present = {
            (route.destination, gateway)
            for route in map(layer3.parse_route, inside.dump(layer3.routes(version, inner.index)))
            for _, gateway in route.ways
        }
        for route in desired:
            if family(route.destination.ip) != version:
                continue
            if (route.destination, route.gateway) not in present:
                via = f" via {text(route.gateway)}" if route.gateway else ""
                what = f"route {prefix_text(route.destination)}{via}"
                yield f"{what}: expected on {inner.name}, found none"
