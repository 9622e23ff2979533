"""`cni-bridge gc`: free the addresses of containers that are provably gone.

`recovery.stale` decides what counts as gone; if unsure, the record is kept.
"""

from cni_bridge.cli import chain, conflists, container_names, terminal
from cni_bridge.cli.options import Commands, Options, add_command, add_state_dir
from cni_bridge.errors import RemovalIncomplete
from cni_bridge.kernel import netlink
from cni_bridge.ledger import sticky, store
from cni_bridge.ledger.database import Database
from cni_bridge.ledger.store import Ledger
from cni_bridge.model import Holding
from cni_bridge.recovery import stale


def register(parsers: Commands) -> None:
    """Add the command and its options."""
    parser = add_command(
        parsers,
        "gc",
        run,
        description="Removes attachments recorded before the last boot, and those whose namespace "
        "and\ninterfaces are both gone. If unsure, the record is kept. Forgets the names of networks that "
        "are\nnot sticky any more.",
        examples="  cni-bridge gc --dry-run\n  cni-bridge gc",
    )
    parser.add_argument("--dry-run", action="store_true", help="only print what would be done")
    add_state_dir(parser)


def run(options: Options) -> int:
    """Remove stale attachments; fail if one of them cannot be removed."""
    ledger = store.find_ledger(options.state_dir)
    titles = container_names.titles(container_names.of_ledgers([ledger] if ledger else []))
    gone = dead(options.state_dir) if options.dry_run else free(options.state_dir)
    verb = "would free" if options.dry_run else "freed"
    for holding in gone:
        terminal.tell(f"{verb} {stale.text(holding, titles[holding.attachment.container])}")
    forgetful = _no_longer_sticky(ledger, options.state_dir) if ledger else []
    for database, network in forgetful:
        if not options.dry_run:
            sticky.forget_all(database, network)
        verb = "would forget" if options.dry_run else "forgot"
        terminal.tell(f"{verb} the names of network {network}, which is not sticky any more")
    if not gone and not forgetful:
        terminal.write("nothing to clean up")
    return 0


def _no_longer_sticky(ledger: Ledger, state_dir: str) -> list[tuple[Database, str]]:
    """Return the networks that remember names, although their configs do not say so any more."""
    configs = (each.config for each in conflists.read(conflists.directory()))
    own = (each for each in configs if each and each.state_dir == state_dir)
    return [
        (ledger.database, each.name)
        for each in own
        if not each.ipam.sticky and sticky.count(ledger.database, each.name)
    ]


def dead(state_dir: str) -> list[Holding]:
    """Return the stale records of a ledger."""
    ledger = store.find_ledger(state_dir)
    held = ledger.holdings() if ledger else ()
    return [holding for holding, _ in stale.provably_gone(netlink.Socket(), held)]


def free(state_dir: str) -> list[Holding]:
    """Remove all stale attachments and return them. Raises RemovalIncomplete."""
    ledger = store.find_ledger(state_dir)
    if ledger is None:
        return []
    gone, failures = stale.reclaim(netlink.Socket(), ledger)
    if failures:
        raise RemovalIncomplete("could not remove everything", "\n".join(map(str, failures)))
    for each in gone:  # `connect` may have kept a result, of which the runtime's DEL knows nothing
        chain.cache(each.attachment).unlink(missing_ok=True)
    return gone
