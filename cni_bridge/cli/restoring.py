"""`cni-bridge restore`: makes the firewall anew, after somebody has flushed nftables.

What belongs into it is in the ledger; how it gets there is the plugin's own code.
"""

from cni_bridge import protection
from cni_bridge.cli.options import Commands, Options, add_command
from cni_bridge.ipam import statedir, store
from cni_bridge.ipam.register import Register


def register(parsers: Commands) -> None:
    """The command's options."""
    parser = add_command(
        parsers,
        "restore",
        run,
        summary="make the firewall anew, after a reload or `nft flush ruleset`",
        description="Loads the rules and every element that the ledger has for them, in one\n"
        "transaction: masquerade, published ports and isolation of all containers that\n"
        "run. The next ADD would do so too. Harmless when nothing is missing.",
        examples="  nft flush ruleset; cni-bridge restore\n"
        "  systemctl enable --now cni-bridge-restore    # after each reload of others' rules",
    )
    parser.add_argument("--quiet", action="store_true", help="print nothing but errors")


def run(options: Options) -> int:
    """Restore from the host's ledger: the firewall's half is nowhere else."""
    ledger = store.find_ledger(statedir.HOST)
    count = protection.restore(Register(ledger.database)) if ledger else 0
    if not options.quiet:
        print(f"restored {count} elements" if count else "there is nothing to restore")
    return 0
