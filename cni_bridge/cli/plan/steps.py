"""The steps of an ADD, from its plan and the current state.

Reads the host; changes nothing.
"""

from collections.abc import Iterator, Mapping

from cni_bridge import address, names
from cni_bridge.address import prefix_text
from cni_bridge.cli.host_state import KernelInterface, Space
from cni_bridge.cli.plan import options
from cni_bridge.kernel import machine, sysctl
from cni_bridge.lean.record import record
from cni_bridge.model import Attachment, Bridge, Holding, Lease, Plan, Port, Route
from cni_bridge.parts import bridge, veth

NEW = "+"  # would be made
THERE = "="  # is so already
BLOCKED = "!"  # would make the ADD fail


@record
class Step:
    """One desired fact, and whether it is already so."""

    mark: str
    place: str
    text: str


@record
class Situation:
    """The current state: the network's records, the host, and the container if it exists.

    `titles`: what to call the recorded containers.
    """

    holdings: tuple[Holding, ...]
    host: Space
    container: Space | None
    titles: Mapping[str, str]

    def title(self, each: Attachment) -> str:
        """Name a container and its interface."""
        return f"{self.titles.get(each.container, each.container)} {each.ifname}"


def of(plan: Plan, found: Situation) -> list[Step]:
    """Return the steps in the order of ADD."""
    own = next((each for each in found.holdings if each.attachment == plan.attachment), None)
    inner = found.container.interface(plan.veth.container_name) if found.container else None
    return [
        *_record(plan, own, found),
        *(_bridge(plan.bridge, found.host.interface(plan.bridge.name)) if plan.bridge else ()),
        *(Step(mark=NEW, place="firewall", text=text) for text in options.firewall(plan)),
        *_pair(plan, found, is_taken=inner is not None and own is None),
        *_inside(plan, inner),
        *(Step(mark=NEW, place=place, text=text) for place, text in options.of_interface(plan)),
        Step(mark=NEW, place="ledger", text="confirm, unless a DEL arrives in the meantime"),
    ]


def _record(plan: Plan, own: Holding | None, found: Situation) -> Iterator[Step]:
    who = f"{found.title(plan.attachment)} on {plan.attachment.network}"
    if own is not None:
        yield Step(mark=BLOCKED, place="ledger", text=f"{who} is recorded already: send DEL first")
    else:
        yield Step(mark=NEW, place="ledger", text=f"record {who}")
    for lease in plan.leases:
        yield _lease(lease, own, found)


def _lease(lease: Lease, own: Holding | None, found: Situation) -> Step:
    ip = lease.address.ip
    for each in found.holdings:
        if each != own and any(held.address.ip == ip for held in each.leases):
            text = f"{address.text(ip)} is held by {found.title(each.attachment)}"
            return Step(mark=BLOCKED, place="ledger", text=text)
    gateway = f", gateway {address.text(lease.gateway)}" if lease.gateway else ""
    text = f"lease {prefix_text(lease.address)}{gateway}"
    return Step(mark=THERE if own else NEW, place="ledger", text=text)


def _bridge(want: Bridge, found: KernelInterface | None) -> Iterator[Step]:
    if found is not None and found.kind != "bridge":
        kind = found.kind or "hardware"
        yield Step(mark=BLOCKED, place="host", text=f"{want.name} is {kind}, not a bridge")
        return
    mac = names.bridge_mac(want.name, machine.machine_id()).hex(":")
    filters = ", filters VLANs" if want.filters_vlans else ""
    text = f"bridge {want.name}, MAC {found.mac if found else mac}{_mtu(want.mtu)}{filters}"
    yield Step(mark=THERE if found else NEW, place="host", text=text)
    if want.is_promiscuous:
        yield Step(mark=NEW, place="host", text=f"{want.name} promiscuous")
    present = tuple(map(address.parse_prefix, found.addresses)) if found else ()
    for gateway in want.gateways:
        mark = THERE if gateway in present else NEW
        text = f"address {prefix_text(gateway)} on {want.name}"
        if mark == NEW and (others := bridge.conflicts(want, gateway, present)):
            listed = ", ".join(map(prefix_text, others))
            mark = NEW if want.replaces_address else BLOCKED
            text += f" in place of {listed}"
        yield Step(mark=mark, place="host", text=text)
    for length in sorted({len(gateway.ip) for gateway in want.gateways}):
        key = bridge.FORWARDING[length]
        mark = THERE if sysctl.read(key) == "1" else NEW
        yield Step(mark=mark, place="host", text=f"sysctl {key} = 1")


