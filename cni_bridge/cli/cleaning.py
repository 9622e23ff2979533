"""`cni-bridge gc`: forgets the attachments that are provably dead, and frees their addresses.

What proof is needed is decided by the inventory; on doubt nothing is removed.
"""

from cni_bridge import assembly
from cni_bridge.address import prefix_text
from cni_bridge.cli import inventory, terminal
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
    dead = inventory.dead(options.state_dir)
    if not options.dry_run:
        free(options.state_dir)
    verb = "would free" if options.dry_run else "freed"
    for holding in dead:
        attachment = holding.attachment
        held = ", ".join(prefix_text(lease.address) for lease in holding.leases) or "no address"
        screen.print(
            f"{verb} {held} of {attachment.container} {attachment.ifname} on {attachment.network}",
            soft_wrap=True,
        )
    if not dead:
        screen.print("nothing is provably dead")
    return 0


def free(state_dir: str) -> None:
    """Forget everything of a ledger that is provably dead. Raises RemovalIncomplete."""
    ledger = store.find_ledger(state_dir)
    failures: list[Exception] = []
    for holding in inventory.dead(state_dir):
        if ledger and not ledger.is_superseded(holding):  # or a runtime was faster
            failures += assembly.detach(netlink.Socket(), ledger, (holding.attachment,))
    if failures:
        raise RemovalIncomplete("could not remove everything", "\n".join(map(str, failures)))
