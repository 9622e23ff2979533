"""The veth pair with its addresses and routes: owned by one attachment, removed with it.

Both ends are born where they live, so nothing is moved or renamed. Removal needs the host end's name.
"""

import posix
import time
from errno import EEXIST, ENODEV

from cni_bridge import errors, names, timings
from cni_bridge.address import AF_INET6, family
from cni_bridge.kernel import layer3, links, netns, sysctl
from cni_bridge.kernel.messages import IF_OPER_UNKNOWN, IF_OPER_UP, RTMGRP_IPV6_IFADDR, RTMGRP_LINK
from cni_bridge.kernel.netlink import KernelError, Socket
from cni_bridge.model import Interface, Veth

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from cni_bridge.kernel.links import Link
    from cni_bridge.kernel.netlink import Request
    from cni_bridge.kernel.netns import OpenNetns
    from cni_bridge.model import Attachment

FEW = 2  # interfaces that one attachment can have
GROUPS = 0x63000000  # with a process id added, a number that nobody is likely to use
BR_STATE_DISABLED = 0  # linux/if_bridge.h
PORT_UP_TIMEOUT_S = 2.5  # the reference waits as long


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
        raise errors.NameTaken(
            f'container veth name ("{want.container_name}") peer provided ("{want.host_name}") '
            "already exists",
            f"remove {want.container_name} from {path}, or send DEL for this attachment first",
        ) from error
    port = want.port
    assert port, "an end of a wire is made by the part of that name"
    host.run(
        links.set_port(
            want.host_name, hairpin=port.hairpin, isolated=port.isolated, alias=want.alias
        )
    )
    sysctl.try_write(f"net/ipv6/conf/{want.host_name}/accept_ra", "0")
    if port.vlan:
        from cni_bridge.kernel import vlans  # few networks have any

        host.run(*vlans.configure(_link(host, want.host_name).index, port.vlan))


def configure(host: "Socket", container: "OpenNetns", want: Veth) -> tuple[Interface, Interface]:
    """Give the pair what is planned for it; return host end and container end as they are then."""
    (inside, events), inner = populate(container, want)
    outer = wait_until_up(host, want) if want.is_up else _link(host, want.host_name)
    timings.done("port up")
    if want.is_up and want.addresses:
        if events:
            from cni_bridge.kernel import duplicates  # only where there is IPv6

            duplicates.wait(inside, events, inner.index)
            timings.done("IPv6 addresses usable")
        inside.run(announcement(inner))
    path = container.identity.path
    return (
        Interface(name=outer.name, mac=outer.mac, mtu=outer.mtu),
        Interface(name=inner.name, mac=inner.mac, mtu=inner.mtu, sandbox=path),
    )


def populate(container: "OpenNetns", want: Veth) -> "tuple[tuple[Socket, Socket | None], Link]":
    """Give the container end what is planned for it; return sockets inside, and the end."""
    sockets = netns.inside(container, lambda: _enter(want))
    inner = _link(sockets[0], want.container_name)
    sockets[0].run(*configuration(inner, want))
    timings.done("addresses and routes")
    return sockets, inner


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


def host_ends(host: "Socket") -> "dict[Attachment, Link]":
    """All that are ours, whoever has a record of them: name and alias prove it."""
    listed = map(links.parse, host.dump(links.listing()))
    return {owner: link for link in listed if (owner := names.owner(link.name, link.alias))}


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


def configuration(inner: "Link", want: Veth) -> "list[Request]":
    """Everything for the container end, sent at once.

    Addresses first, so that the kernel can announce them when the link comes up; then the link;
    then the routes, which need it up.
    """
    requests = [layer3.add_address(inner.index, item) for item in want.addresses]
    if want.is_up:
        requests.append(links.set_up(inner.index))
    requests += [layer3.add_route(inner.index, route) for route in want.routes]
    return requests


def wait_until_up(host: "Socket", want: Veth) -> "Link":
    """The host end once frames pass both ways, which takes a work queue's turn or two."""
    outer = _link(host, want.host_name)
    if _is_passing(host, outer):
        return outer
    events = Socket(groups=RTMGRP_LINK)
    try:
        deadline = time.monotonic() + PORT_UP_TIMEOUT_S
        while not _is_passing(host, outer := _link(host, want.host_name)):
            left = deadline - time.monotonic()
            if left <= 0:
                raise errors.TryAgainLater(
                    f"bridge port in error state: {want.host_name} did not come up",
                    f"waited {PORT_UP_TIMEOUT_S} s; operstate is {outer.operstate}",
                )
            events.wait(int(left * 1000) + 1)
        return outer
    finally:
        events.close()


def sysctls(want: Veth) -> "Iterator[tuple[str, str]]":
    """What is set in the container's namespace, as far as the kernel has and permits it."""
    name = want.container_name
    if has_ipv6(want):
        yield "net/ipv6/conf/lo/disable_ipv6", "0"
        yield f"net/ipv6/conf/{name}/disable_ipv6", "0"
        yield f"net/ipv6/conf/{name}/keep_addr_on_down", "1"
        yield f"net/ipv6/conf/{name}/ndisc_notify", "1"
    if want.addresses:
        yield f"net/ipv4/conf/{name}/arp_notify", "1"
        yield f"net/ipv6/conf/{name}/accept_dad", "1" if want.detects_duplicates else "0"
    if want.detects_duplicates:
        yield f"net/ipv6/conf/{name}/enhanced_dad", "1"


def has_ipv6(want: Veth) -> bool:
    """Whether an address is of IPv6, and has to settle."""
    return any(family(item.ip) == AF_INET6 for item in want.addresses)


def _enter(want: Veth) -> "tuple[Socket, Socket | None]":
    """Run inside the netns: its sysctls, and sockets that go on working from outside.

    The second hears when IPv6 addresses can be used; there is none where there are none.
    """
    for key, value in sysctls(want):
        sysctl.try_write(key, value)
    events = Socket(groups=RTMGRP_IPV6_IFADDR) if has_ipv6(want) else None
    return Socket(), events


def announcement(inner: "Link") -> "Request":
    """Let the kernel announce the addresses, by ARP and neighbour advertisement.

    What it sends by itself when the link comes up is lost: the bridge port does not forward yet.
    Setting the MAC that the interface has makes it send them again (arp_notify, ndisc_notify).
    """
    return links.set_mac(inner.index, bytes.fromhex(inner.mac.replace(":", "")))


def _is_passing(host: "Socket", outer: "Link") -> bool:
    """Whether the port forwards; and the bridge sends, which it does not before its first port."""
    is_forwarding = outer.port is not None and outer.port.state != BR_STATE_DISABLED
    if outer.operstate != IF_OPER_UP or not is_forwarding:
        return False
    bridge = links.parse(host.ask(links.get(outer.master)))
    # Unknown is what a bridge says that had a carrier from the start: as good as up (netif_oper_up).
    return bridge.operstate in (IF_OPER_UP, IF_OPER_UNKNOWN)


def _link(socket: "Socket", name: str) -> "Link":
    return links.parse(socket.ask(links.get(name)))
