"""A wire: a veth pair with one end in each of two containers, or with one end parked on the host.

An end is parked until its container is added: it is down, and named as the other's host end.
"""

import time
from errno import EEXIST

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


def park(host: Socket, container: "OpenNetns", want: Veth) -> None:
    """Create the pair: one end in the container, down; the other parked."""
    creation = links.create_veth(
        want.host_name,
        want.container_name,
        bridge=0,
        netns=container.descriptor,
        mtu=want.mtu,
        mac=want.mac,
    )
    try:
        host.run(creation)
    except KernelError as error:
        if error.errno != EEXIST:
            raise
        raise _taken(container, want) from error
    host.run(links.set_alias(want.host_name, want.alias))


def own(container: "OpenNetns", want: Veth) -> None:
    """Mark the owner of an end by its alias; an end without an alias is incomplete."""
    inside = netns.inside(container, Socket)
    inside.run(links.set_alias(want.container_name, want.alias))
    inside.close()


def parked_end(host: Socket, container: "OpenNetns", want: Veth) -> "Link | None":
    """Return the parked end, if the end in the container is complete."""
    inside = netns.inside(container, Socket)
    try:
        inner = veth.find(inside, want.container_name)
    finally:
        inside.close()
    is_complete = inner is not None and inner.alias == want.alias
    return veth.find(host, want.host_name) if is_complete else None


def take(host: Socket, parked: "Link", container: "OpenNetns", want: Veth) -> None:
    """Move the parked end into the container that it was waiting for."""
    inside = netns.inside(container, Socket)
    if veth.find(inside, want.container_name):
        raise _taken(container, want)
    # The alias first: it proves the owner wherever the process may die.
    host.run(
        links.set_alias(parked.index, want.alias),
        links.move(
            parked.index,
            want.container_name,
            container.descriptor,
            mtu=want.mtu,
            mac=want.mac,
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
            inside.run(links.delete(link.index))
            return
        home = netns.open_netns(netns.OWN_NETNS, may_be_own=True)
        name = names.host_name(other)
        inside.run(links.move(link.index, name, home.descriptor))
        host.run(links.set_alias(name, names.alias(other)))
        netns.close(home)
    finally:
        inside.close()


def settle(container: "OpenNetns", want: Veth) -> bool:
    """Wait until frames can pass and every address is usable. Raise TryAgainLater.

    Return False at once if the end is down: its container wants that, or is about to set it up.
    """
    inside, events = netns.inside(
        container, lambda: (Socket(), Socket(groups=RTMGRP_LINK | RTMGRP_IPV6_IFADDR))
    )
    try:
        deadline = time.monotonic() + UP_TIMEOUT_S
        while (link := _link(inside, want.container_name)).operstate != IF_OPER_UP:
            if not link.is_up:
                return False
            left = deadline - time.monotonic()
            if left <= 0:
                raise TryAgainLater(
                    f"{want.container_name} in {container.identity.path} did not come up",
                    f"waited {UP_TIMEOUT_S} s; operstate is {link.operstate}",
                )
            events.wait(int(left * 1000) + 1)
        if veth.has_ipv6(want):
            from cni_bridge.kernel import duplicates

            duplicates.wait(inside, events, link.index)
        if want.addresses:
            inside.run(veth.announcement(link))
        return True
    finally:
        events.close()
        inside.close()


def problems(
    host: Socket,
    container: "OpenNetns",
    want: Veth,
    far: "tuple[OpenNetns, str] | None",
    mac: str,
) -> "Iterator[str]":
    """Yield every difference between the plan and the kernel; `far` is where the other end belongs."""
    inside = netns.inside(container, Socket)
    inner = veth.find(inside, want.container_name)
    if inner is None:
        yield veth.missing(container, want.container_name)
        return
    yield from veth.inside_problems(inside, inner, want, mac)
    if want.mtu and inner.mtu > want.mtu:
        yield f"MTU of {inner.name}: expected {want.mtu}, found {inner.mtu}"
    parked = veth.find(host, want.host_name)
    if parked and parked.peer == inner.index:
        return
    where = f"parked as {want.host_name}"
    if far:
        there, name = far
        outer = veth.find(netns.inside(there, Socket), name)
        if outer and (outer.peer, inner.peer) == (inner.index, outer.index):
            return
        where += f" or as {name} in {there.identity.path}"
    yield f"other end of {inner.name}: expected {where}, found none"


def _own_end(inside: Socket, owner: Attachment) -> "Link | None":
    link = veth.find(inside, owner.ifname)
    is_ours = link and link.kind == "veth" and link.alias == names.alias(owner)
    return link if is_ours else None


def _taken(container: "OpenNetns", want: Veth) -> NameTaken:
    path = container.identity.path
    return NameTaken(
        f"interface {want.container_name} or {want.host_name} already exists",
        f"remove {want.container_name} from {path}, or send DEL for this attachment first",
    )


def _link(inside: Socket, name: str) -> "Link":
    return links.parse(inside.ask(links.get(name)))
