"""`cni-bridge show`: list networks, bridges and attachments with their health."""

import io
import json
import os
import time
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cni_bridge.cli import (
    conflists,
    container_names,
    inventory,
    networks,
    terminal,
    units,
)
from cni_bridge.cli.clusters import Cluster
from cni_bridge.cli.host_state import Space
from cni_bridge.cli.inventory import Attached, Inventory
from cni_bridge.cli.networks import Network
from cni_bridge.cli.options import Commands, Options, Parser, add_command, add_json, add_state_dir
from cni_bridge.errors import InvalidConfig, IOFailure
from cni_bridge.lean.record import replace
from cni_bridge.model import Attachment

if TYPE_CHECKING:
    from rich.console import RenderableType

    from cni_bridge.cli.terminal import Screen

CLUSTER = "cluster"
VERSION = 1  # of the JSON
TEXT, JSON, PROMETHEUS = "text", "json", "prometheus"
Counted = dict[Attachment, tuple[float, tuple[int, int]]]  # when, and bytes received and sent
EXAMPLES = """\
  cni-bridge show
  cni-bridge show web            # one network
  cni-bridge show cluster        # hosts and blocks of cluster networks
  cni-bridge show red            # a container: its name, address or id
  cni-bridge show --json | jq '.attachments[] | select(.health != "ok")'
  cni-bridge show --watch 5
  cni-bridge show --format prometheus -o /var/lib/node_exporter/cni-bridge.prom"""


