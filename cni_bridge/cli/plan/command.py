"""`cni-bridge plan`: show what an ADD would do, or how the current state differs from it.

A dry run: no lease is taken, nothing is made, no other plugin is run.
"""

import os
import sys

from rich.table import Table

from cni_bridge import attachments, plan
from cni_bridge.cli import conflists, container_names, host_state, stdin, terminal
from cni_bridge.cli.options import Commands, Options, add_command, add_conf_dir, add_json
from cni_bridge.cli.plan import steps
from cni_bridge.cli.plan.steps import Situation, Step
from cni_bridge.cli.terminal import Text
from cni_bridge.cli.validate import command as validate
from cni_bridge.edge import config
from cni_bridge.edge.request import Request
from cni_bridge.errors import (
    InvalidConfig,
    InvalidEnvironment,
    NotAsPlanned,
    UndecodableContent,
)
from cni_bridge.ipam import resolver, sources
from cni_bridge.kernel import netns
from cni_bridge.ledger import blocks, ranges, store
from cni_bridge.ledger.store import Ledger
from cni_bridge.model import Grant, Holding, Lease, NetworkConfig, Plan, RangeSet

STYLES = {steps.NEW: "green", steps.THERE: "dim", steps.BLOCKED: "bold red"}
CONTAINER = "container"
EXAMPLES = """\
  cni-bridge plan web
  cni-bridge plan < /etc/cni/net.d/10-web.conflist
  CNI_CONTAINERID=3f2a CNI_NETNS=/run/netns/3f2a cni-bridge plan 10-web.conflist
  CNI_CONTAINERID=3f2a CNI_NETNS=/run/netns/3f2a cni-bridge plan --diff web"""


def register(parsers: Commands) -> None:
    """Add the command and its options."""
    parser = add_command(
        parsers,
        "plan",
        run,
        description="Reads a network config and the CNI_* variables as the plugin does, and prints "
        "what ADD would\ndo: + would be done, = is already so, ! makes it fail (exit status 1). "
        "CNI_CONTAINERID\nand CNI_IFNAME default to `example` and `eth0`.",
        examples=EXAMPLES,
    )
    parser.add_argument(
        "source",
        metavar="NETWORK|FILE",
        nargs="?",
        default="-",
        help="a network's name, or a file; stdin if omitted",
    )
    add_conf_dir(parser, conflists.directory())
    parser.add_argument(
        "--diff",
        action="store_true",
        help="print how the current state differs from the plan, as CHECK does; exit status 1 if it does",
    )
    add_json(parser)


def run(options: Options) -> int:
    """Print the steps, or the differences."""
    text = _text(options)
    try:
        asked = stdin.add_request(text)
        document = config.prepare(asked.document, asked.command)
        kind = config.ipam_type(document)
        is_delegated = kind not in ("", sources.OWN_TYPE)
        settings = config.parse(document, asked.args, is_delegated=is_delegated)
    except (InvalidConfig, UndecodableContent):
        validate.refuse(options.source, text)
        raise
    attachment = config.attachment(document, asked)
    ledger = store.find_ledger(settings.state_dir)
    holding = ledger.find(attachment) if ledger else None
    grant = Grant(
        leases=holding.leases if holding else _next_leases(ledger, settings),
        routes=settings.ipam.routes,
        dns=resolver.read(settings.ipam.resolv_conf),
    )
    if holding:
        settings = plan.with_mac(settings, holding)
    wanted = plan.build(attachment, settings, grant)
    titles = container_names.titles(container_names.of_ledgers([ledger] if ledger else []))
    if options.diff:
        who = titles.get(asked.container, asked.container)
        return _print_differences(wanted, asked, ledger, holding, who)
    holdings = ledger.holdings(settings.name) if ledger else ()
    taken = _steps(wanted, asked, holdings, titles)
    if is_delegated:
        text = f"addresses from IPAM plugin {kind}, which is not run now"
        taken.insert(1, Step(mark=steps.NEW, place="ipam", text=text))
    if options.json:
        terminal.print_json({"steps": [vars(step) for step in taken]})
    else:
        terminal.console().print(_table(taken))
    return int(any(step.mark == steps.BLOCKED for step in taken))


def _steps(
    wanted: Plan, asked: Request, holdings: tuple[Holding, ...], titles: dict[str, str]
) -> list[Step]:
    paths = {CONTAINER: asked.netns_path} if asked.netns_path else {}
    host, *containers = host_state.look(paths)
    container = containers[0] if containers else None
    situation = Situation(holdings=holdings, host=host, container=container, titles=titles)
    found = steps.of(wanted, situation)
    if paths and not containers:
        text = f"{asked.netns_path} is not a network namespace"
        found.insert(0, Step(mark=steps.BLOCKED, place=CONTAINER, text=text))
    return found


def _text(options: Options) -> str:
    """Return the config: of a file or stdin, or of the network with that name."""
    source = options.source
    if source == "-" and sys.stdin.isatty():
        options.command_parser.error("no network or file is named, and stdin is a terminal")
    if source == "-" or os.sep in source or os.path.exists(source):
        return stdin.read(source)
    return conflists.find(source, options.conf_dir)[1]


def _next_leases(ledger: Ledger | None, settings: NetworkConfig) -> tuple[Lease, ...]:
    """Return the leases that a claim would get now."""
    range_sets = settings.ipam.range_sets
    if settings.cluster is not None and ledger:
        range_sets = blocks.range_sets(ledger.database, settings.name)
    wanted = ranges.assign(range_sets, settings.ipam.requested)
    if ledger:
        free = [lease.address.ip for lease in ledger.rehearse(settings.name, range_sets)]
    else:
        free = [_first(range_set) for range_set in range_sets]
    return tuple(
        ranges.lease(range_set, asked_for or next_free)
        for range_set, asked_for, next_free in zip(range_sets, wanted, free, strict=True)
    )


def _first(range_set: RangeSet) -> bytes:
    """Return the first address of a range set without leases."""
    low, _ = next(ranges.sweep(range_set))
    return low.to_bytes(len(range_set[0].start), "big")


def _print_differences(
    wanted: Plan, asked: Request, ledger: Ledger | None, holding: Holding | None, title: str
) -> int:
    if not asked.netns_path:
        raise InvalidEnvironment("--diff needs CNI_NETNS", "set CNI_CONTAINERID and CNI_IFNAME too")
    container = netns.open_netns(asked.netns_path)
    who = f"{asked.ifname} of {title}"
    problems = list(attachments.problems(wanted, container, ledger))
    if holding is None:
        problems.insert(0, f"ledger: expected a record of {title}, found none")
    if problems:
        raise NotAsPlanned(f"{who} is not as planned", "\n".join(problems))
    terminal.tell(f"{who} is as planned")
    return 0


def _table(taken: list[Step]) -> Table:
    table = terminal.table()
    table.add_column(no_wrap=True)
    table.add_column(style="cyan", no_wrap=True)
    table.add_column(overflow="fold")
    for step in taken:
        style = STYLES[step.mark]
        table.add_row(Text(step.mark, style=style), step.place, Text(step.text, style=style))
    return table
