"""What can be wrong with bridges, and with the sizes of what goes over them.

Judged from facts alone.
"""

from collections.abc import Iterator
from functools import partial

from cni_bridge.address import parse_prefix, prefix_text
from cni_bridge.cli.doctor import mending
from cni_bridge.cli.doctor.attachments import inside, living
from cni_bridge.cli.doctor.facts import Facts, gateway_of
from cni_bridge.cli.doctor.findings import Finding, Mend
from cni_bridge.cli.sightings import Space

DEFAULTS = ("0.0.0.0/0", "::/0")


def bridges(facts: Facts) -> Iterator[Finding]:
    """Bridges that are gone or down, or have lost a gateway address."""
    of_bridge = {mending.bridge_of(plan).name: plan for plan in facts.plans.values()}
    for name, plan in of_bridge.items():
        mend = Mend(what=f"ensure bridge {name}", act=partial(mending.ensure_bridge, plan))
        found = facts.found.host.interface(name)
        if found is None:
            yield Finding(
                cause=f"bridge {name} is gone",
                effect=f"the containers of {plan.attachment.network} reach nobody",
                command=f"ip link add {name} type bridge; ip link set {name} up",
                mend=mend,
            )
        elif not found.is_up:
            yield Finding(
                cause=f"bridge {name} is down",
                effect=f"the containers of {plan.attachment.network} reach nobody",
                command=f"ip link set {name} up",
                mend=mend,
            )
    yield from _gateways(facts)


def sizes(facts: Facts) -> Iterator[Finding]:
    """MTUs at which packets are lost without a word."""
    for each in living(facts):
        outer, inner, ifname = each.host_end, each.container_end, each.attachment.ifname
        if outer is None or inner is None:
            continue
        uplink = _uplink_mtu(facts.found.host)
        others = [
            link.mtu
            for link in facts.found.host.interfaces
            if link.master == outer.master and link.name != outer.name
        ]
        reach = {
            f"its host end {outer.name}": outer.mtu,
            f"another port of {outer.master}": min(others, default=inner.mtu),
            "the way out": uplink if _leaves(each.space, facts) else inner.mtu,
        }
        for what, mtu in reach.items():
            if mtu < inner.mtu:
                act = partial(mending.set_mtu, each.netns_path, ifname, mtu)
                command = inside(each, f"ip link set {ifname} mtu {mtu}")
                yield Finding(
                    cause=f"{each.attachment.container} {ifname} has MTU {inner.mtu}, "
                    f"{what} has {mtu}",
                    effect="large packets are lost: connections open, then hang",
                    command=f'{command}   # and "mtu": {mtu} in the config',
                    mend=Mend(what=command, act=act),
                )
                break


def _gateways(facts: Facts) -> Iterator[Finding]:
    by_device = {gateway_of(plan): plan for plan in facts.plans.values()}
    for name, wanted in facts.gateways.items():
        found = facts.found.host.interface(name)
        if found is None:
            continue
        present = {parse_prefix(each) for each in found.addresses}
        for prefix in sorted(wanted - present, key=prefix_text):
            plan = by_device[name]
            yield Finding(
                cause=f"{name} does not have the gateway address {prefix_text(prefix)}",
                effect=f"the containers of {plan.attachment.network} reach nothing beyond it",
                command=f"ip addr add {prefix_text(prefix)} dev {name}",
                mend=Mend(
                    what=f"ensure bridge {mending.bridge_of(plan).name}",
                    act=partial(mending.ensure_bridge, plan),
                ),
            )


def _uplink_mtu(host: Space) -> int:
    """The smallest of the interfaces that a default route leaves by; huge where there is none."""
    devices = {route.device for route in host.routes if route.destination in DEFAULTS}
    return min((each.mtu for each in host.interfaces if each.name in devices), default=1 << 16)


def _leaves(name: str | None, facts: Facts) -> bool:
    space = facts.found.space(name) if name else None
    return space is not None and any(route.destination in DEFAULTS for route in space.routes)
