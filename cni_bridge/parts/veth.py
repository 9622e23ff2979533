"""The veth pair with its addresses and routes: owned by one attachment, removed with it.

Both ends are born where they live, so nothing is moved or renamed. Removal needs the host end's name.
"""

import posix
from errno import EEXIST, ENODEV

from cni_bridge.address import AF_INET6, Prefix, family, prefix_text, text
from cni_bridge.errors import NameTaken
from cni_bridge.kernel import layer3, links, netns, sysctl
from cni_bridge.kernel.netlink import KernelError, Socket
from cni_bridge.model import Interface, Route, Veth
from cni_bridge.parts import waiting

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from cni_bridge.kernel.links import Link
    from cni_bridge.kernel.netlink import Request
    from cni_bridge.kernel.netns import OpenNetns

FEW = 2  # interfaces that one attachment can have
GROUPS = 0x63000000  # with a process id added, a number that nobody is likely to use


def create(host: "Socket", container: "OpenNetns", bridge_index: int, want: Veth) -> None:
    """Make the pair, the host end up and on the bridge, the other in the container and down."""
    creation = links.create_veth(
        want.host_name,
        want.container_name,
        bridge=bridge_index,
        netns=container.descriptor,
        mtu=want.mtu,
        mac=want.mac,
    )
    try:
        host.run(creation)
    except KernelError as error:
        if error.errno != EEXIST:
            raise
        path = container.identity.path
        raise NameTaken(
            f'container veth name ("{want.container_name}") peer provided ("{want.host_name}") '
            "already exists",
            f"remove {want.container_name} from {path}, or send DEL for this attachment first",
        ) from error
    port = want.port
    host.run(
        links.set_port(
            want.host_name, hairpin=port.hairpin, isolated=port.isolated, alias=want.alias
        )
    )
    sysctl.try_write(f"net/ipv6/conf/{want.host_name}/accept_ra", "0")


def configure(host: "Socket", container: "OpenNetns", want: Veth) -> tuple[Interface, Interface]:
    """Give the pair what is planned for it; return host end and container end as they are then."""
    inside = netns.inside(container, lambda: _enter(want))
    try:
        inner = _link(inside, want.container_name)
        inside.run(*_configuration(inner, want))
        outer = (
            waiting.until_passing(host, want.host_name)
            if want.is_up
            else _link(host, want.host_name)
        )
        if want.is_up and want.addresses:
            waiting.until_in_use(inside, inner, want.addresses)
            inside.run(_announcement(inner))
    finally:
        inside.close()
    path = container.identity.path
    return (
        Interface(name=outer.name, mac=outer.mac, mtu=outer.mtu),
        Interface(name=inner.name, mac=inner.mac, mtu=inner.mtu, sandbox=path),
    )


def remove(host: "Socket", *names: str) -> None:
    """Delete pairs by the names of their host ends, and what stands beside them; absent is success."""
    if len(names) <= FEW:
        host.run(*map(links.delete, names), tolerate=ENODEV)
    else:
        _remove_at_once(host, names)


def _remove_at_once(host: "Socket", names: tuple[str, ...]) -> None:
    """One message deletes a group, and waits for the kernel once instead of once for each."""
    group = GROUPS | posix.getpid()
    host.run(*(links.set_group(name, group) for name in names), tolerate=ENODEV)
    listed = map(links.parse, host.dump(links.listing()))
    strangers = {link.name for link in listed if link.group == group}.difference(names)
    if strangers:  # somebody chose the same number: there is a slow way
        for name in names:
            host.run(links.delete(name), tolerate=ENODEV)
    else:
        host.run(links.delete_group(group), tolerate=ENODEV)


def find(socket: "Socket", who: "str | int") -> "Link | None":
    """The interface of that name or index, or None."""
    answer = socket.find(links.get(who))
    return links.parse(answer) if answer else None


def host_end(host: "Socket", container: "OpenNetns", ifname: str) -> "Link | None":
    """The other end, on the host, of a veth in the container, whoever made it."""
    inside = netns.inside(container, Socket)
    try:
        inner = find(inside, ifname)
    finally:
        inside.close()
    outer = find(host, inner.peer) if inner and inner.kind == "veth" and inner.peer else None
    # Its peer's index may be one of another namespace: then there is no such pair here.
    return outer if inner and outer and outer.peer == inner.index else None


def _enter(want: Veth) -> "Socket":
    """Run inside the netns: its sysctls, and a socket that goes on working from outside."""
    name = want.container_name
    if any(family(item.ip) == AF_INET6 for item in want.addresses):
        for interface in ("lo", name):
            sysctl.try_write(f"net/ipv6/conf/{interface}/disable_ipv6", "0")
        sysctl.try_write(f"net/ipv6/conf/{name}/keep_addr_on_down", "1")
        sysctl.try_write(f"net/ipv6/conf/{name}/ndisc_notify", "1")
    if want.addresses:
        sysctl.try_write(f"net/ipv4/conf/{name}/arp_notify", "1")
        detection = "1" if want.detects_duplicates else "0"
        sysctl.try_write(f"net/ipv6/conf/{name}/accept_dad", detection)
    return Socket()


