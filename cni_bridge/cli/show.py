"""`cni-bridge show`: networks, bridges and attachments, and whether they are well.

Prints an inventory; what that is, and what health means, is decided there.
"""

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from cni_bridge.cli import conflists, inventory, terminal, units
from cni_bridge.cli.inventory import Attached, Inventory
from cni_bridge.cli.options import Commands, Options, add_command, add_json, add_state_dir
from cni_bridge.cli.sightings import Interface
from cni_bridge.errors import InvalidConfig

STYLES = {
    inventory.OK: "green",
    inventory.ADDING: "cyan",
    inventory.MISSING: "bold red",
    inventory.LEAKED: "bold yellow",
    inventory.FOREIGN: "blue",
    inventory.UNKNOWN: "bold yellow",
}
PORTS = "published"  # shown where there are any
ID_LENGTH = 12  # of a container id, as Docker shows it
EXAMPLES = """\
  cni-bridge show
  cni-bridge show web            # one network
  cni-bridge show 3f2a           # the containers whose id begins so
  cni-bridge show --json | jq '.attachments[] | select(.health != "ok")'
  cni-bridge show --watch 5"""

Cell = Text | str
Column = tuple[str, Callable[[Attached], Cell]]


def register(commands: Commands) -> None:
    """The command's options."""
    parser = add_command(
        commands,
        "show",
        run,
        summary="networks, bridges, containers: addresses, traffic, health",
        description="What the ledger records and what the kernel has, joined. Health: ok; adding, "
        "an ADD is at\nwork; missing, something of what ADD made is gone; leaked, nobody's any "
        "more; foreign, on\nour bridge but not ours; unknown, a host end of ours that no ledger looked at has.",
        examples=EXAMPLES,
    )
    parser.add_argument(
        "which", metavar="NETWORK|CONTAINER", nargs="?", default="", help="all without it"
    )
    parser.add_argument(
        "--watch",
        metavar="SECONDS",
        type=units.interval,
        nargs="?",
        const=2.0,
        help="again every 2 or so many seconds, until Ctrl-C",
    )
    add_json(parser)
    add_state_dir(parser)


def run(options: Options) -> int:
    """Print what there is, once or until Ctrl-C."""
    screen = terminal.console()
    if options.watch is not None:
        _watch(screen, options)
        return 0
    found = _select(inventory.take(*conflists.ledgers(options.state_dir)), options.which)
    if options.json:
        terminal.print_json(as_json(found))
    else:
        screen.print(_picture(found, options.which))
    return 0


def as_json(found: Inventory) -> dict[str, Any]:
    """The inventory for programs; what is not known is null."""
    return {
        "bridges": [_plain(each) for each in found.bridges],
        "attachments": [
            {**_plain(each.attachment), **_plain(each, but=("attachment",))}
            for each in found.attachments
        ],
        "foreign": [_plain(each) for each in found.foreign],
    }


def _watch(screen: Console, options: Options) -> None:
    """Until Ctrl-C, which is how one ends it."""
    with suppress(KeyboardInterrupt), Live(console=screen, auto_refresh=False) as live:
        # Of a pipe or a file, Live would write the last picture alone.
        show = partial(live.update, refresh=True) if screen.is_terminal else screen.print
        while True:
            found = _select(inventory.take(*conflists.ledgers(options.state_dir)), options.which)
            show(_picture(found, options.which))
            time.sleep(options.watch)


def _select(found: Inventory, which: str) -> Inventory:
    """The part that a network's name or the beginning of a container id stands for."""
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
            f"no network and no container is called {which}", f"networks: {networks or 'none'}"
        )
    used = {each.bridge for each in attachments}
    return Inventory(
        spaces=found.spaces,
        bridges=tuple(each for each in found.bridges if each.name in used),
        attachments=attachments,
        foreign=tuple(each for each in found.foreign if each.master in used),
    )


# ---------------------------------------------------------------- for people


def _picture(found: Inventory, which: str) -> RenderableType:
    containers = {each.attachment.container for each in found.attachments}
    if which and len(containers) == 1 and found.attachments[0].attachment.network != which:
        return _apart([_details(each) for each in found.attachments])
    blocks: list[RenderableType] = []
    for network in dict.fromkeys(each.attachment.network for each in found.attachments):
        rows = [each for each in found.attachments if each.attachment.network == network]
        blocks.append(Group(_heading(network, rows, found), _table(rows), *_notes(rows)))
    unused = [each for each in found.bridges if each.name not in _used(found)]
    blocks += [Text(f"{_bridge(each)}: no attachments") for each in unused]
    if found.foreign:
        blocks.append(_foreign(found.foreign))
    return _apart(blocks) if blocks else Text("no networks: nothing is attached")


def _apart(blocks: Sequence[RenderableType]) -> Group:
    """The blocks with a blank line between them."""
    lines = [line for block in blocks for line in (Text(), block)]
    return Group(*lines[1:])


