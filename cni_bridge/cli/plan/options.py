"""The optional steps of an ADD: firewall, tuning, bandwidth.

Taken from the plan alone; CHECK finds whether they are in place.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from cni_bridge import address
from cni_bridge.address import prefix_text
from cni_bridge.firewall.model import Firewall, FirewallConfig, PublishedPort, protocol_name
from cni_bridge.model import Plan

if TYPE_CHECKING:
    from cni_bridge.model_optional import Limit


def firewall(plan: Plan) -> Iterator[str]:
    """Yield the text of each step of the firewall, which stands before the pair is made."""
    if plan.firewall:
        yield from _firewall(plan.firewall)


def of_interface(plan: Plan) -> Iterator[tuple[str, str]]:
    """Yield place and text of each step of tuning and bandwidth."""
    if plan.tuned:
        tuning = plan.tuned.tuning
        for each in tuning.sysctls:
            yield "container", f"sysctl {each.key} = {each.value}"
        for name in ("promisc", "allmulti", "tx_queue_length"):
            if (value := getattr(tuning, name)) is not None:
                yield "container", f"{plan.tuned.name} {name.replace('_', ' ')}: {value}"
    if plan.shaping:
        for name in ("ingress", "egress"):
            limit: Limit | None = getattr(plan.shaping, name)
            if limit:
                yield "host", f"{name} limited to {limit.bytes_per_second * 8} bits/s"


def _firewall(firewall: Firewall) -> Iterator[str]:
    rules = firewall.rules
    subnets = ", ".join(map(prefix_text, firewall.subnets))
    if rules.masquerades:
        yield f"masquerade what {subnets} sends elsewhere"
    for port in rules.ports:
        yield _published(port, firewall)
    yield from _restrictions(rules)


def _restrictions(rules: FirewallConfig) -> Iterator[str]:
    facts = (
        (rules.isolation != "off", f"isolation from other networks: {rules.isolation}"),
        (rules.is_internal, "internal: no traffic from or to the outside"),
        (rules.is_closed, "closed: from outside, only published ports can be reached"),
        (not rules.allows_icc, "no traffic between containers of the network"),
        (rules.checks_mac, "drop packets with another source MAC address"),
        (rules.checks_ip, "drop packets with another source IP address"),
    )
    yield from (text for is_so, text in facts if is_so)


def _published(port: PublishedPort, firewall: Firewall) -> str:
    host = f" of {address.text(port.host_ip)}" if port.host_ip else ""
    number = f"{port.host_port}" if port.host_port else "a free port"
    to = f"{port.container_port}"
    if port.count > 1:
        number += f"-{port.host_port + port.count - 1}"
        to += f"-{port.container_port + port.count - 1}"
    targets = ", ".join(map(address.text, firewall.addresses))
    protocol = protocol_name(port.protocol)
    return f"publish {protocol} {number}{host} to port {to} of {targets}"
