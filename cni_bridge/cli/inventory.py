"""The host's networks: the ledger's records joined with what the kernel shows.

Read only. Every table and picture of attachments is made from this model.
"""

from collections.abc import Iterator, Mapping

from cni_bridge import names
from cni_bridge.address import prefix_text
from cni_bridge.cli import clusters, container_names, firewall_summary, host_state, units
from cni_bridge.cli.clusters import Cluster
from cni_bridge.cli.container_names import Known
from cni_bridge.cli.firewall_summary import FirewallRecords, Protection
from cni_bridge.cli.host_state import End, KernelInterface, Space
from cni_bridge.kernel import machine, netlink
from cni_bridge.lean.record import record, replace
from cni_bridge.ledger import host_ledger, store
from cni_bridge.ledger.store import Ledger
from cni_bridge.model import Attachment, Holding, Netns
from cni_bridge.recovery import stale

OK = "ok"
ADDING = "adding"  # an ADD is at work
MISSING = "missing"  # recorded, and its container lives, but not all of it is there
LEAKED = "leaked"  # recorded, but the container is gone
FOREIGN = "foreign"  # on a cni-bridge bridge, but not made by cni-bridge
UNKNOWN = "unknown"  # a cni-bridge veth that no inspected ledger records


@record
class Attached:
    """One attachment as recorded in the ledger and as found in the kernel.

    `created` is Unix time in milliseconds; None if there is no record.
    """

    attachment: Attachment
    health: str
    notes: tuple[str, ...]
    space: str | None
    netns_path: str
    bridge: str
    host_name: str
    host_end: KernelInterface | None
    container_end: KernelInterface | None
    addresses: tuple[str, ...]
    created: int | None
    protection: Protection = firewall_summary.NOTHING
    is_wire: bool = False
    names: tuple[str, ...] = ()  # the best first
    given_title: str = ""  # where the names of all containers are known
    rates: tuple[int, ...] = ()  # bytes received and sent a second, where they are watched
    far_title: str = ""  # of the container at the other end of a wire

    @property
    def name(self) -> str:
        """What its runtime or `ip netns` calls the container; empty if it has only an id."""
        return self.names[0] if self.names else ""

    @property
    def title(self) -> str:
        """The container's name, with the id where that is not enough; without a name the id."""
        return self.given_title or self.name or units.short(self.attachment.container)

    @property
    def shown_addresses(self) -> tuple[str, ...]:
        """The leased addresses or, of a delegated IPAM plugin, those that the container has."""
        return self.addresses or (self.container_end.addresses if self.container_end else ())

    @property
    def far_end(self) -> End | None:
        """The other container's end of a wire, if there is one."""
        peer = self.container_end.peer if self.is_wire and self.container_end else None
        return peer if peer and peer.space != host_state.HOST else None

    @property
    def traffic(self) -> tuple[int, int]:
        """Bytes that the container has received and sent: the host end's counters swapped."""
        if self._end_seen is None:
            return 0, 0
        seen = self._end_seen.counters
        there = seen.sent_bytes, seen.received_bytes
        return there[::-1] if self.is_wire else there

    @property
    def packets(self) -> tuple[int, int, int]:
        """Packets that the container has received and sent, and the number dropped."""
        if self._end_seen is None:
            return 0, 0, 0
        seen = self._end_seen.counters
        there = seen.sent_packets, seen.received_packets
        return *(there[::-1] if self.is_wire else there), seen.dropped

    @property
    def _end_seen(self) -> KernelInterface | None:
        """The end whose counters apply: a wire has none on the host."""
        return self.container_end if self.is_wire else self.host_end


@record
class Inventory:
    """Everything found; `spaces` has the host first, then the containers that can be entered."""

    spaces: tuple[Space, ...]
    bridges: tuple[KernelInterface, ...]
    attachments: tuple[Attached, ...]
    foreign: tuple[KernelInterface, ...]
    clusters: tuple[Cluster, ...] = ()  # networks over many hosts

    @property
    def host(self) -> Space:
        """The host's own namespace."""
        return self.spaces[0]

    @property
    def containers(self) -> tuple[Known, ...]:
        """All containers, with what they are called."""
        return tuple(
            Known(
                container=each.attachment.container,
                names=(*each.names, each.netns_path.rpartition("/")[2]),
                addresses=tuple(prefix.partition("/")[0] for prefix in each.shown_addresses),
            )
            for each in self.attachments
        )

    def space(self, name: str) -> Space | None:
        """Return the space of that name."""
        return next((each for each in self.spaces if each.name == name), None)

    def title(self, container: str) -> str:
        """Return a container's name, or what there is of it."""
        own = (each for each in self.attachments if each.attachment.container == container)
        return next((each.title for each in own), units.short(container))


