"""Check the host itself: kernel features, sysctls, routes, other programs."""

import ipaddress
from collections.abc import Iterator
from functools import partial

from cni_bridge.address import prefix_text, subnet
from cni_bridge.cli.doctor import features, fixes
from cni_bridge.cli.doctor.facts import (
    TRACKED,
    TRACKED_MAX,
    Facts,
    gateway_of,
)
from cni_bridge.cli.doctor.findings import Diagnosis, Fix
from cni_bridge.cli.doctor.firewalls import RESTORE
from cni_bridge.firewall import loopback as guard
from cni_bridge.kernel import sysctl
from cni_bridge.model import NetworkConfig
from cni_bridge.parts import bridge

NEARLY_FULL = 0.9
REMEDIES = {
    features.BRIDGE: ("no network can be created", "modprobe bridge"),
    features.VETH: ("no container can be attached", "modprobe veth"),
    features.RULES: (
        "ipMasq, portMappings and isolation fail: ADD fails with error 111",
        "apt-get install nftables; modprobe -a nf_tables nft_chain_nat nft_masq",
    ),
    features.SPOOF: (
        "macspoofchk and ipspoofchk fail: ADD fails with error 111",
        "modprobe bridge",
    ),
    features.VLANS: (
        "vlan and vlanTrunk are refused: ADD fails with error 2",
        "boot a kernel with CONFIG_BRIDGE_VLAN_FILTERING",
    ),
    features.INGRESS: ("bandwidth limits are refused: ADD fails with error 2", "modprobe sch_tbf"),
    features.EGRESS: (
        "bandwidth limits are refused: ADD fails with error 2",
        "modprobe -a sch_tbf ifb act_mirred",
    ),
}


def kernel(facts: Facts) -> Iterator[Diagnosis]:
    """Find features that a network on this host needs and the kernel lacks."""
    needed = {features.BRIDGE, features.VETH}
    for config in facts.configs:
        needed.update(_needs(config))
    for name, why in facts.features.items():
        if name in needed:
            effect, command = REMEDIES[name]
            yield Diagnosis(
                cause=f"this kernel lacks {name}: {why}", effect=effect, command=command
            )


def forwarding(facts: Facts) -> Iterator[Diagnosis]:
    """Find gateways on a host that does not forward."""
    lengths = {
        len(prefix.ip): device
        for device, wanted in facts.gateways.items()
        for prefix in sorted(wanted, key=prefix_text)
    }
    for length, device in sorted(lengths.items()):
        key = bridge.FORWARDING[length]
        if facts.sysctls[key] == "0":
            name = key.replace("/", ".")
            yield Diagnosis(
                cause=f"{name} is 0, although {device} is a gateway",
                effect="containers reach this host but nothing beyond it",
                command=f"sysctl -w {name}=1",
                fix=Fix(what=f"sysctl -w {name}=1", act=partial(fixes.set_sysctl, key, "1")),
            )


def ipv6(facts: Facts) -> Iterator[Diagnosis]:
    """Find bridges of IPv6 networks without IPv6, and uplinks that will lose their default route."""
    gateways = [
        device
        for device, wanted in facts.gateways.items()
        if any(len(each.ip) == 16 for each in wanted)
    ]
    for device in sorted(gateways):
        key = f"net/ipv6/conf/{device}/disable_ipv6"
        if facts.sysctls.get(key) == "1":
            yield _ipv6(key, "0", "containers have no IPv6", f"the gateway {device} has IPv6 off")
    for device, value in facts.advertised.items() if gateways else ():
        if value == "1" and facts.sysctls[bridge.FORWARDING[16]] == "1":
            key = f"net/ipv6/conf/{device}/accept_ra"
            effect = "the host forwards, so it ignores router advertisements: its route will expire"
            yield _ipv6(key, "2", effect, f"{device} has its default route from advertisements")


