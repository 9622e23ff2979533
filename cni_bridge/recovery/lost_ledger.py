"""Rebuild a lost ledger from kernel state: which attachments exist, with which addresses.

Adds missing records and changes nothing else. Loaded where a ledger is new, and by
`restore --from-kernel`.
"""

import time

from cni_bridge import address, names
from cni_bridge.address import AF_INET, AF_INET6
from cni_bridge.kernel import layer3, links, machine, netns, netns_ids
from cni_bridge.kernel.netlink import Socket
from cni_bridge.lean.record import replace
from cni_bridge.ledger import host_ledger, rebuilt_records, state_directory, store
from cni_bridge.model import Holding, Lease, Netns
from cni_bridge.parts import veth
from cni_bridge.recovery import other_ledgers
from cni_bridge.stderr import remark

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cni_bridge.kernel.links import Link
    from cni_bridge.ledger.store import Ledger
    from cni_bridge.model import Attachment

    Ends = dict[Attachment, Link]

LOST = "the ledger was lost"
RT_SCOPE_UNIVERSE = 0  # linux/rtnetlink.h


def rebuild(host: Socket, ledger: "Ledger", network: str | None = None) -> list[Holding]:
    """Record the attachments that have no record in their ledger; return them.

    Those are the ones whose alias names this ledger, and all of `network`, whose addresses must not be
    leased again even if another ledger has their records. A holding without a netns inode means that
    no path leads to the container's namespace: its addresses are unknown. The ledger is locked
    meanwhile, so no attachment comes or goes.
    """
    with ledger.transaction():
        known = {each.attachment for each in ledger.holdings()}
        elsewhere = _elsewhere(ledger)

        def is_home(alias: str) -> bool:
            is_unknown = network is None and names.directory_in(alias) == ""
            return is_unknown or other_ledgers.is_home(ledger, alias)

        lost = {
            attachment: link
            for attachment, link in veth.host_ends(host).items()
            if attachment not in known
            and (
                attachment.network == network
                or (attachment not in elsewhere and is_home(link.alias))
            )
        }
        recorded = [rebuilt_records.insert(ledger.database, each) for each in _seen(host, lost)]
        for attachment, link in lost.items():
            rebuilt_records.name(ledger.database, attachment, *names.called_in(link.alias))
        rebuilt_records.complete(ledger.database)
        if network:
            rebuilt_records.note_look(ledger.database, network)
            if host_ledger.is_hosts(ledger):
                other_ledgers.return_network(ledger, network)
        return [each for each in recorded if each]


def rebuild_new(host: Socket, ledger: "Ledger", network: str) -> None:
    """Record existing attachments in a ledger that knows none of the network: one may be lost."""
    found = rebuild(host, ledger, network)
    for holding in found:
        cause = "another ledger had the network" if ledger.database.is_whole else LOST
        remark(f"{cause}: {text(holding)}")
    if found:
        from cni_bridge.firewall import apply
        from cni_bridge.recovery import firewall_records

        register = host_ledger.open_register(ledger)
        firewall_records.rebuild(host, register, found)
        apply.restore(register)


def _elsewhere(ledger: "Ledger") -> "set[Attachment]":
    """Return the attachments that another ledger records although their alias may not say so.

    Older versions' aliases name no directory: a protected attachment without a holding in the host's
    ledger has one in its network's own, and the holdings in the host's are in no other.
    """
    if host_ledger.is_hosts(ledger):
        return host_ledger.all_protected(ledger)
    hosts = store.find_ledger(state_directory.HOST)
    return {each.attachment for each in hosts.holdings()} if hosts else set()


def text(holding: Holding, title: str = "") -> str:
    """Describe what was recorded, or why it was not."""
    attachment = holding.attachment
    who = f"{title or attachment.container} {attachment.ifname} on {attachment.network}"
    if not holding.netns.inode:
        return f"recorded {who} without addresses: no path leads to its namespace"
    held = ", ".join(address.prefix_text(lease.address) for lease in holding.leases)
    return f"recorded {held or 'no address'} of {who}"


def _seen(host: Socket, lost: "Ends") -> list[Holding]:
    """Return what the kernel shows of these, in whichever namespaces their other ends are."""
    left = dict(lost)
    seen = []
    for space in netns_ids.found() if left else ():
        number = netns_ids.identifier(host, space)
        there = {who: outer for who, outer in left.items() if outer.peer_netns == number}
        inside = netns.inside(space, Socket)
        for attachment, outer in there.items():
            if inner := _container_end(attachment, outer, inside):
                master = veth.find(host, outer.master) if outer.master else None
                known = replace(
                    _holding(attachment, outer),
                    netns=space.identity,
                    leases=_leases(host, outer, inside, inner),
                    bridge=master and master.name,
                    mac=bytes.fromhex(inner.mac.replace(":", "")) if master else None,
                )
                seen.append(known)
                del left[attachment]
        inside.close()
    return seen + [_holding(attachment, outer) for attachment, outer in left.items()]


def _container_end(attachment: "Attachment", outer: "Link", inside: Socket) -> "Link | None":
    """Return the other end, if it still has the name that ADD gave it."""
    answer = inside.find(links.get(outer.peer))
    inner = links.parse(answer) if answer else None
    return inner if inner and (inner.name, inner.kind) == (attachment.ifname, "veth") else None


def _leases(host: Socket, outer: "Link", inside: Socket, inner: "Link") -> tuple[Lease, ...]:
    """Return the addresses of the container end, each with its subnet's gateway."""
    gateways = [each.ip for each in _addresses(host, outer.master)]
    for family in (AF_INET, AF_INET6):
        routes = map(layer3.parse_route, inside.dump(layer3.routes(family, inner.index)))
        gateways += [gateway for route in routes for _, gateway in route.ways if gateway]
    return tuple(
        Lease(
            address=each,
            gateway=next((ip for ip in gateways if address.contains(each, ip)), None),
        )
        for each in _addresses(inside, inner.index)
    )


def _addresses(socket: Socket, interface: int) -> list[address.Prefix]:
    """Return an interface's addresses, IPv4 first, without link-local ones."""
    answers = [
        layer3.parse_address(answer)
        for family in (AF_INET, AF_INET6)
        for answer in socket.dump(layer3.addresses(family, interface))
    ]
    return [each.address for each in answers if each.scope == RT_SCOPE_UNIVERSE]


def _holding(attachment: "Attachment", outer: "Link") -> Holding:
    """Return the record of an attachment of which the container's end is not known."""
    return Holding(
        attachment=attachment,
        host_name=outer.name,
        netns=Netns(path="", device=0, inode=0),
        boot_id=machine.boot_id(),
        created=time.time_ns() // 1_000_000,
        pid=0,
        is_confirmed=True,
    )
