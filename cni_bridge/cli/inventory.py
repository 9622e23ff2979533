"""What there is: the ledger's records joined with what the kernel shows.

Read only. Every picture and table of attachments is made from this one model.
"""

from collections.abc import Iterator, Mapping

from cni_bridge import names
from cni_bridge.address import prefix_text
from cni_bridge.cli import clusters, firewall_summary, host_state, units
from cni_bridge.cli.clusters import Cluster
from cni_bridge.cli.firewall_summary import Guarded, Guards
from cni_bridge.cli.host_state import End, Interface, Space
from cni_bridge.kernel import machine, netlink
from cni_bridge.lean.record import record, replace
from cni_bridge.ledger import host_ledger, store
from cni_bridge.model import Attachment, Holding, Netns
from cni_bridge.recovery import stale

OK = "ok"
ADDING = "adding"  # an ADD is at work
MISSING = "missing"  # recorded, and its container lives, but not all of it is there
LEAKED = "leaked"  # nobody's any more: a record of something gone
FOREIGN = "foreign"  # on a bridge of ours, but not ours
UNKNOWN = "unknown"  # an interface of ours that no ledger looked at records: another may


@record
class Attached:
    """One attachment as the ledger and the kernel know it together.

    `created` is Unix time in milliseconds; None where there is no record.
    """

    attachment: Attachment
    health: str
    notes: tuple[str, ...]
    space: str | None
    netns_path: str
    bridge: str
    host_name: str
    host_end: Interface | None
    container_end: Interface | None
    addresses: tuple[str, ...]
    created: int | None
    guarded: Guarded = firewall_summary.NOTHING
    is_wire: bool = False

    @property
    def title(self) -> str:
        """The container's id, short."""
        return units.short(self.attachment.container)

    @property
    def far_end(self) -> End | None:
        """Of a wire, the other container's end, if there is one."""
        peer = self.container_end.peer if self.is_wire and self.container_end else None
        return peer if peer and peer.space != host_state.HOST else None

    @property
    def traffic(self) -> tuple[int, int]:
        """Bytes that the container has received and sent: the host end has it reversed."""
        if self._end_seen is None:
            return 0, 0
        seen = self._end_seen.counters
        there = seen.sent_bytes, seen.received_bytes
        return there[::-1] if self.is_wire else there

    @property
    def packets(self) -> tuple[int, int, int]:
        """Packets that the container has received and sent, and those that were dropped."""
        if self._end_seen is None:
            return 0, 0, 0
        seen = self._end_seen.counters
        there = seen.sent_packets, seen.received_packets
        return *(there[::-1] if self.is_wire else there), seen.dropped

    @property
    def _end_seen(self) -> Interface | None:
        """The end whose counters count: of a wire, there is none on the host."""
        return self.container_end if self.is_wire else self.host_end


@record
class Inventory:
    """The host's space first, then the containers' that can be entered."""

    spaces: tuple[Space, ...]
    bridges: tuple[Interface, ...]
    attachments: tuple[Attached, ...]
    foreign: tuple[Interface, ...]
    clusters: tuple[Cluster, ...] = ()  # networks over many hosts

    @property
    def host(self) -> Space:
        """The host's own namespace."""
        return self.spaces[0]

    def space(self, name: str) -> Space | None:
        """The space of that name."""
        return next((each for each in self.spaces if each.name == name), None)


def take(*state_dirs: str, others: Mapping[str, str] | None = None) -> Inventory:
    """Everything of the ledgers of state directories, and what it corresponds to.

    `others`: name and path of namespaces to look at although no record names them.
    """
    wired = _recorded_in(state_dirs)
    holdings = tuple(wired)
    spaces = host_state.look({**(others or {}), **_paths(holdings)})
    host = spaces[0]
    dead = {each.attachment: why for each, why in stale.provably_gone(netlink.Socket(), holdings)}
    firewall = Guards()
    attachments = [
        _recorded(each, spaces, dead.get(each.attachment, ""), is_wire=wired[each])
        for each in holdings
    ]
    attachments = [replace(each, guarded=firewall.of(each.attachment)) for each in attachments]
    known = {each.host_name for each in attachments}
    where = ", ".join(state_dirs)
    attachments += [_unrecorded(each, where) for each in host.interfaces if _is_lost(each, known)]
    attachments.sort(key=lambda each: (each.attachment.network, not each.created, each.created))
    bridges = tuple(_bridges(host, attachments))
    ours = {bridge.name for bridge in bridges}
    known |= {each.host_name for each in attachments}
    return Inventory(
        spaces=spaces,
        bridges=bridges,
        attachments=tuple(attachments),
        foreign=tuple(
            each for each in host.interfaces if each.master in ours and each.name not in known
        ),
        clusters=clusters.seen(*state_dirs),
    )


