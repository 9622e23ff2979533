"""`cni-bridge show`: list networks, bridges and attachments with their health."""

import io
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

from rich.console import Group, RenderableType
from rich.live import Live
from rich.measure import Measurement
from rich.table import Table

from cni_bridge.address import prefix_text
from cni_bridge.cli import conflists, inventory, show_cluster, table_cells, terminal, units
from cni_bridge.cli.clusters import Cluster
from cni_bridge.cli.host_state import KernelInterface
from cni_bridge.cli.inventory import Attached, Inventory
from cni_bridge.cli.options import Commands, Options, add_command, add_json, add_state_dir
from cni_bridge.cli.terminal import Screen, Text
from cni_bridge.errors import InvalidConfig
from cni_bridge.model import NetworkConfig

PORTS = "published"  # shown where there are any
CLUSTER = "cluster"
WIDEST = 1000  # columns
MEASURE = terminal.screen(io.StringIO(), WIDEST)
EXAMPLES = """\
  cni-bridge show
  cni-bridge show web            # one network
  cni-bridge show cluster        # hosts and blocks of cluster networks
  cni-bridge show 3f2a           # containers whose id begins with 3f2a
  cni-bridge show --json | jq '.attachments[] | select(.health != "ok")'
  cni-bridge show --watch 5"""

Cell = Text | str
Column = tuple[str, Callable[[Attached], Cell]]


def register(commands: Commands) -> None:
    """Add the command and its options."""
    parser = add_command(
        commands,
        "show",
        run,
        summary="list networks, bridges and containers: addresses, traffic, health",
        description="Joins the ledger's records with the kernel's state. Health:\n"
        "  ok\n  adding   an ADD is running\n  missing  something that ADD made is gone\n"
        "  leaked   recorded, but the container is gone\n"
        "  foreign  on a cni-bridge bridge, but not made by cni-bridge\n"
        "  unknown  a cni-bridge veth that no inspected ledger records",
        examples=EXAMPLES,
    )
    parser.add_argument(
        "which",
        metavar="NETWORK|CONTAINER",
        nargs="?",
        default="",
        help="all if omitted; `cluster`: the hosts of cluster networks",
    )
    parser.add_argument(
        "cluster", metavar="NETWORK", nargs="?", default="", help="after `cluster`: only this one"
    )
    parser.add_argument(
        "--watch",
        metavar="SECONDS",
        type=units.interval,
        nargs="?",
        const=2.0,
        help="repeat every SECONDS (2 by default) until Ctrl-C",
    )
    parser.add_argument(
        "--wide", action="store_true", help="all columns, however narrow the terminal is"
    )
    add_json(parser)
    add_state_dir(parser)


def run(options: Options) -> int:
    """Print the inventory, once or until Ctrl-C."""
    screen = terminal.console()
    if options.watch is not None:
        _watch(screen, options)
    elif options.json:
        terminal.print_json(_document(options))
    else:
        screen.print(_looked(options, screen.width))
    return 0


def as_json(found: Inventory) -> dict[str, Any]:
    """Return the inventory for programs; unknown values are null."""
    return {
        "bridges": [_plain(each) for each in found.bridges],
        "attachments": [
            {
                **_plain(each.attachment),
                **_plain(each, but=("attachment", "protection")),
                "guarded": _plain(each.protection),
            }
            for each in found.attachments
        ],
        "foreign": [_plain(each) for each in found.foreign],
    }


def _watch(screen: Screen, options: Options) -> None:
    """Print again and again until Ctrl-C."""
    with suppress(KeyboardInterrupt), Live(console=screen, auto_refresh=False) as live:
        # Of a pipe or a file, Live would write the last picture alone.
        show = partial(live.update, refresh=True) if screen.is_terminal else screen.print
        while True:
            show(_looked(options, screen.width))
            time.sleep(options.watch)


def _looked(options: Options, width: int) -> RenderableType:
    """Return the current state for people, in that many columns."""
    if options.which == CLUSTER:
        return show_cluster.picture(_clusters(options))
    return _picture(_selected(options), options.which, WIDEST if options.wide else width)


