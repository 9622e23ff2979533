"""Check bridges, gateway addresses and MTUs."""

from collections.abc import Iterator
from functools import partial

from cni_bridge.address import parse_prefix, prefix_text
from cni_bridge.cli.doctor import fixes
from cni_bridge.cli.doctor.attachments import inside, living
from cni_bridge.cli.doctor.facts import Facts, gateway_of
from cni_bridge.cli.doctor.findings import Diagnosis, Fix
from cni_bridge.cli.host_state import KernelInterface
from cni_bridge.cli.inventory import Attached
from cni_bridge.kernel.netns import OWN_NETNS

DEFAULTS = ("0.0.0.0/0", "::/0")
CONFIG = "the config"
LOST = "large packets are lost: connections open, then hang"
UNLIMITED = 1 << 16


def bridges(facts: Facts) -> Iterator[Diagnosis]:
    """Find bridges that are gone or down, or have lost a gateway address."""
    of_bridge = {fixes.bridge_of(plan).name: plan for plan in facts.plans.values()}
    for name, plan in of_bridge.items():
        fix = Fix(what=f"restore bridge {name}", act=partial(fixes.ensure_bridge, plan))
        found = facts.found.host.interface(name)
        if found is None:
            yield Diagnosis(
                cause=f"bridge {name} is gone",
                effect=f"containers on {plan.attachment.network} have no connectivity",
                command=f"ip link add {name} type bridge; ip link set {name} up",
                fix=fix,
            )
        elif not found.is_up:
            yield Diagnosis(
                cause=f"bridge {name} is down",
                effect=f"containers on {plan.attachment.network} have no connectivity",
                command=f"ip link set {name} up",
                fix=fix,
            )
    yield from _gateways(facts)


def sizes(facts: Facts) -> Iterator[Diagnosis]:
    """Find MTUs at which packets are silently lost, or that differ from the config."""
    wanted = {each.veth.host_name: each.veth.mtu for each in facts.plans.values() if each.veth.mtu}
    for each in living(facts):
        outer, inner = each.host_end, each.container_end
        if outer is None or inner is None:
            continue
        config_mtu = wanted.get(outer.name, outer.mtu)
        if outer.mtu != config_mtu:
            command = f"ip link set {outer.name} mtu {config_mtu}"
            yield Diagnosis(
                cause=f"host end {outer.name} has MTU {outer.mtu}, {CONFIG} has {config_mtu}",
                effect=LOST,
                command=command,
                fix=_resizing(command, OWN_NETNS, outer.name, config_mtu),
            )
        limits = _limits(each, facts, wanted)
        tight = next(((what, mtu) for what, mtu in limits.items() if mtu < inner.mtu), None)
        if tight:
            yield _wrong(each, inner, tight, tight[1])
        elif each.attachment in facts.plans and not facts.is_chained(each.attachment.network):
            widest = min(limits.values())
            if inner.mtu < widest:
                yield _wrong(each, inner, next(iter(limits.items())), widest)


def _limits(each: Attached, facts: Facts, wanted: dict[str, int]) -> dict[str, int]:
    """Return the MTUs a container must not exceed, by what sets them, its own pair first.

    Ports count with the MTU that their configs specify.
    """
    ports = {
        link.name: wanted.get(link.name, link.mtu)
        for link in facts.found.host.interfaces
        if link.master == each.bridge
    }
    own = ports.pop(each.host_name, UNLIMITED)
    return {
        CONFIG if each.host_name in wanted else f"its host end {each.host_name}": own,
        f"another port of {each.bridge}": min(ports.values(), default=UNLIMITED),
        "the uplink": _uplink_mtu(each, facts) if _leaves(each.space, facts) else UNLIMITED,
    }


def _wrong(each: Attached, inner: KernelInterface, reason: tuple[str, int], mtu: int) -> Diagnosis:
    """Report a container end whose MTU differs from the one that `reason` sets."""
    what, its = reason
    command = inside(each, f"ip link set {inner.name} mtu {mtu}")
    advice = "" if what == CONFIG or mtu > inner.mtu else f'   # and "mtu": {mtu} in the config'
    return Diagnosis(
        cause=f"{each.title} {inner.name} has MTU {inner.mtu}, {what} has {its}",
        effect=LOST
        if mtu < inner.mtu
        else "larger packets to it are lost, and it sends smaller ones than it could",
        command=command + advice,
        fix=_resizing(command, each.netns_path, inner.name, mtu),
    )


def _resizing(command: str, netns_path: str, ifname: str, mtu: int) -> Fix:
    return Fix(what=command, act=partial(fixes.set_mtu, netns_path, ifname, mtu))


def _gateways(facts: Facts) -> Iterator[Diagnosis]:
    by_device = {gateway_of(plan): plan for plan in facts.plans.values()}
    for name, wanted in facts.gateways.items():
        found = facts.found.host.interface(name)
        if found is None:
            continue
        present = {parse_prefix(each) for each in found.addresses}
        for prefix in sorted(wanted - present, key=prefix_text):
            plan = by_device[name]
            yield Diagnosis(
                cause=f"{name} does not have the gateway address {prefix_text(prefix)}",
                effect=f"containers on {plan.attachment.network} reach nothing beyond their bridge",
                command=f"ip addr add {prefix_text(prefix)} dev {name}",
                fix=Fix(
                    what=f"restore bridge {fixes.bridge_of(plan).name}",
                    act=partial(fixes.ensure_bridge, plan),
                ),
            )


def _uplink_mtu(each: Attached, facts: Facts) -> int:
    """Return the smallest MTU of the interfaces by which packets of a bridge leave."""
    host = facts.found.host
    devices = {route.device for route in host.routes if route.destination in DEFAULTS}
    plan = facts.plans.get(each.attachment)
    devices = set(facts.uplinks.get(gateway_of(plan), ()) if plan else ()) or devices
    return min((link.mtu for link in host.interfaces if link.name in devices), default=UNLIMITED)


def _leaves(name: str | None, facts: Facts) -> bool:
    space = facts.found.space(name) if name else None
    return space is not None and any(route.destination in DEFAULTS for route in space.routes)
