"""Delete veth pairs by the names of their host ends, one or many at once."""

import posix
from errno import ENODEV

from cni_bridge.kernel import links
from cni_bridge.parts import veth

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from cni_bridge.kernel.links import Link
    from cni_bridge.kernel.netlink import Request, Socket

FEW = 2  # the most interfaces of one attachment


def find(host: "Socket", *names: str) -> "list[Link]":
    """Return host ends and ifbs of cni-bridge by name, without absent ones and foreign interfaces.

    What is done to them later goes by index: a late request must not find a new one of that name.
    """
    if len(names) <= FEW:
        return [link for name in names if (link := veth.find_own(host, name))]
    return among(veth.listed(host), names)


def among(listed: "list[Link]", names: "Iterable[str]") -> "list[Link]":
    """Return those of all interfaces that `find` would."""
    wanted = set(names)
    return [link for link in listed if link.name in wanted and veth.is_own(link, link.name)]


def detach(host: "Socket", found: "list[Link]") -> None:
    """Stop all frames of host ends; one that is gone is not an error. `remove` does the slow rest.

    Off the bridge as well as down: then the kernel has waited for the frames that were on their way.
    """
    if len(found) <= FEW:
        own = [link for link in found if link.kind == "veth"]
        host.run(*(links.set_up(link.index, False) for link in own), tolerate=ENODEV)
        host.run(*(links.set_master(link.index, 0) for link in own), tolerate=ENODEV)
    else:
        remove(host, found)


def remove(
    host: "Socket",
    found: "list[Link]",
    kept: "Socket | None" = None,
    listed: "list[Link] | None" = None,
) -> None:
    """Delete interfaces; one that is gone is not an error.

    The kernel answers such a request some 15 ms after the interface has gone. Another process waits
    for that, and then closes `kept`. `listed` are all interfaces if this process has asked for them.
    """
    if len(found) > FEW:
        _run_apart(host, _together(host, found, listed), kept)
    else:
        _run_apart(host, [links.delete(link.index, link.name) for link in found], kept)


def _run_apart(host: "Socket", requests: "list[Request]", kept: "Socket | None") -> None:
    if requests:
        host.begin_apart(*requests, kept=kept)
        # The kernel carries out one such request at a time, so the answers to these are the proof.
        host.run(*requests, tolerate=ENODEV)


def _together(host: "Socket", found: "list[Link]", listed: "list[Link] | None") -> "list[Request]":
    """Put many interfaces into a group; return a request that deletes it.

    The kernel then waits once instead of once for each. A process that had this one's number may have
    left interfaces in the group.
    """
    group = veth.GROUPS | posix.getpid()
    if any(link.group == group for link in (veth.listed(host) if listed is None else listed)):
        return [links.delete(link.index, link.name) for link in found]
    outcomes = host.attempt(*(links.set_group(link.index, group) for link in found))
    for refusal in filter(None, outcomes):
        if refusal.errno != ENODEV:
            raise refusal
    return [links.delete_group(group)] if None in outcomes else []