def _document(options: Options) -> object:
    """Return the current state for programs."""
    if options.which == CLUSTER:
        return show_cluster.as_json(_clusters(options))
    return as_json(_selected(options))


def _clusters(options: Options) -> tuple[Cluster, ...]:
    return show_cluster.select(options.cluster, *conflists.ledgers(options.state_dir))


def _selected(options: Options) -> Inventory:
    if options.cluster:
        raise InvalidConfig(f"{options.cluster}: one name at a time", "or `show cluster NETWORK`")
    return _select(inventory.take(*conflists.ledgers(options.state_dir)), options.which)


def _select(found: Inventory, which: str) -> Inventory:
    """Return the part of the inventory that a network's or container's name selects."""
    if not which:
        return found
    attachments = tuple(
        each
        for each in found.attachments
        if each.attachment.network == which or each.attachment.container.startswith(which)
    )
    if not attachments:
        networks = ", ".join(sorted({each.attachment.network for each in found.attachments}))
        raise InvalidConfig(
            f"no network or container is named {which}", f"networks: {networks or 'none'}"
        )
    used = {each.bridge for each in attachments}
    return Inventory(
        spaces=found.spaces,
        bridges=tuple(each for each in found.bridges if each.name in used),
        attachments=attachments,
        foreign=tuple(each for each in found.foreign if each.master in used),
    )


# ---------------------------------------------------------------- for people


def _picture(found: Inventory, which: str, width: int = WIDEST) -> RenderableType:
    containers = {each.attachment.container for each in found.attachments}
    if which and len(containers) == 1 and found.attachments[0].attachment.network != which:
        return _apart([_details(each) for each in found.attachments])
    blocks: list[RenderableType] = []
    for network in dict.fromkeys(each.attachment.network for each in found.attachments):
        rows = [each for each in found.attachments if each.attachment.network == network]
        blocks.append(Group(_heading(network, rows, found), _table(rows, width), *_notes(rows)))
    idle = [] if which else _idle(found)
    blocks += [_idle_text(each) for each in idle]
    known = _used(found) | {each.bridge for each in idle}
    unused = [each for each in found.bridges if each.name not in known]
    blocks += [Text(f"{_bridge(each)}: no attachments") for each in unused]
    if found.foreign:
        blocks.append(_foreign(found.foreign))
    return _apart(blocks) if blocks else Text("no networks: nothing is attached")


def _idle(found: Inventory) -> list[NetworkConfig]:
    """Return the networks of the config directory that no container is on."""
    used = {each.attachment.network for each in found.attachments}
    configs = (each.config for each in conflists.read(conflists.DIRECTORY))
    return [each for each in configs if each and each.name not in used]


def _idle_text(config: NetworkConfig) -> Text:
    subnets = {prefix_text(each.subnet) for group in config.ipam.range_sets for each in group}
    bridge = "" if config.is_wire else f"bridge {config.bridge} "
    text = f"  {bridge}{' '.join(sorted(subnets))}".rstrip()
    return Text.assemble((config.name, "bold cyan"), f"{text}: no containers")


def _apart(blocks: Sequence[RenderableType]) -> Group:
    """Join blocks with a blank line between them."""
    lines = [line for block in blocks for line in (Text(), block)]
    return Group(*lines[1:])


def _heading(network: str, rows: list[Attached], found: Inventory) -> Text:
    used = {each.bridge for each in rows}
    bridges = [_bridge(each) for each in found.bridges if each.name in used]
    wire = ["wire"] if any(each.is_wire for each in rows) else []
    heading = Text.assemble((network, "bold cyan"), "  ", ", ".join(wire or bridges))
    facts = [
        "masquerade" if any(each.protection.masquerades for each in rows) else "",
        *dict.fromkeys(each.protection.restrictions for each in rows),
    ]
    if listed := ", ".join(filter(None, facts)):
        heading.append(f"  {listed}", style="yellow")
    return heading


