"""`cni-bridge restore`: reload the firewall from the ledger, and rebuild a lost ledger."""

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NoReturn, TypeVar

from cni_bridge import plugin
from cni_bridge.cli import container_names, limit, nft_changes, systemd, terminal, units
from cni_bridge.cli.options import Commands, Options, add_command, add_state_dir
from cni_bridge.errors import CniError, LedgerUnusable
from cni_bridge.firewall import apply, foreign_checks, loopback, nft_elements, nft_tables
from cni_bridge.firewall.register import Register
from cni_bridge.kernel import machine, netlink, nftables, sysctl
from cni_bridge.ledger import damage, database, host_ledger, state_directory, store
from cni_bridge.ledger.store import Ledger
from cni_bridge.naming import apply as nameserver
from cni_bridge.naming import server
from cni_bridge.recovery import firewall_records, lost_ledger, other_ledgers, without_ledger

Result = TypeVar("Result")

RETRY_S = 2.0  # nft may be missing, or the ledger be locked


def register(parsers: Commands) -> None:
    """Add the command and its options."""
    parser = add_command(
        parsers,
        "restore",
        run,
        description="Loads the rules and all their elements from the ledger in one transaction:\n"
        "masquerade, published ports and isolation of all running containers. Starts nameservers\n"
        "that have died. The next ADD would do the same. Harmless if nothing is missing.\n\n"
        "With --from-kernel a lost or damaged ledger is rebuilt first, from host ends,\n"
        "addresses in containers and firewall elements. A damaged ledger is moved aside,\n"
        "an intact one is completed.\n\n"
        "With --watch it keeps running: whenever another program has changed nftables, it loads\n"
        "what is missing, within a second.",
        examples="  nft flush ruleset; cni-bridge restore\n"
        "  cni-bridge restore --from-kernel\n"
        "  systemctl enable --now cni-bridge-restore   # --watch, as a service",
    )
    parser.add_argument("--quiet", action="store_true", help="print only errors")
    parser.add_argument(
        "--from-kernel", action="store_true", help="first record the running containers"
    )
    parser.add_argument(
        "--watch", action="store_true", help="keep running, and restore what other programs remove"
    )
    add_state_dir(parser, may_be_new=True)


def run(options: Options) -> int:
    """Restore the firewall, whose records are in the host's ledger alone."""

    def report(text: str) -> None:
        if not options.quiet:
            terminal.tell(text)

    if options.from_kernel:
        for line in rebuild(options.state_dir):
            report(line)
    if options.watch:
        watch(quiet=options.quiet)
    restored, limited = firewall(), limit.restore()
    if limited:
        restored.append(f"the limits of {units.count(limited, 'container')}")
    restored += [f"the nameserver of network {each}" for each in nameservers()]
    for each in restored:
        report(f"restored {each}")
    if not restored:
        report("nothing to restore")
    return 0


def firewall() -> list[str]:
    """Reload the firewall from the host's ledger; return what was missing."""
    ledger = store.find_ledger(state_directory.HOST)
    if ledger is None:
        return []
    register = Register(ledger.database)
    missing = list(_missing(register))
    apply.restore(register)
    return missing


def _missing(register: Register) -> Iterator[str]:
    """Yield which tables, elements and filters the ledger has and the kernel lacks."""
    netfilter = nftables.Netfilter()
    everything = register.everything()
    subnets = {each for each in everything if each.set_name in nft_elements.INTERVALS}
    hidden = subnets - nft_elements.effective(subnets)  # the kernel can't hold them
    families = nft_tables.by_family(everything)
    for family, recorded in families.items():
        table = f"{nft_tables.FAMILY_NAMES[family]} {nft_tables.TABLE}"
        known = register.ruleset(family)
        if not nft_tables.is_loaded(netfilter, family, known, machine.boot_id()):
            yield f"the rules of nftables table {table}"
        present = set(without_ledger.listed(netfilter, nft_tables.SETS[family]))
        if lacking := set(recorded) - hidden - present:
            yield f"{units.count(len(lacking), 'element')} of nftables table {table}"
    if nftables.NFPROTO_INET in families:
        for place in foreign_checks.look(netfilter, register).places:
            yield f"the rule in {place} that accepts packets of containers"
    for bridge in sorted({nft_elements.bridge_of(each) for each in subnets}):
        setting = sysctl.read(sysctl.route_localnet(bridge))  # None: the bridge is gone
        has_ports = setting is not None and register.answers_on_loopback(bridge)
        if has_ports and (setting == "1") != loopback.is_guarded(bridge):
            yield f"published ports of {bridge} on 127.0.0.1, and the filter that guards it"


def watch(*, quiet: bool) -> NoReturn:
    """Restore everything, then the firewall each time another program has taken something from it."""
    changes = nft_changes.Changes()
    _insist(_restore_everything)
    systemd.tell("READY=1")
    while True:
        changes.wait()
        if _insist(_mend) and not quiet:
            terminal.write("another program changed nftables: restored what was missing")
            sys.stdout.flush()


def _insist(act: Callable[[], Result]) -> Result:
    """Do something until it succeeds. A signal to end is obeyed before or after, not within."""
    while True:
        try:
            with _undisturbed():
                return act()
        except (CniError, OSError) as error:
            terminal.fail(plugin.as_cni_error(error))
        time.sleep(RETRY_S)


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Obey SIGTERM and SIGINT at the end. They are not blocked: what is started would inherit that."""
    told: list[int] = []
    handlers = {
        number: signal.signal(number, lambda number, _: told.append(number))
        for number in (signal.SIGTERM, signal.SIGINT)
    }
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        if told:
            signal.raise_signal(told[0])


def _restore_everything() -> None:
    """Restore what the host's ledger has, whether or not something is missing."""
    if ledger := store.find_ledger(state_directory.HOST):
        with closing(ledger):
            apply.restore(Register(ledger.database))
    limit.restore()
    nameservers()


def _mend() -> bool:
    """Load what is missing; return whether anything was."""
    ledger = store.find_ledger(state_directory.HOST)
    if not ledger:
        return False
    with closing(ledger):
        return nft_changes.mend(Register(ledger.database))


def nameservers() -> list[str]:
    """Serve the names that the ledgers have, and end servers without containers; return the networks."""
    restored = []
    for network in server.networks():
        ledgers = (*other_ledgers.homes(network), store.find_ledger(state_directory.HOST))
        ledger = next(filter(None, ledgers), None)
        if ledger and nameserver.restore(ledger, network):
            restored.append(network)
    return restored + server.end_orphans()


def rebuild(state_dir: str) -> list[str]:
    """Rebuild the ledger from kernel state; return what was done, one line each."""
    lines = _set_aside(state_dir)
    host, ledger = netlink.Socket(), store.open_ledger(state_dir)
    rebuilt = lost_ledger.rebuild(host, ledger)
    titles = container_names.titles(container_names.of_ledgers([ledger]))
    lines += (lost_ledger.text(each, titles[each.attachment.container]) for each in rebuilt)
    lost = firewall_records.rebuild(host, host_ledger.open_register(ledger), ledger.holdings())
    if lost:
        lines.append(f"{lost} firewall elements belong to no running container")
    return lines or ["the ledger was complete"]


def _set_aside(state_dir: str) -> list[str]:
    """Move an unreadable ledger away; refuse a directory that others can write to."""
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
    """Read the whole ledger: a page may be damaged that no command happens to need."""
    ((verdict, *_), *_) = ledger.database.select("pragma integrity_check")
    damage.require_sound(ledger.database)
    if verdict != "ok":
        raise LedgerUnusable(f"the ledger {ledger.database.path} is damaged: {verdict}")
