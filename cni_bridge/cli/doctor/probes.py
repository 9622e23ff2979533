"""Ask the gateways of every container for an echo, from within the container."""

from collections.abc import Iterator
from contextlib import ExitStack, suppress
from functools import partial
from socket import AF_INET, AF_INET6

from cni_bridge import address
from cni_bridge.cli import icmp
from cni_bridge.cli.doctor.attachments import living
from cni_bridge.cli.doctor.facts import Facts
from cni_bridge.cli.doctor.findings import Diagnosis
from cni_bridge.cli.inventory import Attached
from cni_bridge.errors import InvalidNetns, UnknownContainer
from cni_bridge.kernel import netns

ATTEMPTS = 2


def gateways(facts: Facts) -> Iterator[Diagnosis]:
    """Find containers that get no answer from a gateway of theirs."""
    asked: list[tuple[Attached, str]] = []
    targets: list[icmp.Asked] = []
    with ExitStack() as stack:
        for each in living(facts):
            for gateway in _gateways(each, facts):
                with suppress(InvalidNetns, UnknownContainer, OSError):
                    opened = netns.open_netns(each.netns_path)
                    stack.callback(netns.close, opened)
                    family = AF_INET6 if ":" in gateway else AF_INET
                    made = netns.inside(opened, partial(icmp.sender, family))
                    targets.append((stack.enter_context(made), gateway, 0))
                    asked.append((each, gateway))
        heard = icmp.answered(targets, attempts=ATTEMPTS)
    for place, (each, gateway) in enumerate(asked):
        if place not in heard:
            yield Diagnosis(
                cause=f"{each.title} {each.attachment.ifname} gets no answer from its gateway "
                f"{gateway}",
                effect="the container reaches nothing beyond its subnet, or not even that",
                command=f"cni-bridge explain {each.title} {_bracketed(gateway)}:80 --probe",
            )


def _gateways(each: Attached, facts: Facts) -> set[str]:
    """Return the gateways of the routes by its interface, and those that its bridge should have."""
    space = facts.found.space(each.space) if each.space else None
    device = each.attachment.ifname
    found = {route.gateway for route in space.routes if route.device == device} if space else set()
    plan = facts.plans.get(each.attachment)
    if plan and plan.bridge:
        found |= {address.text(prefix.ip) for prefix in plan.bridge.gateways}
    return found - {""}


def _bracketed(gateway: str) -> str:
    return f"[{gateway}]" if ":" in gateway else gateway