def _pair(plan: Plan, found: Situation, *, is_taken: bool) -> Iterator[Step]:
    want = plan.veth
    is_there = found.host.interface(want.host_name) is not None
    if is_taken:
        text = f"{want.container_name} exists already"
        yield Step(mark=BLOCKED, place="container", text=text)
    if want.port is None:
        yield from _wire(plan, found)
        return
    mac = f", MAC {want.mac.hex(':')}" if want.mac else ""
    text = f"veth pair {want.host_name} to {want.container_name}{mac}{_mtu(want.mtu)}"
    yield Step(mark=THERE if is_there else NEW, place="host", text=text)
    text = ", ".join((f"{want.host_name} on {want.port.bridge}", *_flags(want.port)))
    yield Step(mark=THERE if is_there else NEW, place="host", text=text)


def _flags(port: Port) -> Iterator[str]:
    yield from (name for name in ("hairpin", "isolated") if getattr(port, name))
    if port.vlan and port.vlan.access:
        yield f"VLAN {port.vlan.access}"
    if port.vlan and port.vlan.trunk:
        yield f"tagged VLANs {', '.join(map(str, port.vlan.trunk))}"


def _wire(plan: Plan, found: Situation) -> Iterator[Step]:
    """Yield the steps for a wire: its other end, or a parked one that waits."""
    want = plan.veth
    others = [each for each in found.holdings if each.attachment != plan.attachment]
    listed = " and ".join(found.title(each.attachment) for each in others)
    if len(others) > 1:
        yield Step(mark=BLOCKED, place="ledger", text=f"both ends of the wire are held: {listed}")
    elif others and found.host.interface(others[0].host_name):
        text = f"{others[0].host_name}, parked, becomes {want.container_name}: wired to {listed}"
        yield Step(mark=NEW, place="container", text=text)
    elif others:
        text = f"veth pair to {listed}, whose host end is recreated"
        yield Step(mark=NEW, place="container", text=text)
    else:
        text = f"veth pair {want.container_name} to {want.host_name}, parked for a second container"
        yield Step(mark=NEW, place="host", text=text)


def _inside(plan: Plan, found: KernelInterface | None) -> Iterator[Step]:
    want = plan.veth
    for key, value, _ in veth.sysctls(want):
        yield Step(mark=NEW, place="container", text=f"sysctl {key} = {value}")
    present = found.addresses if found else ()
    for item in map(prefix_text, want.addresses):
        mark = THERE if item in present else NEW
        yield Step(mark=mark, place="container", text=f"address {item} on {want.container_name}")
    if want.is_up:
        mark = THERE if found and found.is_up else NEW
        yield Step(mark=mark, place="container", text=f"{want.container_name} up")
    for route in want.routes:
        yield Step(mark=NEW, place="container", text=_route(route))
    if want.is_up and want.port:
        text = f"wait until {want.host_name} forwards" + (
            ", then announce the addresses" if want.addresses else ""
        )
        yield Step(mark=NEW, place="host", text=text)


def _route(route: Route) -> str:
    parts = [f"route {prefix_text(route.destination)}"]
    if route.gateway:
        parts.append(f"via {address.text(route.gateway)}")
    keys = ("mtu", "advmss", "priority", "table", "scope")
    given = {key: getattr(route, key) for key in keys if getattr(route, key) is not None}
    return " ".join((*parts, *(f"{key} {value}" for key, value in given.items())))


def _mtu(mtu: int) -> str:
    return f", mtu {mtu}" if mtu else ""
