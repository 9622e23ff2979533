"""`cni-bridge restore`: makes the firewall anew from the ledger, and the ledger from the kernel.

What belongs into them is known elsewhere: how it gets there is the plugin's own code.
"""

import os
import time
from pathlib import Path

from cni_bridge.cli import terminal
from cni_bridge.cli.options import Commands, Options, add_command, add_state_dir
from cni_bridge.errors import LedgerUnusable
from cni_bridge.firewall import apply
from cni_bridge.firewall.register import Register
from cni_bridge.kernel import netlink
from cni_bridge.ledger import database, host_ledger, state_directory, store
from cni_bridge.ledger.store import Ledger
from cni_bridge.recovery import firewall_records, lost_ledger


def register(parsers: Commands) -> None:
    """The command's options."""
    parser = add_command(
        parsers,
        "restore",
        run,
        summary="make the firewall anew, or a lost ledger from the kernel",
        description="Loads the rules and every element that the ledger has for them, in one\n"
        "transaction: masquerade, published ports and isolation of all containers that\n"
        "run. The next ADD would do so too. Harmless when nothing is missing.\n\n"
        "With --from-kernel a lost or damaged ledger is made anew before, from the host\n"
        "ends, the addresses in the containers and the elements that are there. A damaged\n"
        "one is set aside, one that is sound gets what it lacks.",
        examples="  nft flush ruleset; cni-bridge restore\n"
        "  cni-bridge restore --from-kernel\n"
        "  systemctl enable --now cni-bridge-restore    # after each reload of others' rules",
    )
    parser.add_argument("--quiet", action="store_true", help="print nothing but errors")
    parser.add_argument(
        "--from-kernel", action="store_true", help="first record the containers that run"
    )
    add_state_dir(parser)


def run(options: Options) -> int:
    """Restore; the firewall's half of all is in the host's ledger and nowhere else."""
    screen = terminal.console()
    screen.quiet = options.quiet
    if options.from_kernel:
        for line in _rebuild(options.state_dir):
            screen.print(line, soft_wrap=True)
    ledger = store.find_ledger(state_directory.HOST)
    count = apply.restore(Register(ledger.database)) if ledger else 0
    screen.print(f"restored {count} elements" if count else "there is nothing to restore")
    return 0


def _rebuild(state_dir: str) -> list[str]:
    """Make the ledger anew; what was done, a line each."""
    lines = _set_aside(state_dir)
    host, ledger = netlink.Socket(), store.open_ledger(state_dir)
    lines += map(lost_ledger.text, lost_ledger.rebuild(host, ledger))
    lost = firewall_records.rebuild(host, host_ledger.open_register(ledger), ledger.holdings())
    if lost:
        lines.append(f"{lost} elements of the firewall are of no container that runs")
    return lines or ["the ledger lacked nothing"]


def _set_aside(state_dir: str) -> list[str]:
    """Move a ledger away that can't be read; a directory that is not ours alone is refused."""
    state_directory.ensure(state_dir)
    try:
        if found := store.find_ledger(state_dir):
            _check(found)
    except LedgerUnusable as error:
        path = Path(state_dir, database.FILE_NAME)
        aside = path.with_name(f"{path.name}.{time.strftime('%Y%m%dT%H%M%S')}.{os.getpid()}")
        path.rename(aside)
        journal = path.with_name(f"{path.name}-journal")
        if journal.exists():  # SQLite would apply it to the new one
            journal.rename(f"{aside}-journal")
        return [f"{error}", f"moved it to {aside}"]
    return []


def _check(ledger: Ledger) -> None:
    """Read all of it; a page may be damaged that no command happens to need."""
    ((verdict, *_), *_) = ledger.database.select("pragma integrity_check")
    if verdict != "ok":
        raise LedgerUnusable(f"the ledger {ledger.database.path} is damaged: {verdict}")
