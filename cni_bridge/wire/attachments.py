"""Attach and detach the ends of a wire, across the ledger and the namespaces of two containers.

Loaded only for networks with mode `wire`. Every step that hands an end to another container holds
the ledger's lock, so that two concurrent ADDs find each other.
"""

from cni_bridge import names, optional_parts, plan, timings
from cni_bridge.errors import InvalidNetns, TryAgainLater, UnknownContainer
from cni_bridge.kernel import netns
from cni_bridge.lean.record import record, replace
from cni_bridge.model import Grant, Interface
from cni_bridge.parts import veth, veth_removal
from cni_bridge.stderr import remark
from cni_bridge.wire import part as wire_part
from cni_bridge.wire.ledger import Wires

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cni_bridge.ipam.sources import Source
    from cni_bridge.kernel.links import Link
    from cni_bridge.kernel.netlink import Socket
    from cni_bridge.kernel.netns import OpenNetns
    from cni_bridge.ledger.store import Ledger
    from cni_bridge.model import Attachment, Holding, Netns, NetworkConfig, Plan, Veth
    from cni_bridge.wire.ledger import WireEnd


@record
class Peer:
    """The other end of a wire, and the open namespace of its container."""

    netns: "OpenNetns"
    veth: "Veth"


def attach(
    host: "Socket",
    container: "OpenNetns",
    ledger: "Ledger",
    *,
    holding: "Holding",
    settings: "NetworkConfig",
    addresses: "Source",
) -> "tuple[Plan, tuple[Interface, ...]]":
    """Create the wire with its other end parked, or take the end that another container parked.

    Raise WireTaken for a third container, and TryAgainLater if a DEL has overtaken the ADD.
    """
    planned = plan.build(holding.attachment, settings, addresses.grant(holding, settings))
    desired = planned.veth
    assert desired.mac, "the plan of a wire always has a MAC"
    mac, wires = desired.mac, Wires(ledger)
    with wires.transaction():
        wires.enrol(planned.attachment, desired.mtu, mac)
    with wires.transaction():
        peer = _join(host, container, wires, planned, settings)
    timings.done("wire")
    inner = _populate(host, container, planned)
    if peer and desired.is_up and wire_part.settle(peer.netns, peer.veth):
        wire_part.settle(container, desired)
        timings.done("wire up")
    path = container.identity.path
    return planned, (Interface(name=inner.name, mac=inner.mac, mtu=inner.mtu, sandbox=path),)


def remove(host: "Socket", ledger: "Ledger", attachments: "Sequence[Attachment]") -> None:
    """Take these attachments' ends out of their containers, and park them for the peers that stay.

    A wire whose other end is parked is removed later, by the name of its host end.
    """
    wires = Wires(ledger)
    with wires.transaction():
        for end in (each for item in attachments for each in wires.of(item)):
            staying = (
                other.holding
                for other in wires.others(end.holding.attachment)
                if other.holding.attachment not in attachments
            )
            _part(host, end, next(staying, None))


def remove_unrecorded(host: "Socket", netns_path: str, attachment: "Attachment") -> None:
    """Remove an end that no ledger records any more; its alias proves its owner."""
    try:
        there = netns.open_netns(netns_path)
    except (InvalidNetns, UnknownContainer):
        return  # the end is gone with its namespace
    wire_part.leave(host, there, attachment, None)
    netns.close(there)


def problems(
    host: "Socket", container: "OpenNetns", ledger: "Ledger | None", planned: "Plan", mac: str
) -> "Iterator[str]":
    """Yield every difference between the plan and the kernel: what, expected, found."""
    there, name = None, ""
    for other in Wires(ledger).others(planned.attachment) if ledger else ():
        there, name = _home(other.holding.netns), other.holding.attachment.ifname
    yield from wire_part.problems(
        host, container, planned.veth, peer_netns=there, peer_name=name, mac=mac
    )


# ---------------------------------------------------------------- with the ledger locked


def _join(
    host: "Socket",
    container: "OpenNetns",
    wires: Wires,
    planned: "Plan",
    settings: "NetworkConfig",
) -> "Peer | None":
    """Create this attachment's end; return the other end if the wire is complete now."""
    attachment = planned.attachment
    if not wires.of(attachment):
        raise TryAgainLater(f"{attachment.container} was deleted while it was being added")
    for other in wires.others(attachment):
        there = _home(other.holding.netns)
        if there is None:
            _report_missing_netns(other.holding)
            continue
        its = _plan_of(other, settings)
        if other.holding.is_confirmed and not wire_part.parked_end(host, there, its.veth):
            _recreate(host, there, its)
        # A peer that is still being added has no end yet; it will find this one.
        if parked := wire_part.parked_end(host, there, its.veth):
            wire_part.take(host, parked, container, planned.veth)
            return Peer(netns=there, veth=its.veth)
    wire_part.park(host, container, planned.veth)
    wire_part.own(container, planned.veth)
    return None


def _recreate(host: "Socket", there: "OpenNetns", its: "Plan") -> None:
    """Recreate the end of a container that lost it with its peer's namespace."""
    # If it exists, it is incomplete.
    veth_removal.remove(host, veth_removal.find(host, its.veth.host_name))
    wire_part.leave(host, there, its.attachment, None)
    wire_part.park(host, there, its.veth)
    _populate(host, there, its)
    wire_part.own(there, its.veth)
    timings.done(f"end of {its.attachment.container} recreated")


def _plan_of(other: "WireEnd", settings: "NetworkConfig") -> "Plan":
    """Return what the ADD of the other end planned."""
    own = replace(settings, mac=other.mac, attachment_mtu=other.mtu, names=None)
    grant = Grant(leases=other.holding.leases, routes=settings.ipam.routes)
    return plan.build(other.holding.attachment, own, grant)


def _part(host: "Socket", end: "WireEnd", other: "Holding | None") -> None:
    attachment = end.holding.attachment
    there = _home(end.holding.netns)
    if there is None or veth.find_own(host, names.host_name(attachment)):
        return
    stays = other is not None and _home(other.netns) is not None
    wire_part.leave(host, there, attachment, other.attachment if other and stays else None)


# ---------------------------------------------------------------- helpers


def _populate(host: "Socket", container: "OpenNetns", planned: "Plan") -> "Link":
    _, _, inner = veth.populate(container, planned.veth, optional_parts.prepare(planned))
    optional_parts.apply(host, container, planned)
    return inner


def _home(identity: "Netns") -> "OpenNetns | None":
    """Return the namespace of a record, if its path still leads to the same one."""
    try:
        found = netns.open_netns(identity.path, may_be_own=True)
    except (InvalidNetns, UnknownContainer):
        return None
    if (found.identity.device, found.identity.inode) == (identity.device, identity.inode):
        return found
    netns.close(found)
    return None


def _report_missing_netns(holding: "Holding") -> None:
    who = holding.attachment.container
    timings.done(f"namespace of {who} is gone")
    remark(
        f"{holding.netns.path} of {who} is gone: its end of the wire can't be recreated; "
        "this end waits for the next container"
    )