def _bridge(bridge: KernelInterface) -> str:
    state = "" if bridge.is_up else " DOWN"
    return f"bridge {bridge.name}{state} {' '.join(bridge.addresses)} {bridge.mac}".replace(
        "  ", " "
    )


def _table(rows: list[Attached], width: int) -> Table:
    """Return the rows with as many columns as fit: an address is never broken."""
    is_published = any(each.protection.ports for each in rows)
    shown = [column for column in COLUMNS if is_published or column[0] != PORTS]
    table = _filled(rows, shown)
    for title in FIRST_TO_GO:
        if Measurement.get(MEASURE, MEASURE.options, table).maximum <= width:
            break
        shown = [column for column in shown if column[0] != title]
        table = _filled(rows, shown)
    return table


def _filled(rows: list[Attached], columns: list[Column]) -> Table:
    table = terminal.table(*(title for title, _ in columns))
    for each in rows:
        table.add_row(*(cell(each) for _, cell in columns))
    return table


def _notes(rows: list[Attached]) -> list[Text]:
    return [
        Text(
            f"{each.title} {each.attachment.ifname}: {note}",
            style=table_cells.STYLES[each.health],
        )
        for each in rows
        for note in each.notes
    ]


def _foreign(interfaces: tuple[KernelInterface, ...]) -> Text:
    listed = ", ".join(f"{each.name} on {each.master}" for each in interfaces)
    return Text.assemble((inventory.FOREIGN, table_cells.STYLES[inventory.FOREIGN]), f": {listed}")


def _details(each: Attached) -> Table:
    """Return one attachment as a list of facts."""
    received, sent = each.traffic
    packets_received, packets_sent, dropped = each.packets
    facts: list[tuple[str, Cell]] = [
        ("container", each.attachment.container),
        ("network", each.attachment.network),
        ("health", table_cells.health(each)),
        *(("", note) for note in each.notes),
        ("namespace", each.netns_path or "unknown"),
        ("in it", table_cells.end(each.attachment.ifname, each.container_end)),
        *_other_end(each),
        ("addresses", table_cells.addresses(each)),
        (PORTS, terminal.lines(each.protection.port_texts or ("none",))),
        ("masquerade", "yes" if each.protection.masquerades else "no"),
        ("closed off", each.protection.restrictions or "no"),
        ("received", f"{units.size(received)}, {packets_received} packets"),
        ("sent", f"{units.size(sent)}, {packets_sent} packets"),
        ("dropped", str(dropped)),
        ("age", table_cells.age(each)),
    ]
    grid = terminal.table()
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    for name, value in facts:
        grid.add_row(name, value)
    return grid


def _other_end(each: Attached) -> list[tuple[str, Cell]]:
    if each.far_end:
        return [("wired to", f"{each.far_end.interface} of {each.far_end.space}")]
    there = ("on the host", table_cells.end(each.host_name, each.host_end))
    return [there] if each.is_wire else [there, ("bridge", each.bridge or "none")]


FIRST_TO_GO = ("MAC", "host end", "interface", "received / sent", "age")
COLUMNS: tuple[Column, ...] = (
    ("container", lambda each: each.title),
    ("interface", lambda each: each.attachment.ifname),
    ("host end", table_cells.host_end),
    ("addresses", table_cells.addresses),
    (PORTS, lambda each: terminal.lines(each.protection.port_texts or ("-",))),
    ("MAC", lambda each: each.container_end.mac if each.container_end else "-"),
    ("received / sent", table_cells.traffic),
    ("age", table_cells.age),
    ("health", table_cells.health),
)


# ---------------------------------------------------------------- helpers


def _used(found: Inventory) -> set[str]:
    return {each.bridge for each in found.attachments}


def _plain(value: Any, but: tuple[str, ...] = ()) -> Any:
    """Return a record as a JSON object, nested records included."""
    if isinstance(value, tuple):
        return [_plain(each) for each in value]
    if not hasattr(value, "__dict__"):
        return value
    return {key: _plain(inner) for key, inner in vars(value).items() if key not in but}
