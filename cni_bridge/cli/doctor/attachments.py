"""Check veth pairs, addresses and routes, and records of what is gone.

Judged from facts alone; what no config specifies is not checked.
"""

from collections.abc import Iterator
from functools import partial

from cni_bridge import address
from cni_bridge.address import prefix_text
from cni_bridge.cli import default_route, firewall_summary, host_state, inventory
from cni_bridge.cli import gc as gc_command
from cni_bridge.cli.doctor import fixes
from cni_bridge.cli.doctor.facts import Facts
from cni_bridge.cli.doctor.findings import Diagnosis, Fix
from cni_bridge.cli.host_state import KernelInterface
from cni_bridge.cli.inventory import Attached
from cni_bridge.edge.config import STATE_DIR
from cni_bridge.model import Route, Veth
from cni_bridge.parts import veth

MOST = 5  # names in one finding
RESTART = "restart the container, so that its runtime sends DEL and ADD"


def stale(facts: Facts) -> Iterator[Diagnosis]:
    """Find stale records."""
    alive = {each.attachment for each in living(facts)}
    for directory, holdings in facts.dead.items():
        command = "cni-bridge gc"
        if directory != STATE_DIR:
            command += f" --state-dir {directory}"
        for each in holdings:
            if each.attachment in alive:
                continue  # `links` reports that its interface is gone
            who = f"{facts.found.title(each.attachment.container)} {each.attachment.ifname}"
            held = ", ".join(prefix_text(lease.address) for lease in each.leases)
            yield Diagnosis(
                cause=f"{who} on {each.attachment.network} is stale: recorded, but its container is gone",
                effect=f"no other container can get {held or 'its name'}",
                command=command,
                fix=Fix(what=command, act=partial(gc_command.free, directory)),
            )
    dead = {each.attachment for holdings in facts.dead.values() for each in holdings}
    for found in facts.found.attachments:
        if found.health == inventory.LEAKED and found.attachment not in dead:
            yield Diagnosis(
                cause=f"{_who(found)}: {found.notes[0]}",
                effect=f"no other container can get {', '.join(found.addresses) or 'its name'}",
                command=_deletion(found, facts),
            )


def unknown(facts: Facts) -> Iterator[Diagnosis]:
    """Find running containers that no ledger records: their host ends prove that they exist."""
    lost: dict[str, list[Attached]] = {}
    of_network = {each.name: each.state_dir for each in facts.configs}
    for each in facts.found.attachments:
        if each.health == inventory.UNKNOWN and each.protection is not firewall_summary.NOTHING:
            network = each.attachment.network
            yield Diagnosis(
                cause=f"{_who(each)} is recorded in a ledger that was not inspected: "
                f"network {network} has another ipam.dataDir",
                effect="it is not checked",
                command=f"cni-bridge doctor --conf-dir DIR   # that has the config of {network}",
            )
        elif each.health == inventory.UNKNOWN:
            directory = of_network.get(each.attachment.network, facts.state_dirs[0])
            lost.setdefault(directory, []).append(each)
    for directory, those in lost.items():
        names = ", ".join(map(_who, those[:MOST])) + (" …" if those[MOST:] else "")
        yield unrecorded(f"the ledger in {directory} does not record {names}", directory)


def unrecorded(cause: str, directory: str) -> Diagnosis:
    """Return the finding about a ledger that must be rebuilt from kernel state."""
    command = "cni-bridge restore --from-kernel"
    if directory != STATE_DIR:
        command += f" --state-dir {directory}"
    return Diagnosis(
        cause=cause,
        effect="addresses and ports of running containers may be assigned to others",
        command=command,
        fix=Fix(what=command, act=partial(fixes.rebuild, directory)),
    )


def links(facts: Facts) -> Iterator[Diagnosis]:
    """Find pairs that are gone, down, or off their bridge."""
    for each in living(facts):
        host_end, container_end = each.host_end, each.container_end
        is_cut = host_end is None and not each.is_wire  # whose other end is in a container
        if container_end is None or is_cut:
            name = each.host_name if is_cut else each.attachment.ifname
            yield Diagnosis(
                cause=f"{name} of {_who(each)} is gone",
                effect="the container is not connected",
                command=RESTART,
            )
            continue
        if host_end and not each.is_wire:
            yield from _host_end(each, host_end, facts)
        if not container_end.is_up and not facts.is_kept_down(each.attachment.network):
            yield Diagnosis(
                cause=f"{each.attachment.ifname} in {each.title} is down",
                effect="the container has no connectivity, and its routes are gone",
                command=inside(each, f"ip link set {each.attachment.ifname} up"),
                fix=restoring(each, facts),
            )


def _host_end(each: Attached, host_end: KernelInterface, facts: Facts) -> Iterator[Diagnosis]:
    """Check that the host end is up, on its bridge, and forwarding."""
    fix = restoring(each, facts)
    if not host_end.is_up:
        simple = Fix(what=f"set {each.host_name} up", act=partial(fixes.bring_up, each.host_name))
        yield Diagnosis(
            cause=f"host end {each.host_name} of {_who(each)} is down",
            effect="the container has no connectivity",
            command=f"ip link set {each.host_name} up",
            fix=fix or simple,
        )
    plan = facts.plans.get(each.attachment)
    bridge = fixes.bridge_of(plan).name if plan else host_end.master
    if host_end.master != bridge or not bridge:
        yield Diagnosis(
            cause=f"host end {each.host_name} of {_who(each)} is on "
            f"{'bridge ' + host_end.master if host_end.master else 'no bridge'}",
            effect="the container has no connectivity on its network",
            command=f"ip link set {each.host_name} master {bridge or 'BRIDGE'}",
            fix=fix,
        )
    else:
        yield from _port(each, host_end, facts)


