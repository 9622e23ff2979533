"""All checks, in the order of their findings: causes come before their consequences."""

from collections.abc import Callable, Iterator

from cni_bridge.cli.doctor import (
    attachments,
    bridges,
    clusters,
    configuration,
    conflicts,
    firewalls,
    host,
    nameservers,
    paths,
)
from cni_bridge.cli.doctor.facts import Facts
from cni_bridge.cli.doctor.findings import Diagnosis

Check = Callable[[Facts], Iterator[Diagnosis]]

CHECKS: dict[str, Check] = {
    "kernel": host.kernel,
    "configs": configuration.configs,
    "plugins": configuration.plugins,
    "managers": host.managers,
    "overlaps": host.overlaps,
    "forwarding": host.forwarding,
    "loopback": host.loopback,
    "tracking": host.tracking,
    "ipv6": host.ipv6,
    "bridges": bridges.bridges,
    "firewall": firewalls.rules,
    "foreign": firewalls.foreign,
    "links": attachments.links,
    "addresses": attachments.addresses,
    "routes": attachments.routes,
    "mtu": bridges.sizes,
    "macs": conflicts.macs,
    "ports": conflicts.ports,
    "neighbours": conflicts.neighbours,
    "isolated": conflicts.isolated,
    "nameservers": nameservers.nameservers,
    "clusters": clusters.clusters,
    "stale": attachments.stale,
    "unknown": attachments.unknown,
}

# Findings that explain why a connection fails: without them `paths` follows some.
EXPLAINING = frozenset(
    {"overlaps", "forwarding", "bridges", "firewall", "foreign", "links", "addresses", "routes"}
    | {"neighbours", "macs", "ipv6", "unknown"}
)


def judge(facts: Facts) -> list[tuple[str, Diagnosis]]:
    """Return every finding with its check's name; connections are followed if nothing explains them."""
    found = [(name, finding) for name, check in CHECKS.items() for finding in check(facts)]
    if not EXPLAINING & {name for name, _ in found}:
        found += [("paths", finding) for finding in paths.paths(facts)]
    return found