def take(*state_dirs: str, others: Mapping[str, str] | None = None) -> Inventory:
    """Return everything in the ledgers of these state directories, joined with the kernel's state.

    `others`: name and path of further namespaces to inspect.
    """
    ledgers = [ledger for each in state_dirs if (ledger := store.find_ledger(each))]
    wired = _recorded_in(ledgers)
    holdings = tuple(wired)
    spaces = host_state.look({**_paths(holdings), **(others or {}), **_paths(holdings)})
    host = spaces[0]
    # A container that lost its interface lives; that others may take its address is another matter.
    dead = {
        each.attachment: why
        for each, why in stale.provably_gone(netlink.Socket(), holdings)
        if why != stale.INTERFACE_GONE
    }
    firewall = FirewallRecords()
    attachments = [
        _recorded(each, spaces, dead.get(each.attachment, ""), is_wire=wired[each])
        for each in holdings
    ]
    attachments = [replace(each, protection=firewall.of(each.attachment)) for each in attachments]
    known = {each.host_name for each in attachments}
    where = ", ".join(state_dirs)
    lost = [_unrecorded(each, where) for each in host.interfaces if _is_lost(each, known)]
    attachments += [replace(each, protection=firewall.of(each.attachment)) for each in lost]
    attachments = _named(attachments, container_names.recorded(ledgers))
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


def _named(attachments: list[Attached], recorded: Mapping[str, tuple[str, ...]]) -> list[Attached]:
    """Return the attachments with their containers' names and titles."""
    names: dict[str, tuple[str, ...]] = {}
    for each in attachments:
        container = each.attachment.container
        found = container_names.every(container, each.netns_path, recorded.get(container, ()))
        names[container] = names.get(container) or found
    titles = container_names.titles(names)
    named = (
        replace(
            each,
            names=names[each.attachment.container],
            given_title=titles[each.attachment.container],
            far_title=titles.get(each.far_end.space, "") if each.far_end else "",
        )
        for each in attachments
    )
    return [_with_isolation(each) for each in named]


def _with_isolation(each: Attached) -> Attached:
    """Return the attachment with a note if a command has isolated its container."""
    if not each.protection.is_isolated:
        return each
    note = f"isolated from all other containers: `cni-bridge join {each.title}` ends that"
    return replace(each, notes=(*each.notes, note))


def _recorded_in(ledgers: list[Ledger]) -> dict[Holding, bool]:
    """Return the holdings of the ledgers, and whether each is an end of a wire."""
    return {
        holding: host_ledger.is_wired(ledger, holding.attachment)
        for ledger in ledgers
        for holding in ledger.holdings()
    }


def _paths(holdings: tuple[Holding, ...]) -> dict[str, str]:
    """Return each container's namespace path by container id."""
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
    """Return the space whose identity is recorded, whatever is at its path now."""
    key = (identity.device, identity.inode)
    found = ((each.identity.device, each.identity.inode) for each in spaces)
    return next((each for each, its in zip(spaces, found, strict=True) if its == key), None)


def _health(found: Attached, holding: Holding, proof: str) -> tuple[str, tuple[str, ...]]:
    """Judge an attachment; `proof` says why it is stale, or is empty."""
    if proof:
        return LEAKED, (f"{proof}; `cni-bridge gc` frees its addresses",)
    if not holding.netns.inode:
        return OK, ("addresses only: another plugin created the interface",)
    if stale.is_adding(holding):
        return ADDING, ()
    if not holding.is_confirmed:
        return LEAKED, (
            f"its ADD (process {holding.pid}) died before it finished; send DEL for it",
        )
    notes = tuple(_missing(found))
    if not notes and found.is_wire and not found.far_end:
        return OK, ("waiting for the container at the other end of the wire",)
    if not notes and found.space is None:
        return OK, (f"its namespace is no longer at {found.netns_path}",)
    return (MISSING if notes else OK), notes


def _missing(found: Attached) -> Iterator[str]:
    """Yield what ADD made and is gone, as far as that can be seen without the config."""
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


def _is_lost(interface: KernelInterface, known: set[str]) -> bool:
    """Whether it is a cni-bridge host end, by name and alias, without a record."""
    owner = _owner(interface)
    return owner is not None and interface.name not in known


def _owner(interface: KernelInterface) -> Attachment | None:
    return names.owner(interface.name, interface.alias) if interface.kind == "veth" else None


def _unrecorded(interface: KernelInterface, where: str) -> Attached:
    attachment = _owner(interface)
    if attachment is None:
        raise ValueError(f"{interface.name} was not made by cni-bridge")
    return Attached(
        attachment=attachment,
        health=UNKNOWN,
        notes=(f"not recorded in {where}: it leaked, or its network has another ipam.dataDir",),
        space=None,
        netns_path="",
        bridge=interface.master,
        host_name=interface.name,
        host_end=interface,
        container_end=None,
        addresses=(),
        created=None,
    )


def _bridges(host: Space, attachments: list[Attached]) -> Iterator[KernelInterface]:
    """Yield the bridges that attachments use, and those that cni-bridge made, known by MAC."""
    used = {each.bridge for each in attachments}
    this_machine = machine.machine_id()
    for each in host.interfaces:
        made_by_us = names.bridge_mac(each.name, this_machine).hex(":")
        if each.kind == "bridge" and (each.name in used or each.mac == made_by_us):
            yield each