def _ipv6(key: str, value: str, effect: str, why: str) -> Diagnosis:
    name = key.replace("/", ".")
    command = f"sysctl -w {name}={value}"
    return Diagnosis(
        cause=f"{name} is {int(value == '0') or 1}: {why}",
        effect=effect,
        command=command,
        fix=Fix(what=command, act=partial(fixes.set_sysctl, key, value)),
    )


def loopback(facts: Facts) -> Iterator[Diagnosis]:
    """Find published ports that do not answer on 127.0.0.1, or a host whose 127.0.0.1 may be open."""
    publishing = {
        gateway_of(facts.plans[each.attachment])
        for each in facts.found.attachments
        if each.attachment in facts.plans
        and any(":" not in port.address for port in each.protection.ports)
    }
    for device in sorted(publishing):
        key = sysctl.route_localnet(device)
        plans = [plan for plan in facts.plans.values() if gateway_of(plan) == device]
        translates = any(plan.firewall and plan.firewall.rules.translates_source for plan in plans)
        # The setting alone would open the host's 127.0.0.1: `restore` adds the filter first.
        if translates and facts.sysctls[key] == "0":
            yield Diagnosis(
                cause=f"{sysctl.dotted(key)} is 0",
                effect="published ports do not answer on 127.0.0.1",
                command=RESTORE.what,
                fix=RESTORE,
            )
        elif facts.sysctls[key] == "1" and not guard.is_guarded(device):
            yield Diagnosis(
                cause=f"{device} has no filter that drops 127.0.0.0/8",
                effect="containers reach the host's 127.0.0.1 once another program flushes nftables",
                command=RESTORE.what,
                fix=RESTORE,
            )


def tracking(facts: Facts) -> Iterator[Diagnosis]:
    """Find a connection tracking table that is nearly full."""
    count, most = (int(facts.sysctls[key] or 0) for key in (TRACKED, TRACKED_MAX))
    if count > most * NEARLY_FULL:
        yield Diagnosis(
            cause=f"the connection tracking table is nearly full: {count} of {most}",
            effect="some new connections of containers and to published ports are dropped",
            command=f"sysctl -w net.netfilter.nf_conntrack_max={2 * most}   # 320 bytes each",
        )


def overlaps(facts: Facts) -> Iterator[Diagnosis]:
    """Find subnets of networks that a route of this host leads elsewhere."""
    for config in facts.configs:
        own = {config.bridge, f"{config.bridge}.{config.vlan.access}" if config.vlan else ""}
        for item in {each.subnet for ranges in config.ipam.range_sets for each in ranges}:
            subnet_text = prefix_text(subnet(item))
            mine = ipaddress.ip_network(subnet_text)
            for route in facts.found.host.routes:
                theirs = ipaddress.ip_network(route.destination)
                # Default routes, and the two halves of everything that VPNs route, don't compete.
                if theirs.prefixlen <= 1 or route.device in own or mine.version != theirs.version:
                    continue
                if mine.overlaps(theirs):
                    yield Diagnosis(
                        cause=f"{subnet_text} of network {config.name} overlaps the route to "
                        f"{route.destination} via {route.device}",
                        effect="one of the two cannot be reached from this host",
                        command=f"cni-bridge init {config.name}   # finds a free subnet",
                    )


def managers(facts: Facts) -> Iterator[Diagnosis]:
    """Find running network managers that are configured to manage cni-bridge's interfaces."""
    bridges = list(dict.fromkeys(each.name for each in facts.found.bridges))
    for each in facts.managers.unheeded(
        bridges, [each.host_name for each in facts.found.attachments]
    ):
        yield Diagnosis(cause=each.cause, effect=each.effect, command=each.command)


def _needs(config: NetworkConfig) -> Iterator[str]:
    if config.vlan:
        yield features.VLANS
    if config.bandwidth and config.bandwidth.ingress:
        yield features.INGRESS
    if config.bandwidth and config.bandwidth.egress:
        yield features.EGRESS
    if config.firewall:
        yield features.RULES
        if config.firewall.checks_mac or config.firewall.checks_ip:
            yield features.SPOOF