def _configuration(inner: "Link", want: Veth) -> "list[Request]":
    """Everything for the container end, sent at once.

    Addresses first, so that the kernel can announce them when the link comes up; then the link;
    then the routes, which need it up.
    """
    requests = [layer3.add_address(inner.index, item) for item in want.addresses]
    if want.is_up:
        requests.append(links.set_up(inner.index))
    requests += [layer3.add_route(inner.index, route) for route in want.routes]
    return requests


def _announcement(inner: "Link") -> "Request":
    """Let the kernel announce the addresses, by ARP and neighbour advertisement.

    What it sends by itself when the link comes up is lost: the bridge port does not forward yet.
    Setting the MAC that the interface has makes it send them again (arp_notify, ndisc_notify).
    """
    return links.set_mac(inner.index, bytes.fromhex(inner.mac.replace(":", "")))


def _link(socket: "Socket", name: str) -> "Link":
    return links.parse(socket.ask(links.get(name)))


# ---------------------------------------------------------------- CHECK


def problems(host: "Socket", container: "OpenNetns", want: Veth, mac: str = "") -> "Iterator[str]":
    """Every difference between the plan and the kernel: what, expected, found.

    `mac` is what the runtime was told of the container end. A later plugin of the chain may lower
    the container end's MTU, change promiscuity, or move a route to another table; none of that is
    a problem (SPEC 1.0, CHECK).
    """
    inside = netns.inside(container, Socket)
    inner = find(inside, want.container_name)
    if inner is None:
        yield f"interface {want.container_name}: expected in {container.identity.path}, found none"
    else:
        yield from _container_problems(inside, inner, want)
    outer = find(host, want.host_name)
    if outer is None:
        yield f"host end {want.host_name}: expected to exist, found no such interface"
        return
    if inner is not None and outer.peer != inner.index:
        yield (
            f"host end {want.host_name}: expected to be the peer of {want.container_name} "
            f"(index {inner.index}), found index {outer.peer}"
        )
    if want.mtu and outer.mtu != want.mtu:
        yield f"MTU of {outer.name}: expected {want.mtu}, found {outer.mtu}"
    if inner is not None and inner.mtu > outer.mtu:
        yield (
            f"MTU of {inner.name}: expected {outer.mtu} at most, found {inner.mtu}: "
            "the host end drops what is larger"
        )
    yield from _port_problems(host, outer, want)


def _container_problems(inside: "Socket", inner: "Link", want: Veth) -> "Iterator[str]":
    name = want.container_name
    if inner.kind != "veth":
        yield f"interface {name}: expected a veth, found {inner.kind or 'another kind'}"
    if inner.is_up != want.is_up:
        yield f"interface {name}: expected {_state(want.is_up)}, found {_state(inner.is_up)}"
    yield from _address_problems(inside, inner, want.addresses)
    yield from _route_problems(inside, inner, want.routes)


def _address_problems(
    inside: "Socket", inner: "Link", wanted: tuple[Prefix, ...]
) -> "Iterator[str]":
    for version in sorted({family(item.ip) for item in wanted}):
        answers = map(layer3.parse_address, inside.dump(layer3.addresses(version, inner.index)))
        present = {item.address: item for item in answers}
        for item in wanted:
            if family(item.ip) != version:
                continue
            if item not in present:
                found = ", ".join(map(prefix_text, present)) or "none"
                yield f"address of {inner.name}: expected {prefix_text(item)}, found {found}"
            elif present[item].is_duplicate:
                yield f"address {prefix_text(item)}: expected usable, found a duplicate (DAD failed)"


def _route_problems(inside: "Socket", inner: "Link", wanted: tuple[Route, ...]) -> "Iterator[str]":
    for version in sorted({family(route.destination.ip) for route in wanted}):
        present = {
            (route.destination, route.gateway)
            for route in map(layer3.parse_route, inside.dump(layer3.routes(version, inner.index)))
        }
        for route in wanted:
            if family(route.destination.ip) != version:
                continue
            if (route.destination, route.gateway) not in present:
                via = f" via {text(route.gateway)}" if route.gateway else ""
                what = f"route {prefix_text(route.destination)}{via}"
                yield f"{what}: expected on {inner.name}, found none"


def _port_problems(host: "Socket", outer: "Link", want: Veth) -> "Iterator[str]":
    if not outer.is_up:
        yield f"host end {outer.name}: expected up, found down"
    bridge = find(host, outer.master) if outer.master else None
    master = bridge.name if bridge else "none"
    if outer.port is None or master != want.bridge:
        yield f"host end {outer.name}: expected a port of {want.bridge}, found master {master}"
        return
    for flag in ("hairpin", "isolated"):
        expected, found = getattr(want.port, flag), getattr(outer.port, flag)
        if expected != found:
            yield f"bridge port {outer.name} {flag}: expected {expected}, found {found}"


def _state(is_up: bool) -> str:
    return "up" if is_up else "down"