def _recorded_in(state_dirs: tuple[str, ...]) -> dict[Holding, bool]:
    """What ledgers hold, and whether each is an end of a wire."""
    ledgers = [ledger for each in state_dirs if (ledger := store.find_ledger(each))]
    return {
        holding: host_ledger.is_wired(ledger, holding.attachment)
        for ledger in ledgers
        for holding in ledger.holdings()
    }


def _paths(holdings: tuple[Holding, ...]) -> dict[str, str]:
    """A path for each container's namespace, under the container's id."""
    return {each.attachment.container: each.netns.path for each in holdings if each.netns.path}


def _recorded(
    holding: Holding, spaces: tuple[Space, ...], proof: str, *, is_wire: bool
) -> Attached:
    attachment = holding.attachment
    host_end = spaces[0].interface(holding.host_name)
    space = _home(holding.netns, spaces)
    container_end = space.interface(attachment.ifname) if space else None
    found = Attached(
        attachment=attachment,
        health=OK,
        notes=(),
        space=space.name if space else None,
        netns_path=holding.netns.path,
        bridge=host_end.master if host_end else "",
        host_name=holding.host_name,
        host_end=host_end,
        container_end=container_end,
        addresses=tuple(prefix_text(lease.address) for lease in holding.leases),
        created=holding.created,
        is_wire=is_wire,
    )
    health, notes = _health(found, holding, proof)
    return replace(found, health=health, notes=notes)


def _home(identity: Netns, spaces: tuple[Space, ...]) -> Space | None:
    """The space that is the very namespace of the record, whatever is at its path now."""
    key = (identity.device, identity.inode)
    found = ((each.identity.device, each.identity.inode) for each in spaces)
    return next((each for each, its in zip(spaces, found, strict=True) if its == key), None)


def _health(found: Attached, holding: Holding, proof: str) -> tuple[str, tuple[str, ...]]:
    """`proof`: why it is dead, if it is."""
    if proof:
        return LEAKED, (f"{proof}; `cni-bridge gc` frees its addresses",)
    if not holding.netns.inode:
        return OK, ("addresses only: another plugin made the interface",)
    if stale.is_adding(holding):
        return ADDING, ()
    if not holding.is_confirmed:
        return LEAKED, (f"its ADD (process {holding.pid}) died half-way; send DEL for it",)
    notes = tuple(_missing(found))
    if not notes and found.is_wire and not found.far_end:
        return OK, ("waits for the container at the other end of the wire",)
    if not notes and found.space is None:
        return OK, (f"its namespace is not at {found.netns_path} any more",)
    return (MISSING if notes else OK), notes


def _missing(found: Attached) -> Iterator[str]:
    """What of an attachment is not as ADD left it, as far as can be seen without its config."""
    host_end, container_end = found.host_end, found.container_end
    if found.is_wire:
        if container_end and not found.far_end and not host_end:
            yield f"the other end of {container_end.name} is gone"
    elif host_end is None:
        yield f"host end {found.host_name} is gone"
    elif not host_end.is_up:
        yield f"host end {found.host_name} is down"
    elif not host_end.master:
        yield f"host end {found.host_name} is on no bridge"
    if found.space is None:
        return
    if container_end is None:
        yield f"{found.attachment.ifname} is gone from {found.netns_path}"
        return
    for prefix in found.addresses:
        if prefix not in container_end.addresses:
            yield f"{prefix} is not on {container_end.name}"


def _is_lost(interface: Interface, known: set[str]) -> bool:
    """Whether it is a host end of ours that no record tells of: name and alias prove it."""
    owner = _owner(interface)
    return owner is not None and interface.name not in known


def _owner(interface: Interface) -> Attachment | None:
    return names.owner(interface.name, interface.alias) if interface.kind == "veth" else None


def _unrecorded(interface: Interface, where: str) -> Attached:
    attachment = _owner(interface)
    if attachment is None:
        raise ValueError(f"{interface.name} is not ours")
    return Attached(
        attachment=attachment,
        health=UNKNOWN,
        notes=(f"no record in {where}: a leak, or of a network with another ipam.dataDir",),
        space=None,
        netns_path="",
        bridge=interface.master,
        host_name=interface.name,
        host_end=interface,
        container_end=None,
        addresses=(),
        created=None,
    )


def _bridges(host: Space, attachments: list[Attached]) -> Iterator[Interface]:
    """Those that attachments are on, and those that were made by us: the MAC tells."""
    used = {each.bridge for each in attachments}
    this_machine = machine.machine_id()
    for each in host.interfaces:
        made_by_us = names.bridge_mac(each.name, this_machine).hex(":")
        if each.kind == "bridge" and (each.name in used or each.mac == made_by_us):
            yield each
