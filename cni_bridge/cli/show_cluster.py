"""`cni-bridge show cluster`: print hosts, their blocks, free addresses and the lease's expiry."""

from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table

from cni_bridge import address
from cni_bridge.address import prefix_text
from cni_bridge.cli import clusters, terminal, units
from cni_bridge.cli.clusters import Cluster
from cni_bridge.cli.terminal import Text
from cni_bridge.cluster import notation
from cni_bridge.cluster.model import Host
from cni_bridge.errors import InvalidConfig
from cni_bridge.ledger.blocks import now_ms

MOST = 50  # hosts of a table; --json has all
BLOCKS_SHOWN = 4
COUNTED = 1 << 24  # blocks of a pool; an IPv6 network has more than anybody reads


def select(name: str, *state_dirs: str) -> tuple[Cluster, ...]:
    """Return all cluster networks, or the one of that name. Raises InvalidConfig."""
    found = clusters.seen(*state_dirs)
    chosen = tuple(each for each in found if name in ("", each.name))
    if not chosen:
        names = ", ".join(each.name for each in found) or "none"
        raise InvalidConfig(
            f"no agent of {name or 'a cluster network'} has run since this host started",
            f"cluster networks: {names}; `cni-bridge agent` serves one",
        )
    return chosen


def picture(found: tuple[Cluster, ...]) -> RenderableType:
    """Return the tables for people."""
    parts: list[RenderableType] = []
    for each in found:
        parts += (_heading(each), _table(each), *_notes(each))
    return Group(*parts)


def as_json(found: tuple[Cluster, ...]) -> list[dict[str, Any]]:
    """Return the documents for programs; times are in milliseconds."""
    return [_plain(each) for each in found]


def _heading(each: Cluster) -> Text:
    shot = each.shot
    heard = units.age(now_ms() - shot.heard) + " ago" if shot.heard else "never"
    lease = units.age(each.lease_ms) + " left" if each.lease_ms > 0 else "over"
    pools = ", ".join(map(_pool, each.pools))
    facts = f"  {shot.backend}  MTU {shot.mtu}  lease: {lease}  {shot.store}: heard {heard}"
    return Text.assemble((each.name, "bold cyan"), "  ", pools, facts)


def _pool(each: clusters.Pool) -> str:
    free = f", {each.blocks - each.leased} free" if each.blocks <= COUNTED else ""
    return f"{each.subnet} in /{each.length} ({each.leased} leased{free})"


def _table(each: Cluster) -> Table:
    titles = ("host", "addresses", "membership", "blocks", "free here")
    table = terminal.table(*titles, whole=("blocks",))
    hosts = sorted(each.hosts, key=lambda host: (host.id != each.shot.me.id, each.is_member(host)))
    for host in hosts[:MOST]:
        table.add_row(*_row(each, host))
    if len(hosts) > MOST:
        table.add_row(f"… and {len(hosts) - MOST} more: --json has all")
    return table


def _row(each: Cluster, host: Host) -> tuple[str | Text, ...]:
    is_here = host.id == each.shot.me.id
    blocks = each.blocks_of(host)
    return (
        terminal.lines((f"{host.name} (this one)" if is_here else host.name, host.id)),
        terminal.lines(map(address.text, host.addresses)),
        _membership(each, host),
        terminal.lines(_few(blocks)),
        terminal.lines(_free(each, block) for block in blocks[:BLOCKS_SHOWN]) if is_here else "",
    )


def _membership(each: Cluster, host: Host) -> Text:
    if each.is_member(host):
        return Text("member", style="green")
    since = each.shot.absent.get(host.id)
    text = f"absent for {units.age(now_ms() - since)}" if since else "absent"
    return Text(text, style="bold yellow")


def _few(facts: list[str]) -> list[str]:
    more = len(facts) - BLOCKS_SHOWN
    return facts if more <= 0 else [*facts[:BLOCKS_SHOWN], f"… and {more} more"]


def _free(each: Cluster, block: str) -> str:
    """Return how many addresses of a block of this host are free; empty before its first container."""
    found = (row for row in each.rows if prefix_text(row.subnet) == block)
    return next((f"{row.size - row.used} of {row.size}" for row in found), "")


def _notes(each: Cluster) -> list[Text]:
    shot = each.shot
    notes = [] if each.is_served else ["no agent is running: this is out of date"]
    notes += [shot.error] if shot.error else []
    notes += [
        f"lost: {block} belongs to another host now, but containers here use it"
        for block in shot.lost
    ]
    return [Text(note, style="bold yellow") for note in (*notes, *shot.problems)]


def _plain(each: Cluster) -> dict[str, Any]:
    shot = each.shot
    return {
        "network": each.name,
        "backend": shot.backend,
        "pools": [pool.__dict__ for pool in each.pools],
        "mtu": shot.mtu,
        "store": {
            "kind": shot.store,
            "endpoints": list(shot.endpoints),
            "error": shot.error,
            "heard_ago": now_ms() - shot.heard if shot.heard else None,
            "skew_s": shot.skew,
        },
        "agent": {"is_running": each.is_served, "pid": shot.pid},
        "lease_left": max(0, each.lease_ms),
        "this_host": shot.me.id,
        "hosts": [
            {
                "id": host.id,
                **notation.host_document(host),
                "is_member": each.is_member(host),
                "absent_for": now_ms() - shot.absent[host.id] if host.id in shot.absent else None,
                "blocks": each.blocks_of(host),
            }
            for host in each.hosts
        ],
        "own_blocks": [
            {"subnet": prefix_text(row.subnet), "used": row.used, "size": row.size}
            for row in each.rows
        ],
        "lost": list(shot.lost),
        "problems": list(shot.problems),
    }
