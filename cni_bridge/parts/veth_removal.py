"""Delete veth pairs by the names of their host ends, one or many at once."""

import posix
from errno import ENODEV

from cni_bridge.kernel import links
from cni_bridge.parts import veth

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cni_bridge.kernel.netlink import Request, Socket

FEW = 2  # the most interfaces of one attachment


def detach(host: "Socket", *names: str) -> None:
    """Stop all frames of host ends; an absent one is not an error. `remove` does the slow rest.

    Off the bridge as well as down: then the kernel has waited for the frames that were on their way.
    """
    if len(names) <= FEW:
        host.run(*(links.set_up(name, False) for name in names), tolerate=ENODEV)
        host.run(*(links.set_master(name, 0) for name in names), tolerate=ENODEV)
    else:
        remove(host, *names)


def remove(host: "Socket", *names: str, kept: "Socket | None" = None) -> None:
    """Delete interfaces of the host by name: host ends and ifbs; an absent one is not an error.

    The kernel answers such a request some 15 ms after the interface has gone. Another process waits
    for that, and then closes `kept`.
    """
    requests = _one_by_one(host, names) if len(names) <= FEW else _together(host, names)
    if requests:
        host.begin_apart(*requests, kept=kept)
        # The kernel carries out one such request at a time, so the answers to these are the proof.
        host.run(*requests, tolerate=ENODEV)


def _one_by_one(host: "Socket", names: tuple[str, ...]) -> "list[Request]":
    """Return requests by index: a late one must not find a new interface of that name."""
    found = [link for name in names if (link := veth.find(host, name))]
    return [links.delete(link.index, link.name) for link in found]


def _together(host: "Socket", names: tuple[str, ...]) -> "list[Request]":
    """Put many interfaces into a group; return a request that deletes it.

    The kernel then waits once instead of once for each.
    """
    group = veth.GROUPS | posix.getpid()
    host.run(*(links.set_group(name, group) for name in names), tolerate=ENODEV)
    grouped = [link for link in map(links.parse, host.dump(links.listing())) if link.group == group]
    own = [link for link in grouped if link.name in names]
    if len(own) == len(grouped):
        return [links.delete_group(group)] if own else []
    return [links.delete(link.index, link.name) for link in own]  # the group number is in use
