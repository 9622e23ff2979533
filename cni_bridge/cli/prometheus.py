"""`show --format prometheus`: metrics for node_exporter's textfile collector.

The format is written here, as prometheus_client loads an HTTP server with it. Calls come from the journal, which drops old ones: so they are counted over the last hour, as gauges.
"""

import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

import cni_bridge
from cni_bridge.cli import terminal
from cni_bridge.cli.inventory import Inventory
from cni_bridge.cli.journal_reader import RecordedCall
from cni_bridge.cli.networks import Network

WINDOW_S = 3600
QUANTILES = (0.5, 0.9, 1.0)
PREFIX = "cni_bridge_"
OWNER = ("network", "container", "name", "interface")

Values = dict[tuple[tuple[str, str], ...], float]  # by labels and their values


def text(found: Inventory, known: Sequence[Network], calls: Sequence[RecordedCall]) -> str:
    """Return the metrics in Prometheus's text format."""
    version: Values = {(("version", cni_bridge.__version__),): 1}
    lines = [
        *_family("info", "gauge", "The version of cni-bridge.", version),
        *_networks(known),
        *_traffic(found),
        *_ended(calls),
    ]
    return "".join(f"{line}\n" for line in lines)


def _family(name: str, kind: str, help_text: str, values: Values) -> Iterator[str]:
    yield f"# HELP {PREFIX}{name} {help_text}"
    yield f"# TYPE {PREFIX}{name} {kind}"
    for labels, value in values.items():
        told = ",".join(f'{key}="{_escaped(text)}"' for key, text in sorted(labels))
        yield f"{PREFIX}{name}{{{told}}} {float(value)!r}"


def _escaped(value: str) -> str:
    return terminal.clean(value).replace("\\", r"\\").replace('"', r"\"")


def _networks(known: Sequence[Network]) -> Iterator[str]:
    subnets = {
        (("network", each.name), ("subnet", one.subnet)): one
        for each in known
        for one in each.subnets
    }
    yield from _family(
        "addresses_used",
        "gauge",
        "Addresses that are leased or reserved.",
        {labels: one.used for labels, one in subnets.items()},
    )
    yield from _family(
        "addresses_free",
        "gauge",
        "Addresses that ADD can still assign; absent if another IPAM plugin decides.",
        {labels: one.free for labels, one in subnets.items() if one.free is not None},
    )
    yield from _members(known)


def _members(known: Sequence[Network]) -> Iterator[str]:
    health = Counter((each.name, row.health) for each in known for row in each.attachments)
    yield from _family(
        "attachments",
        "gauge",
        "Container interfaces by health, see `cni-bridge show --help`.",
        {(("network", name), ("health", state)): count for (name, state), count in health.items()},
    )
    yield from _family(
        "containers",
        "gauge",
        "Containers.",
        {(("network", each.name),): each.containers for each in known},
    )
    yield from _family(
        "published_ports",
        "gauge",
        "Host ports that lead to containers.",
        {
            (("network", each.name),): sum(
                len(row.protection.port_texts) for row in each.attachments
            )
            for each in known
        },
    )


def _traffic(found: Inventory) -> Iterator[str]:
    rows = [
        (
            (each.attachment.network, each.attachment.container, each.name, each.attachment.ifname),
            (*each.traffic, *each.packets),
        )
        for each in found.attachments
    ]
    for place, (name, help_text) in enumerate(
        (
            ("received_bytes_total", "Bytes that the container has received."),
            ("sent_bytes_total", "Bytes that the container has sent."),
            ("received_packets_total", "Packets that the container has received."),
            ("sent_packets_total", "Packets that the container has sent."),
            ("dropped_packets_total", "Packets that the interface has dropped."),
        )
    ):
        counted: Values = {
            tuple(zip(OWNER, owner, strict=True)): counts[place] for owner, counts in rows
        }
        yield from _family(name, "counter", help_text, counted)


def _ended(calls: Iterable[RecordedCall]) -> Iterator[str]:
    """Yield what the journal has of the last hour."""
    since = (time.time() - WINDOW_S) * 1000
    recent = [each for each in calls if each.began >= since]
    outcomes = Counter((each.command, each.outcome) for each in recent)
    yield from _family(
        "calls_last_hour",
        "gauge",
        "Calls of runtimes in the last hour, as far as the journal goes back.",
        {(("command", name), ("outcome", end)): count for (name, end), count in outcomes.items()},
    )
    codes = Counter((each.command, str(each.error.get("code"))) for each in recent if each.error)
    yield from _family(
        "failures_last_hour",
        "gauge",
        "Failed calls of the last hour by CNI error code.",
        {(("command", name), ("code", code)): count for (name, code), count in codes.items()},
    )
    took: dict[str, list[float]] = {}
    for each in recent:
        if each.took is not None:
            took.setdefault(each.command, []).append(each.took / 1e6)
    yield from _family(
        "call_seconds_last_hour",
        "gauge",
        "How long the calls of the last hour took.",
        {
            (("command", name), ("quantile", f"{share:g}")): sorted(seconds)[
                min(len(seconds) - 1, int(share * len(seconds)))
            ]
            for name, seconds in took.items()
            for share in QUANTILES
        },
    )
