"""`show --format prometheus`: metrics for node_exporter's textfile collector.

Calls come from the journal, which drops old ones: so they are counted over the last hour, as gauges.
"""

import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

import cni_bridge
from cni_bridge.cli import terminal
from cni_bridge.cli.inventory import Inventory
from cni_bridge.cli.journal_reader import RecordedCall
from cni_bridge.cli.networks import Network

WINDOW_S = 3600
QUANTILES = (0.5, 0.9, 1.0)
OWNER = ("network", "container", "name", "interface")


def text(found: Inventory, known: Sequence[Network], calls: Sequence[RecordedCall]) -> str:
    """Return the metrics in Prometheus's text format."""
    registry = CollectorRegistry()
    registry.register(_Host(found, known, calls))
    return generate_latest(registry).decode()


class _Host(Collector):
    def __init__(
        self, found: Inventory, known: Sequence[Network], calls: Sequence[RecordedCall]
    ) -> None:
        self._found = found
        self._known = known
        self._calls = calls

    def collect(self) -> Iterator[Metric]:
        """Yield all metrics."""
        yield _gauge(
            "info", "The version of cni-bridge.", {(("version", cni_bridge.__version__),): 1}
        )
        yield from _networks(self._known)
        yield from _traffic(self._found)
        yield from _ended(self._calls)


Labels = tuple[tuple[str, str], ...]


def _gauge(name: str, help_text: str, values: dict[Labels, float]) -> Metric:
    names = [key for key, _ in next(iter(values), ())]
    metric = GaugeMetricFamily(f"cni_bridge_{name}", help_text, labels=names)
    for labels, value in values.items():
        metric.add_metric([terminal.clean(each) for _, each in labels], value)
    return metric


def _networks(known: Sequence[Network]) -> Iterator[Metric]:
    subnets = {
        (("network", each.name), ("subnet", one.subnet)): one
        for each in known
        for one in each.subnets
    }
    yield _gauge(
        "addresses_used",
        "Addresses that are leased or reserved.",
        {labels: one.used for labels, one in subnets.items()},
    )
    yield _gauge(
        "addresses_free",
        "Addresses that ADD can still assign; absent if another IPAM plugin decides.",
        {labels: one.free for labels, one in subnets.items() if one.free is not None},
    )
    health = Counter((each.name, row.health) for each in known for row in each.attachments)
    yield _gauge(
        "attachments",
        "Container interfaces by health, see `cni-bridge show --help`.",
        {(("network", name), ("health", state)): count for (name, state), count in health.items()},
    )
    yield _gauge(
        "containers", "Containers.", {(("network", each.name),): each.containers for each in known}
    )
    yield _gauge(
        "published_ports",
        "Host ports that lead to containers.",
        {
            (("network", each.name),): sum(
                len(row.protection.port_texts) for row in each.attachments
            )
            for each in known
        },
    )


def _traffic(found: Inventory) -> Iterator[Metric]:
    rows = [
        (
            (each.attachment.network, each.attachment.container, each.name, each.attachment.ifname),
            (*each.traffic, *each.packets),
        )
        for each in found.attachments
    ]
    for place, (name, help_text) in enumerate(
        (
            ("received_bytes", "Bytes that the container has received."),
            ("sent_bytes", "Bytes that the container has sent."),
            ("received_packets", "Packets that the container has received."),
            ("sent_packets", "Packets that the container has sent."),
            ("dropped_packets", "Packets that the interface has dropped."),
        )
    ):
        metric = CounterMetricFamily(f"cni_bridge_{name}", help_text, labels=OWNER)
        for owner, counted in rows:
            metric.add_metric([terminal.clean(each) for each in owner], counted[place])
        yield metric


def _ended(calls: Iterable[RecordedCall]) -> Iterator[Metric]:
    """Yield what the journal has of the last hour."""
    since = (time.time() - WINDOW_S) * 1000
    recent = [each for each in calls if each.began >= since]
    outcomes = Counter((each.command, each.outcome) for each in recent)
    yield _gauge(
        "calls_last_hour",
        "Calls of runtimes in the last hour, as far as the journal goes back.",
        {(("command", name), ("outcome", end)): count for (name, end), count in outcomes.items()},
    )
    codes = Counter((each.command, str(each.error.get("code"))) for each in recent if each.error)
    yield _gauge(
        "failures_last_hour",
        "Failed calls of the last hour by CNI error code.",
        {(("command", name), ("code", code)): count for (name, code), count in codes.items()},
    )
    took: dict[str, list[float]] = {}
    for each in recent:
        if each.took is not None:
            took.setdefault(each.command, []).append(each.took / 1e6)
    yield _gauge(
        "call_seconds_last_hour",
        "How long the calls of the last hour took.",
        {
            (("command", name), ("quantile", f"{share:g}")): sorted(seconds)[
                min(len(seconds) - 1, int(share * len(seconds)))
            ]
            for name, seconds in took.items()
            for share in QUANTILES
        },
    )