def register(commands: Commands) -> None:
    """Add the command and its options."""
    parser = add_command(
        commands,
        "show",
        run,
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
    _add_output(parser)
    add_json(parser)
    add_state_dir(parser)


def _add_output(parser: Parser) -> None:
    """Add the options that say how, and how often, it is shown."""
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
    parser.add_argument(
        "--format",
        choices=(TEXT, JSON, PROMETHEUS),
        default=TEXT,
        help="`prometheus`: metrics for node_exporter's textfile collector",
    )
    parser.add_argument(
        "-o",
        "--output",
        metavar="FILE",
        help="write this file, replaced as a whole, instead of stdout",
    )
    parser.add_argument(
        "--all", action="store_true", help="every namespace and interface of the host, with ids"
    )


def run(options: Options) -> int:
    """Print the inventory, once or until Ctrl-C."""
    kind = JSON if options.json else options.format
    if options.watch is not None:
        _refuse_watched(kind, options.output)
        _watch(terminal.console(), options)
    elif options.output:
        _replace(options.output, _written(options, kind))
    elif kind == TEXT:
        screen = terminal.console()
        screen.print(_looked(options, screen.width, {}))
    else:
        terminal.write(_written(options, kind).rstrip("\n"))
    return 0


def is_narrowed(options: Options) -> bool:
    """Whether it is asked for less than an overview for people."""
    return bool(
        options.which or options.json or options.format != TEXT or options.output or options.all
    )


def as_json(found: Inventory, known: tuple[Network, ...]) -> dict[str, Any]:
    """Return the inventory for programs, as `schemas/show.schema.json` says."""
    return {
        "version": VERSION,
        "networks": [
            {
                **{key: getattr(each, key) or None for key in ("name", "file", "bridge")},
                "type": each.kind,
                "plugins": list(each.plugins),
                "subnets": [_plain(one) for one in each.subnets],
                "containers": each.containers,
                "masquerades": each.masquerades,
                "remembered": len(each.remembered),
            }
            for each in known
        ],
        "bridges": [_plain(each) for each in found.bridges],
        "attachments": [
            {
                **_plain(each.attachment),
                **_plain(
                    each, but=("attachment", "protection", "given_title", "far_title", "rates")
                ),
                "name": each.name,
                "addresses": list(each.shown_addresses),
                "firewall": _plain(each.protection),
            }
            for each in found.attachments
        ],
        "foreign": [_plain(each) for each in found.foreign],
    }


def _refuse_watched(kind: str, output: str | None) -> None:
    if kind != TEXT or output:
        raise InvalidConfig("--watch is for people", "leave out --json, --format and --output")


def _written(options: Options, kind: str) -> str:
    """Return what is printed for programs, or to a file."""
    if kind == TEXT:
        from cni_bridge.cli import show_tables  # loads rich

        file = io.StringIO()
        terminal.screen(file, show_tables.WIDEST).print(_looked(options, show_tables.WIDEST, {}))
        return file.getvalue()
    if kind == JSON:
        return json.dumps(_document(options), indent=2) + "\n"
    from cni_bridge.cli import journal_reader, prometheus

    if options.which == CLUSTER:
        raise InvalidConfig("`show cluster` has no metrics", "the agent has: `agent --metrics`")
    found, known = _seen(options)
    return prometheus.text(*_selected(found, known, options.which), journal_reader.read())


def _replace(path: str, text: str) -> None:
    """Replace a file in one step, so that no reader sees half of it."""
    target = Path(path)
    draft = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        draft.write_text(text, encoding="utf-8")
        draft.replace(target)
    except OSError as error:
        with suppress(OSError):
            draft.unlink()
        raise IOFailure(f"cannot write {path}: {error.strerror}") from error


def _watch(screen: "Screen", options: Options) -> None:
    """Print again and again until Ctrl-C, with the traffic since the time before."""
    from rich.live import Live  # here only

    before: Counted = {}
    with suppress(KeyboardInterrupt), Live(console=screen, auto_refresh=False) as live:
        # Of a pipe or a file, Live would write the last picture alone.
        show = partial(live.update, refresh=True) if screen.is_terminal else screen.print
        while True:
            show(_looked(options, screen.width, before))
            time.sleep(options.watch)


def _looked(options: Options, width: int, before: Counted) -> "RenderableType":
    """Return the current state for people, in that many columns.

    `before`: what was counted the last time, and when; it is brought up to date.
    """
    from cni_bridge.cli import show_cluster, show_tables  # load rich

    if options.which == CLUSTER:
        return show_cluster.picture(_clusters(options))
    if options.all:
        from cni_bridge.cli import everything

        return everything.table(_everything(options))
    found, known = _seen(options, before)
    width = show_tables.WIDEST if options.wide else width
    if not options.which:
        return show_tables.overview(
            found, known, conflists.faulty(conflists.read(conflists.directory())), width
        )
    if own := [each for each in known if each.name == options.which]:
        return show_tables.network(own[0], found, width)
    part, chosen = _selected(found, known, options.which)
    if len({each.attachment.container for each in part.attachments}) == 1:
        return show_tables.container(part.attachments)
    return show_tables.overview(part, chosen, (), width)


def _document(options: Options) -> object:
    """Return the current state for programs."""
    if options.which == CLUSTER:
        from cni_bridge.cli import show_cluster

        return show_cluster.as_json(_clusters(options))
    if options.all:
        from cni_bridge.cli import everything

        return everything.as_json(_everything(options))
    found, known = _seen(options)
    return as_json(*_selected(found, known, options.which))


def _clusters(options: Options) -> tuple[Cluster, ...]:
    from cni_bridge.cli import show_cluster

    return show_cluster.select(options.cluster, *conflists.ledgers(options.state_dir))


def _everything(options: Options) -> tuple[Space, ...]:
    if options.which:
        raise InvalidConfig(f"{options.which}: --all shows the whole host", "leave out one of both")
    from cni_bridge.cli import everything  # few ask for all

    return everything.take(*conflists.ledgers(options.state_dir)).spaces


def _seen(options: Options, before: Counted | None = None) -> tuple[Inventory, tuple[Network, ...]]:
    if options.cluster:
        raise InvalidConfig(f"{options.cluster}: one name at a time", "or `show cluster NETWORK`")
    found = inventory.take(*conflists.ledgers(options.state_dir))
    if before is not None:
        rated = tuple(_rated(each, before) for each in found.attachments)
        found = replace(found, attachments=rated)
    return found, networks.known(found)


def _rated(each: Attached, before: Counted) -> Attached:
    """Return the attachment with its traffic a second, if it was counted before."""
    now, traffic = time.monotonic(), each.traffic
    earlier = before.get(each.attachment)
    before[each.attachment] = now, traffic
    if earlier is None:
        return each
    seconds = now - earlier[0]
    # A new interface of the same name counts from 0.
    rates = (max(0, round((a - b) / seconds)) for a, b in zip(traffic, earlier[1], strict=True))
    return replace(each, rates=tuple(rates))


def _selected(
    found: Inventory, known: tuple[Network, ...], which: str
) -> tuple[Inventory, tuple[Network, ...]]:
    """Return the part of both that a network's or container's name selects."""
    if not which:
        return found, known
    attachments = tuple(each for each in found.attachments if each.attachment.network == which)
    if which not in {each.name for each in known}:
        attachments = _attachments(found, known, which)
    names = {which, *(each.attachment.network for each in attachments)}
    chosen = tuple(
        replace(each, attachments=tuple(row for row in each.attachments if row in attachments))
        for each in known
        if each.name in names
    )
    used = {each.bridge for each in chosen}
    part = replace(
        found,
        bridges=tuple(each for each in found.bridges if each.name in used),
        attachments=attachments,
        foreign=tuple(each for each in found.foreign if each.master in used),
    )
    return part, chosen


def _attachments(found: Inventory, known: tuple[Network, ...], which: str) -> tuple[Attached, ...]:
    """Return the attachments of the containers that `which` may mean. Raises InvalidConfig."""
    meant = container_names.matching(which, found.containers)
    if not meant:
        names = ", ".join(sorted(each.name for each in known))
        raise InvalidConfig(
            f"no network or container is named {which}", f"networks: {names or 'none'}"
        )
    return tuple(each for each in found.attachments if each.attachment.container in meant)


def _plain(value: Any, but: tuple[str, ...] = ()) -> Any:
    """Return a record as a JSON object, nested records included."""
    if isinstance(value, tuple):
        return [_plain(each) for each in value]
    if not hasattr(value, "__dict__"):
        return value
    return {key: _plain(inner) for key, inner in vars(value).items() if key not in but}
