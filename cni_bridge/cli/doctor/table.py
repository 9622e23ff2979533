"""All checks, in the order in which their findings are told: what explains others comes first.

Only the table.
"""

from collections.abc import Callable, Iterator

from cni_bridge.cli.doctor import (
    attachments,
    bridges,
    clusters,
    configuration,
    firewalls,
    surroundings,
)
from cni_bridge.cli.doctor.facts import Facts
from cni_bridge.cli.doctor.findings import Finding

Check = Callable[[Facts], Iterator[Finding]]

CHECKS: dict[str, Check] = {
    "kernel": surroundings.kernel,
    "configs": configuration.configs,
    "plugins": configuration.plugins,
    "managers": surroundings.managers,
    "overlaps": surroundings.overlaps,
    "forwarding": surroundings.forwarding,
    "loopback": surroundings.loopback,
    "tracking": surroundings.tracking,
    "bridges": bridges.bridges,
    "firewall": firewalls.rules,
    "foreign": firewalls.foreign,
    "links": attachments.links,
    "addresses": attachments.addresses,
    "routes": attachments.routes,
    "mtu": bridges.sizes,
    "clusters": clusters.clusters,
    "stale": attachments.stale,
    "unknown": attachments.unknown,
}


def judge(facts: Facts) -> list[tuple[str, Finding]]:
    """Every finding, under its check's name."""
    return [(name, finding) for name, check in CHECKS.items() for finding in check(facts)]
