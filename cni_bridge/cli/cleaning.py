"""`cni-bridge gc`: forgets the attachments that are provably dead, and frees their addresses.

What proof is needed is decided in `reclaiming`; on doubt nothing is removed.
"""

from cni_bridge import reclaiming
from cni_bridge.cli import terminal
from cni_bridge.cli.options import Commands, Options, add_command, add_state_dir
from cni_bridge.errors import RemovalIncomplete
from cni_bridge.ipam import store
from cni_bridge.kernel import netlink


def register(parsers: Commands) -> None:
    """The command's options."""
    parser = add_command(
        parsers,
        "gc",
        run,
        summary="free the addresses of containers that are provably dead",
        description="Forgets attachments recorded before the last boot, and those whose namespace "
        "and\ninterfaces are both gone. What may be alive is left alone.",
        examples="  cni-bridge gc --dry-run\n  cni-bridge gc",
    )
    parser.add_argument("--dry-run", action="store_true", help="only say what would be done")
    add_state_dir(parser)


def run(options: Options) -> int:
    """Remove what is dead; 1 if some of it could not be."""
    screen = terminal.console()
    ledger = store.find_ledger(options.state_dir)
    host = netlink.Socket()
    failures: list[Exception] = []
    if ledger is None or options.dry_run:
        held = ledger.holdings() if ledger else ()
        gone = [holding for holding, _ in reclaiming.dead(host, held)]
    else:
        gone, failures = reclaiming.reclaim(host, ledger)
    verb = "would free" if options.dry_run else "freed"
    for holding in gone:
        screen.print(f"{verb} {reclaiming.text(holding)}", soft_wrap=True)
    if failures:
        raise RemovalIncomplete("could not remove everything", "\n".join(map(str, failures)))
    if not gone:
        screen.print("nothing is provably dead")
    return 0
