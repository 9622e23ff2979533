"""A wire's order of steps, across the ledger and the namespaces of two containers.

Loaded only for networks that are a wire. Everything that gives an end to somebody else is done with
the ledger locked, so that two that come at once find each other.
"""

from cni_bridge import names, optional_parts, plan, timings
from cni_bridge.errors import InvalidNetns, TryAgainLater, UnknownContainer
from cni_bridge.kernel import netns
from cni_bridge.lean.record import replace
from cni_bridge.model import Grant, Interface
from cni_bridge.parts import veth
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

    End = tuple[OpenNetns, Veth]


def attach(
    host: "Socket",
    container: "OpenNetns",
    ledger: "Ledger",
    *,
    holding: "Holding",
    settings: "NetworkConfig",
    addresses: "Source",
) -> "tuple[Plan, tuple[Interface, ...]]":
    """Make the wire and wait for the other container, or complete the wire of the one that waits.

    Raises WireTaken for a third, and TryAgainLater if a DEL has overtaken the ADD.
    """
    wanted = plan.build(holding.attachment, settings, addresses.grant(holding, settings))
    want = wanted.veth
    assert want.mac, "the plan of a wire has one"
    mac, wires = want.mac, Wires(ledger)
    with wires.transaction():
        wires.enrol(wanted.attachment, want.mtu, mac)
    with wires.transaction():
        far = _join(host, container, wires, (wanted, settings))
    timings.done("wire")
    inner = _populate(host, container, wanted)
    if far and want.is_up and wire_part.settle(*far):
        wire_part.settle(container, want)
        timings.done("wire up")
    path = container.identity.path
    return wanted, (Interface(name=inner.name, mac=inner.mac, mtu=inner.mtu, sandbox=path),)


def remove(host: "Socket", ledger: "Ledger", attachments: "Sequence[Attachment]") -> None:
    """Take the ends of these attachments back, and park them for those who stay.

    A wire whose other end is parked is left to removal by the host end's name.
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
    """Remove an end of which no ledger tells any more; its alias proves whose it is."""
    try:
        there = netns.open_netns(netns_path)
    except (InvalidNetns, UnknownContainer):
        return  # gone with its namespace
    wire_part.leave(host, there, attachment, None)
    netns.close(there)


def problems(
    host: "Socket", container: "OpenNetns", ledger: "Ledger | None", wanted: "Plan", mac: str
) -> "Iterator[str]":
    """Every difference between the plan and the kernel: what, expected, found."""
    far = None
    for other in Wires(ledger).others(wanted.attachment) if ledger else ():
        there = _home(other.holding.netns)
        far = (there, other.holding.attachment.ifname) if there else None
    yield from wire_part.problems(host, container, wanted.veth, far, mac)


# ---------------------------------------------------------------- with the ledger locked


def _join(
    host: "Socket", container: "OpenNetns", wires: Wires, planned: "tuple[Plan, NetworkConfig]"
) -> "End | None":
    """Make our end; return the other one if the wire is whole now."""
    wanted, settings = planned
    attachment = wanted.attachment
    if not wires.of(attachment):
        raise TryAgainLater(f"{attachment.container} was deleted while it was being added")
    for other in wires.others(attachment):
        there = _home(other.holding.netns)
        if there is None:
            _say_that_it_is_gone(other.holding)
            continue
        its = _plan_of(other, settings)
        if other.holding.is_confirmed and not wire_part.parked_end(host, there, its.veth):
            _make_anew(host, there, its)
        # Of one that is still being added there is none yet: it will find ours.
        if parked := wire_part.parked_end(host, there, its.veth):
            wire_part.take(host, parked, container, wanted.veth)
            return there, its.veth
    wire_part.park(host, container, wanted.veth)
    wire_part.own(container, wanted.veth)
    return None


def _make_anew(host: "Socket", there: "OpenNetns", its: "Plan") -> None:
    """The end of a container that has lost it with its neighbour's namespace."""
    veth.remove(host, its.veth.host_name)  # half-made, if it is there
    wire_part.leave(host, there, its.attachment, None)
    wire_part.park(host, there, its.veth)
    _populate(host, there, its)
    wire_part.own(there, its.veth)
    timings.done(f"end of {its.attachment.container} made anew")


def _plan_of(other: "WireEnd", settings: "NetworkConfig") -> "Plan":
    """What the ADD of the other end has planned."""
    own = replace(settings, mac=other.mac, attachment_mtu=other.mtu)
    grant = Grant(leases=other.holding.leases, routes=settings.ipam.routes)
    return plan.build(other.holding.attachment, own, grant)


def _part(host: "Socket", end: "WireEnd", other: "Holding | None") -> None:
    attachment = end.holding.attachment
    there = _home(end.holding.netns)
    if there is None or veth.find(host, names.host_name(attachment)):
        return
    stays = other is not None and _home(other.netns) is not None
    wire_part.leave(host, there, attachment, other.attachment if other and stays else None)


# ---------------------------------------------------------------- helpers


def _populate(host: "Socket", container: "OpenNetns", wanted: "Plan") -> "Link":
    inner = veth.populate(container, wanted.veth)[1]
    optional_parts.apply(host, container, wanted)
    return inner


def _home(identity: "Netns") -> "OpenNetns | None":
    """The namespace of a record, if it is still that one."""
    try:
        found = netns.open_netns(identity.path, may_be_own=True)
    except (InvalidNetns, UnknownContainer):
        return None
    if (found.identity.device, found.identity.inode) == (identity.device, identity.inode):
        return found
    netns.close(found)
    return None


def _say_that_it_is_gone(holding: "Holding") -> None:
    who = holding.attachment.container
    timings.done(f"namespace of {who} is gone")
    remark(
        f"{holding.netns.path} of {who} is gone: its end of the wire can't be made "
        "anew, and this one waits for its successor"
    )
