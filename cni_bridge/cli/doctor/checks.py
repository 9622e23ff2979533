"""All checks, in the order of their findings: causes come before their consequences."""

from collections.abc import Callable, Iterator

from cni_bridge.cli.doctor import attachments, bridges, clusters, configuration, firewalls, host
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


def judge(facts: Facts) -> list[tuple[str, Diagnosis]]:
    """Return every finding with its check's name."""
    return [(name, finding) for name, check in CHECKS.items() for finding in check(facts)]