def _port(each: Attached, port: KernelInterface, facts: Facts) -> Iterator[Diagnosis]:
    """Find a port that does not forward although it is up; ports that are down are reported already."""
    bridge = facts.found.host.interface(each.bridge)
    if bridge is None or port.port_state == host_state.FORWARDING:
        return
    if not (port.is_up and port.has_carrier and bridge.is_up):
        return
    cause = f"port {port.name} of {_who(each)} is {port.port_state}"
    effect = "the container has no connectivity"
    command = f"bridge link set dev {port.name} state 3"
    if bridge.has_stp:
        yield Diagnosis(
            cause=f"{cause}, by STP of {bridge.name}",
            effect=f"{effect} until STP has ruled out loops, 30 s after ADD",
            command=f"ip link set {bridge.name} type bridge stp_state 0; {command}   # if there are no loops",
        )
        return
    yield Diagnosis(
        cause=f"{cause}, and {bridge.name} has no STP",
        effect=effect,
        command=command,
        fix=Fix(what=f"let {port.name} forward", act=partial(fixes.forward, port.name)),
    )


def addresses(facts: Facts) -> Iterator[Diagnosis]:
    """Find leased addresses that the container has lost."""
    for each in living(facts):
        if each.container_end is None:
            continue
        for prefix in each.addresses:
            if prefix not in each.container_end.addresses:
                ifname = each.attachment.ifname
                yield Diagnosis(
                    cause=f"{prefix} is not on {ifname} in {each.title}",
                    effect="the container cannot be reached at its address",
                    command=inside(each, f"ip addr add {prefix} dev {ifname}"),
                    fix=restoring(each, facts),
                )


def routes(facts: Facts) -> Iterator[Diagnosis]:
    """Find routes of the main table that ADD made and the container has lost."""
    for each in living(facts):
        plan = facts.plans.get(each.attachment)
        space = facts.found.space(each.space) if each.space else None
        if not plan or not space or not each.container_end or not each.container_end.is_up:
            continue
        present = {(item.destination, item.gateway) for item in space.routes}
        own = [  # an address that is lost brings its route when it is given back
            Route(destination=subnet)
            for subnet, prefix in veth.connected(plan.veth).items()
            if prefix_text(prefix) in each.container_end.addresses
        ]
        for route in (*own, *plan.veth.routes):
            target = prefix_text(route.destination)
            gateway = address.text(route.gateway) if route.gateway else ""
            if route.table or (target, gateway) in present:
                continue
            name = "default" if not route.destination.length else target
            others = [
                item.metric
                for item in space.routes
                if item.destination == target and item.device != plan.veth.container_name
            ]
            if name == "default":
                route = default_route.behind(route, others)
            via = f" via {gateway}" if gateway else ""
            yield Diagnosis(
                cause=f"{_who(each)} has no route {name}{via}",
                effect="the container reaches nothing beyond its subnet"
                if name == "default"
                else f"the container cannot reach {target}",
                command=inside(each, _addition(route, name + via, plan.veth)),
                fix=restoring(each, facts),
            )


def living(facts: Facts) -> Iterator[Attached]:
    """Yield the attachments with a cni-bridge veth pair that should work."""
    for each in facts.found.attachments:
        if each.health in (inventory.OK, inventory.MISSING) and each.space:
            yield each


def inside(each: Attached, command: str) -> str:
    """Return a command to run in the container's network namespace."""
    return f"nsenter --net={each.netns_path} {command}"


def restoring(each: Attached, facts: Facts) -> Fix | None:
    """Return the fix that restores an attachment; None if no config specifies it."""
    plan = facts.plans.get(each.attachment)
    if plan is None or each.host_end is None or each.container_end is None:
        return None
    is_published = bool(each.protection.ports)
    return Fix(
        what=f"restore addresses and routes of {_who(each)}",
        act=partial(fixes.restore, plan, each.netns_path, is_published=is_published),
    )


def _who(each: Attached) -> str:
    return f"{each.title} {each.attachment.ifname}"


def _addition(route: Route, words: str, want: Veth) -> str:
    """Return the command that adds a route; a connected one as the kernel would add it."""
    is_ipv6 = address.family(route.destination.ip) == address.AF_INET6
    ip = f"ip {'-6 ' if is_ipv6 else ''}route add {words} dev {want.container_name}"
    own = None if route.gateway else veth.connected(want).get(route.destination)
    if own is None:
        return f"{ip} metric {route.priority}" if route.priority else ip
    return f"{ip} proto kernel " + (
        f"metric {fixes.IP6_RT_PRIO_ADDRCONF}"
        if is_ipv6
        else f"scope link src {address.text(own.ip)}"
    )


def _deletion(each: Attached, facts: Facts) -> str:
    """Return the DEL that the runtime still has to send."""
    identity = each.attachment
    variables = f"CNI_COMMAND=DEL CNI_CONTAINERID={identity.container} CNI_IFNAME={identity.ifname}"
    config = f'{{"cniVersion": "1.0.0", "name": "{identity.network}", "type": "cni-bridge"}}'
    return f"{variables} CNI_PATH={':'.join(facts.plugin_dirs)} cni-bridge <<< '{config}'"
