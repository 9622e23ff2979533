"""The veth pair under CHECK: every difference between the plan and the kernel.

Beside `veth`, which makes and removes the pair and which a CHECK of it does not need.
"""

from cni_bridge.address import Prefix, bits, family, prefix_text, subnet, text
from cni_bridge.kernel import layer3, netns
from cni_bridge.kernel.netlink import Socket
from cni_bridge.model import Port, Route, Veth
from cni_bridge.parts.veth import find

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from cni_bridge.kernel.links import Link
    from cni_bridge.kernel.netns import OpenNetns


def problems(host: "Socket", container: "OpenNetns", want: Veth, mac: str = "") -> "Iterator[str]":
    """Every difference between the plan and the kernel: what, expected, found.

    `mac` is what the runtime was told of the container end. A later plugin of the chain may lower
    the container end's MTU, change promiscuity, or move a route to another table; none of that is
    a problem (SPEC 1.0, CHECK).
    """
    inside = netns.inside(container, Socket)
    inner = find(inside, want.container_name)
    if inner is None:
        yield missing(container, want.container_name)
    else:
        yield from inside_problems(inside, inner, want, mac)
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
    if want.port:
        yield from _port_problems(host, outer, want.port)


def missing(container: "OpenNetns", name: str) -> str:
    """That an interface is not there."""
    return f"interface {name}: expected in {container.identity.path}, found none"


def connected(want: Veth) -> dict[Prefix, Prefix]:
    """The subnets to which the kernel adds routes, each with the address that it adds it for."""
    first = want.addresses[::-1] if want.is_up else ()
    return {subnet(item): item for item in first if item.length < bits(item.ip)}


def inside_problems(inside: "Socket", inner: "Link", want: Veth, mac: str) -> "Iterator[str]":
    """Every difference of the container end."""
    name = want.container_name
    if mac and inner.mac != mac:
        yield f"MAC of {inner.name}: expected {mac}, found {inner.mac}"
    if inner.kind != "veth":
        yield f"interface {name}: expected a veth, found {inner.kind or 'another kind'}"
    if inner.is_up != want.is_up:
        yield f"interface {name}: expected {_state(want.is_up)}, found {_state(inner.is_up)}"
    yield from _address_problems(inside, inner, want.addresses)
    own = tuple(Route(destination=each) for each in connected(want))
    yield from _route_problems(inside, inner, own + want.routes)


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
            (route.destination, gateway)
            for route in map(layer3.parse_route, inside.dump(layer3.routes(version, inner.index)))
            for gateway in route.gateways or (route.gateway,)
        }
        for route in wanted:
            if family(route.destination.ip) != version:
                continue
            if (route.destination, route.gateway) not in present:
                via = f" via {text(route.gateway)}" if route.gateway else ""
                what = f"route {prefix_text(route.destination)}{via}"
                yield f"{what}: expected on {inner.name}, found none"


def _port_problems(host: "Socket", outer: "Link", want: Port) -> "Iterator[str]":
    if not outer.is_up:
        yield f"host end {outer.name}: expected up, found down"
    bridge = find(host, outer.master) if outer.master else None
    master = bridge.name if bridge else "none"
    if outer.port is None or master != want.bridge:
        yield f"host end {outer.name}: expected a port of {want.bridge}, found master {master}"
        return
    for flag in ("hairpin", "isolated"):
        expected, found = getattr(want, flag), getattr(outer.port, flag)
        if expected != found:
            yield f"bridge port {outer.name} {flag}: expected {expected}, found {found}"


def _state(is_up: bool) -> str:
    return "up" if is_up else "down"