def _heading(network: str, rows: list[Attached], found: Inventory) -> Text:
    used = {each.bridge for each in rows}
    bridges = [_bridge(each) for each in found.bridges if each.name in used]
    wire = ["wire"] if any(each.is_wire for each in rows) else []
    heading = Text.assemble((network, "bold cyan"), "  ", ", ".join(wire or bridges))
    facts = [
        "masquerade" if any(each.guarded.masquerades for each in rows) else "",
        *dict.fromkeys(each.guarded.fences for each in rows),
    ]
    if listed := ", ".join(filter(None, facts)):
        heading.append(f"  {listed}", style="yellow")
    return heading


def _bridge(bridge: Interface) -> str:
    state = "" if bridge.is_up else " DOWN"
    return f"bridge {bridge.name}{state} {' '.join(bridge.addresses)} {bridge.mac}".replace(
        "  ", " "
    )


def _table(rows: list[Attached]) -> Table:
    table = Table(box=None, header_style="dim", padding=(0, 2, 0, 0), pad_edge=False)
    is_published = any(each.guarded.ports for each in rows)
    shown = [column for column in COLUMNS if is_published or column[0] != PORTS]
    for title, _ in shown:
        table.add_column(title, overflow="fold")
    for each in rows:
        table.add_row(*(cell(each) for _, cell in shown))
    return table


def _notes(rows: list[Attached]) -> list[Text]:
    return [
        Text(f"{_container(each)} {each.attachment.ifname}: {note}", style=STYLES[each.health])
        for each in rows
        for note in each.notes
    ]


def _foreign(interfaces: tuple[Interface, ...]) -> Text:
    listed = ", ".join(f"{each.name} on {each.master}" for each in interfaces)
    return Text.assemble((inventory.FOREIGN, STYLES[inventory.FOREIGN]), f": {listed}")


def _details(each: Attached) -> Table:
    """One attachment, a fact a line."""
    received, sent = each.traffic
    packets_received, packets_sent, dropped = each.packets
    facts: list[tuple[str, Cell]] = [
        ("container", each.attachment.container),
        ("network", each.attachment.network),
        ("health", _health(each)),
        *(("", note) for note in each.notes),
        ("namespace", each.netns_path or "unknown"),
        ("in it", _end(each.attachment.ifname, each.container_end)),
        *_other_end(each),
        ("addresses", _addresses(each)),
        (PORTS, "\n".join(each.guarded.port_texts) or "none"),
        ("masquerade", "yes" if each.guarded.masquerades else "no"),
        ("closed off", each.guarded.fences or "no"),
        ("received", f"{units.size(received)}, {packets_received} packets"),
        ("sent", f"{units.size(sent)}, {packets_sent} packets"),
        ("dropped", str(dropped)),
        ("age", _age(each)),
    ]
    grid = Table(box=None, show_header=False, padding=(0, 2, 0, 0), pad_edge=False)
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    for name, value in facts:
        grid.add_row(name, value)
    return grid


def _other_end(each: Attached) -> list[tuple[str, Cell]]:
    if each.far_end:
        return [("wired to", f"{each.far_end.interface} of {each.far_end.space}")]
    there = ("on the host", _end(each.host_name, each.host_end))
    return [there] if each.is_wire else [there, ("bridge", each.bridge or "none")]


def _host_end(each: Attached) -> str:
    if each.far_end:
        return f"wire to {each.far_end.space[:ID_LENGTH]} {each.far_end.interface}"
    return each.host_name + (" (parked)" if each.is_wire else "")


def _end(name: str, interface: Interface | None) -> str:
    if interface is None:
        return f"{name}: none"
    state = "up" if interface.is_up else "DOWN"
    return f"{name}, {interface.mac}, mtu {interface.mtu}, {state}"


def _container(each: Attached) -> str:
    return each.attachment.container[:ID_LENGTH]


def _addresses(each: Attached) -> str:
    inner = each.container_end
    return "\n".join(each.addresses or (inner.addresses if inner else ())) or "-"


def _traffic(each: Attached) -> str:
    received, sent = each.traffic
    return f"{units.size(received)} / {units.size(sent)}"


def _age(each: Attached) -> str:
    return "-" if each.created is None else units.age(time.time_ns() // 1_000_000 - each.created)


def _health(each: Attached) -> Text:
    return Text(each.health, style=STYLES[each.health])


COLUMNS: tuple[Column, ...] = (
    ("container", _container),
    ("interface", lambda each: each.attachment.ifname),
    ("host end", _host_end),
    ("addresses", _addresses),
    (PORTS, lambda each: "\n".join(each.guarded.port_texts) or "-"),
    ("MAC", lambda each: each.container_end.mac if each.container_end else "-"),
    ("received / sent", _traffic),
    ("age", _age),
    ("health", _health),
)


# ---------------------------------------------------------------- helpers


def _used(found: Inventory) -> set[str]:
    return {each.bridge for each in found.attachments}


def _plain(value: Any, but: tuple[str, ...] = ()) -> Any:
    """A record as an object, records inside of it too."""
    if isinstance(value, tuple):
        return [_plain(each) for each in value]
    if not hasattr(value, "__dict__"):
        return value
    return {key: _plain(inner) for key, inner in vars(value).items() if key not in but}
