"""Tables and lists of `show`, for people: networks, their containers, one network, one container."""

import io
from collections.abc import Callable, Iterator, Sequence

from rich.console import Group, RenderableType
from rich.measure import Measurement
from rich.table import Table

from cni_bridge.cli import inventory, networks, table_cells, terminal, units
from cni_bridge.cli.host_state import KernelInterface
from cni_bridge.cli.inventory import Attached, Inventory
from cni_bridge.cli.networks import Network
from cni_bridge.cli.terminal import Text

PORTS = "published"  # shown where there are any
RATES = "in/s / out/s"
WIDEST = 1000  # columns
LISTED = 10  # of the names that a network remembers
MEASURE = terminal.screen(io.StringIO(), WIDEST)

Cell = Text | str
Column = tuple[str, Callable[[Attached], Cell]]

FIRST_TO_GO = ("MAC", "host end", "interface", "received / sent", "age")
COLUMNS: tuple[Column, ...] = (
    ("container", lambda each: each.title),
    ("interface", lambda each: each.attachment.ifname),
    ("host end", table_cells.host_end),
    ("addresses", table_cells.addresses),
    (PORTS, lambda each: terminal.lines(each.protection.port_texts or ("-",))),
    ("MAC", lambda each: each.container_end.mac if each.container_end else "-"),
    ("received / sent", table_cells.traffic),
    (RATES, table_cells.rates),
    ("age", table_cells.age),
    ("health", table_cells.health),
)


def overview(
    found: Inventory, known: Sequence[Network], faulty: Sequence[str], width: int
) -> Group:
    """Return all networks with their containers, then bridges and interfaces of no network."""
    blocks = [_network(each, found, width) for each in known]
    named = {each.bridge for each in known} | {each.bridge for each in found.attachments}
    blocks += [
        Text(f"{_bridge(each)}: no network uses it")
        for each in found.bridges
        if each.name not in named
    ]
    blocks += [
        Text(f"{file} is not valid: see `cni-bridge validate {file}`", style="yellow")
        for file in faulty
    ]
    if found.foreign:
        blocks.append(_foreign(found.foreign))
    return apart(blocks or [Text("no networks: `cni-bridge init NAME` writes the first")])


def network(each: Network, found: Inventory, width: int) -> RenderableType:
    """Return one network's facts, and its containers."""
    bridge = found.host.interface(each.bridge)
    facts: list[tuple[str, Cell]] = [
        ("network", Text(each.name, style="bold cyan")),
        ("config", each.file or "none in /etc/cni/net.d"),
        *((("plugins", ", ".join(each.plugins)),) if each.plugins else ()),
        (each.kind, "one veth pair" if each.is_wire else table_cells.end(each.bridge, bridge)),
        *((("gateway", terminal.lines(bridge.addresses)),) if bridge and bridge.addresses else ()),
        ("subnets", terminal.lines(map(_subnet, each.subnets)) if each.subnets else "none"),
        ("masquerade", "yes" if each.masquerades else "no"),
        ("closed off", _restrictions(each) or "no"),
        ("containers", str(each.containers)),
        *((("remembered", terminal.lines(_remembered(each))),) if each.remembered else ()),
    ]
    listed: list[RenderableType] = [_facts(facts)]
    if each.attachments:
        listed += [Text(), _table(list(each.attachments), width), *_notes(each.attachments)]
    return Group(*listed)


def container(rows: Sequence[Attached]) -> Group:
    """Return a container's attachments, each as a list of facts."""
    return apart([_facts(_details(each)) for each in rows])


def apart(blocks: Sequence[RenderableType]) -> Group:
    """Join blocks with a blank line between them."""
    lines = [line for block in blocks for line in (Text(), block)]
    return Group(*lines[1:])


def _network(each: Network, found: Inventory, width: int) -> RenderableType:
    bridge = found.host.interface(each.bridge)
    where = "wire" if each.is_wire else _bridge(bridge) if bridge else f"bridge {each.bridge}"
    heading = Text.assemble((each.name, "bold cyan"), "  ", where)
    facts = ("masquerade" if each.masquerades else "", _restrictions(each))
    if listed := ", ".join(filter(None, facts)):
        heading.append(f"  {listed}", style="yellow")
    lines: list[RenderableType] = [heading, *(Text(_subnet(one)) for one in each.subnets)]
    if not each.attachments:
        return Group(*lines, Text("no containers", style="dim"))
    return Group(*lines, _table(list(each.attachments), width), *_notes(each.attachments))


def _remembered(each: Network) -> Iterator[str]:
    """Yield the names whose next container gets the same address, and what that is."""
    yield f"{units.count(len(each.remembered), 'name')} of deleted containers"
    for name, held in list(each.remembered.items())[:LISTED]:
        yield " ".join((name, *held))
    if len(each.remembered) > LISTED:
        yield f"and {len(each.remembered) - LISTED} more"


def _restrictions(each: Network) -> str:
    return ", ".join(
        dict.fromkeys(filter(None, (row.protection.restrictions for row in each.attachments)))
    )


def _subnet(each: networks.Subnet) -> str:
    used = units.count(each.used, "address", "addresses") + " used"
    if each.free is None:
        return f"{each.subnet}  {used}"
    free = f"over {networks.MANY:,}" if each.free > networks.MANY else str(each.free)
    return f"{each.subnet}  {used}, {free} free"


def _bridge(bridge: KernelInterface) -> str:
    state = "" if bridge.is_up else " DOWN"
    return " ".join((f"bridge {bridge.name}{state}", *bridge.addresses))


def _table(rows: list[Attached], width: int) -> Table:
    """Return the rows with as many columns as fit: an address is never broken."""
    is_published = any(each.protection.ports for each in rows)
    without = {
        *(() if is_published else (PORTS,)),
        *(() if any(each.rates for each in rows) else (RATES,)),
    }
    shown = [column for column in COLUMNS if column[0] not in without]
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


def _notes(rows: Sequence[Attached]) -> list[Text]:
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


def _details(each: Attached) -> list[tuple[str, Cell]]:
    """Return one attachment's facts."""
    received, sent = each.traffic
    packets_received, packets_sent, dropped = each.packets
    return [
        ("container", each.name or each.attachment.container),
        *((("id", each.attachment.container),) if each.name else ()),
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
        ("received", f"{units.size(received)}, {units.count(packets_received, 'packet')}"),
        ("sent", f"{units.size(sent)}, {units.count(packets_sent, 'packet')}"),
        *(((RATES, table_cells.rates(each)),) if each.rates else ()),
        ("dropped", str(dropped)),
        ("age", table_cells.age(each)),
    ]


def _other_end(each: Attached) -> list[tuple[str, Cell]]:
    if each.far_end:
        return [("wired to", f"{each.far_end.interface} of {each.far_title}")]
    there = ("on the host", table_cells.end(each.host_name, each.host_end))
    return [there] if each.is_wire else [there, ("bridge", each.bridge or "none")]


def _facts(facts: Sequence[tuple[str, Cell]]) -> Table:
    grid = terminal.table()
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    for name, value in facts:
        grid.add_row(name, value)
    return grid
