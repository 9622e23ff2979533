"""Attachments that nobody will delete any more: which those are, and their end.

Loaded by GC, and by an ADD that somebody is in the way of. Death is proven, never guessed from age.
"""

import posix

from cni_bridge import attachments
from cni_bridge.address import prefix_text
from cni_bridge.errors import LedgerUnusable, TryAgainLater
from cni_bridge.kernel import links, machine
from cni_bridge.ledger import host_ledger
from cni_bridge.parts import veth
from cni_bridge.stderr import remark

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from cni_bridge.kernel.netlink import Socket
    from cni_bridge.ledger.store import Ledger
    from cni_bridge.model import Attachment, Holding

    Valid = set[tuple[str, str]]

OLDER_BOOT = "it was recorded before the last boot"
ALL_GONE = "its namespace and interfaces are gone"


def reclaim(
    host: "Socket", ledger: "Ledger", network: str | None = None
) -> "tuple[list[Holding], list[Exception]]":
    """Remove the dead of one network or of all; return whose addresses are free, and what failed.

    The ledger is locked from the look to the end, so nobody can come alive meanwhile.
    """
    return _reclaim(host, ledger, lambda: ledger.holdings(network))


def make_way(host: "Socket", ledger: "Ledger", holder: "Attachment") -> None:
    """Remove one attachment of any network if it is dead, and tell.

    Its record is in that ledger or in the host's; what another one tells of it is not known.
    """
    for each in host_ledger.with_hosts(ledger):

        def found(each: "Ledger" = each) -> "Iterable[Holding]":
            return filter(None, (each.find(holder),))

        for holding in _reclaim(host, each, found)[0]:
            remark(f"reclaimed the host ports of {text(holding)}, who is dead")


def collect(
    host: "Socket", ledger: "Ledger | None", network: str, valid: "Valid"
) -> list[Exception]:
    """Remove every attachment of a network that is not valid; return what could not be removed.

    Where no ledger tells of them, the names and aliases of the host ends do. Other networks on the
    same bridge have their own list.
    """
    failures: list[Exception] = []
    others = [each for each in veth.host_ends(host) if each.network == network]
    try:
        others += host_ledger.guarded(ledger, network)
    except (LedgerUnusable, TryAgainLater) as failure:
        failures.append(failure)
    held = ledger.holdings(network) if ledger else ()
    return failures + attachments.detach(host, ledger, stale(held, valid, others))


def stale(
    held: "Iterable[Holding]", valid: "Valid", others: "Iterable[Attachment]" = ()
) -> "list[Attachment]":
    """Those that are not valid, but for the ones that are being added: the list may be older."""
    adding = {each.attachment for each in held if is_adding(each)}
    candidates = dict.fromkeys((*(each.attachment for each in held), *others))
    return [
        each
        for each in candidates
        if (each.container, each.ifname) not in valid and each not in adding
    ]


def dead(host: "Socket", holdings: "Iterable[Holding]") -> "list[tuple[Holding, str]]":
    """Those of which nothing can be alive, each with the proof."""
    boot = machine.boot_id()
    names = {links.parse(answer).name for answer in host.dump(links.listing())}
    judged = ((each, _proof(each, boot, names)) for each in holdings)
    return [(each, proof) for each, proof in judged if proof]


def is_adding(holding: "Holding") -> bool:
    """Whether an ADD may be at work on it: its process lives, or another one has its number."""
    if holding.is_confirmed:
        return False
    try:
        posix.kill(holding.pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        pass
    return True


def text(holding: "Holding") -> str:
    """Which addresses, and whose."""
    held = ", ".join(prefix_text(lease.address) for lease in holding.leases) or "no address"
    attachment = holding.attachment
    return f"{held} of {attachment.container} {attachment.ifname} on {attachment.network}"


def _reclaim(
    host: "Socket", ledger: "Ledger", held: "Callable[[], Iterable[Holding]]"
) -> "tuple[list[Holding], list[Exception]]":
    def work() -> "tuple[list[Holding], list[Exception]]":
        gone = [holding for holding, _ in dead(host, held())]
        failures = attachments.detach(host, ledger, [holding.attachment for holding in gone])
        return [] if failures else gone, failures

    return ledger.database.locked(work)


def _proof(holding: "Holding", boot: str, names: set[str]) -> str:
    """Why it is dead; empty if it may live."""
    if holding.boot_id != boot:
        return OLDER_BOOT
    if not holding.netns.inode:  # another plugin has made the interface, wherever that is
        return ""
    if holding.host_name in names or _is_there(holding) or is_adding(holding):
        return ""
    return ALL_GONE


def _is_there(holding: "Holding") -> bool:
    """Whether the namespace is where the runtime had it."""
    try:
        found = posix.stat(holding.netns.path)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except (OSError, ValueError):
        return True
    return (found.st_dev, found.st_ino) == (holding.netns.device, holding.netns.inode)
