"""A wire: a veth pair with one end in each of two containers, or with one end parked on the host.

An end is parked until its container is added: it is down, and named as the other's host end.
"""

import time
from errno import EEXIST, ENODEV

from cni_bridge import names
from cni_bridge.errors import NameTaken, TryAgainLater
from cni_bridge.kernel import links, netns
from cni_bridge.kernel.messages import IF_OPER_UP, RTMGRP_IPV6_IFADDR, RTMGRP_LINK
from cni_bridge.kernel.netlink import KernelError, Socket
from cni_bridge.model import Attachment, Veth
from cni_bridge.parts import veth

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from cni_bridge.kernel.links import Link
    from cni_bridge.kernel.netns import OpenNetns

UP_TIMEOUT_S = 2.5  # as for a port of a bridge


def park(host: Socket, container: "OpenNetns", desired: Veth) -> None:
    """Create the pair: one end in the container, down; the other parked."""
    creation = links.create_veth(
        desired.host_name,
        desired.container_name,
        bridge=0,
        netns=container.descriptor,
        mtu=desired.mtu,
        mac=desired.mac,
    )
    try:
        host.run(creation)
    except KernelError as error:
        if error.errno != EEXIST:
            raise
        raise _taken(container, desired) from error
    host.run(links.set_alias(desired.host_name, desired.alias))


def own(container: "OpenNetns", desired: Veth) -> None:
    """Mark the owner of an end by its alias; an end without an alias is incomplete."""
    inside = netns.inside(container, Socket)
    inside.run(links.set_alias(desired.container_name, desired.alias))
    inside.close()


def parked_end(host: Socket, container: "OpenNetns", desired: Veth) -> "Link | None":
    """Return the parked end, if the end in the container is complete."""
    inside = netns.inside(container, Socket)
    try:
        inner = veth.find(inside, desired.container_name)
    finally:
        inside.close()
    is_complete = inner is not None and names.is_same_owner(inner.alias, desired.alias)
    return veth.find_own(host, desired.host_name) if is_complete else None


def take(host: Socket, parked: "Link", container: "OpenNetns", desired: Veth) -> None:
    """Move the parked end into the container that it was waiting for."""
    inside = netns.inside(container, Socket)
    if veth.find(inside, desired.container_name):
        raise _taken(container, desired)
    # The alias first: it proves the owner wherever the process may die.
    host.run(
        links.set_alias(parked.index, desired.alias),
        links.move(
            parked.index,
            desired.container_name,
            container.descriptor,
            mtu=desired.mtu,
            mac=desired.mac,
        ),
    )
    inside.close()


def leave(
    host: Socket, container: "OpenNetns", owner: Attachment, other: Attachment | None
) -> None:
    """Take the owner's end out of its container: park it for `other`, or delete it.

    An interface of that name with another owner stays.
    """
    inside = netns.inside(container, Socket)
    try:
        link = _own_end(inside, owner)
        if link is None:
            return
        if other is None:
            removal = links.delete(link.index, link.name)
            inside.begin_apart(removal)
            inside.run(removal, tolerate=ENODEV)
            return
        home = netns.open_netns(netns.OWN_NETNS, may_be_own=True)
        name = names.host_name(other)
        inside.run(links.move(link.index, name, home.descriptor))
        alias = names.alias(other, names.directory_in(link.alias))
        host.run(links.set_alias(name, alias))
        netns.close(home)
    finally:
        inside.close()


def settle(container: "OpenNetns", desired: Veth) -> bool:
    """Wait until frames can pass and every address is usable. Raise TryAgainLater.

    Return False at once if the end is down: its container wants that, or is about to set it up.
    """
    inside, events = netns.inside(
        container, lambda: (Socket(), Socket(groups=RTMGRP_LINK | RTMGRP_IPV6_IFADDR))
    )
    try:
        deadline = time.monotonic() + UP_TIMEOUT_S
        while (link := _link(inside, desired.container_name)).operstate != IF_OPER_UP:
            if not link.is_up:
                return False
            left = deadline - time.monotonic()
            if left <= 0:
                raise TryAgainLater(
                    f"{desired.container_name} in {container.identity.path} did not come up",
                    f"waited {UP_TIMEOUT_S} s; operstate is {link.operstate}",
                )
            events.wait(int(left * 1000) + 1)
        if veth.has_ipv6(desired):
            from cni_bridge.kernel import duplicates

            duplicates.wait(inside, events, link.index)
        if desired.addresses:
            inside.run(*veth.announcement(link))
        return True
    finally:
        events.close()
        inside.close()


def problems(
    host: Socket,
    container: "OpenNetns",
    desired: Veth,
    *,
    peer_netns: "OpenNetns | None",
    peer_name: str,
    mac: str,
) -> "Iterator[str]":
    """Yield every difference between the plan and the kernel: what, expected, found.

    The other end belongs into `peer_netns` as `peer_name`, or is parked if that is None.
    """
    inside = netns.inside(container, Socket)
    inner = veth.find(inside, desired.container_name)
    if inner is None:
        yield veth.missing(container, desired.container_name)
        return
    yield from veth.inside_problems(inside, inner, desired, mac)
    if desired.mtu and inner.mtu > desired.mtu:
        yield f"MTU of {inner.name}: expected {desired.mtu}, found {inner.mtu}"
    parked = veth.find(host, desired.host_name)
    if parked and parked.peer == inner.index:
        return
    where = f"parked as {desired.host_name}"
    if peer_netns:
        outer = veth.find(netns.inside(peer_netns, Socket), peer_name)
        if outer and (outer.peer, inner.peer) == (inner.index, outer.index):
            return
        where += f" or as {peer_name} in {peer_netns.identity.path}"
    yield f"other end of {inner.name}: expected {where}, found none"


def _own_end(inside: Socket, owner: Attachment) -> "Link | None":
    link = veth.find(inside, owner.ifname)
    is_ours = link and link.kind == "veth" and names.is_alias_of(link.alias, owner)
    return link if is_ours else None


def _taken(container: "OpenNetns", desired: Veth) -> NameTaken:
    path = container.identity.path
    return NameTaken(
        f"interface {desired.container_name} or {desired.host_name} already exists",
        f"remove {desired.container_name} from {path}, or send DEL for this attachment first",
    )


def _link(inside: Socket, name: str) -> "Link":
    return links.parse(inside.ask(links.get(name)))
