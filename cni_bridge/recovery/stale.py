"""Find attachments whose container is provably gone, and remove them.

Loaded by GC, and by an ADD that collides with another attachment. Never guesses from age.
"""

import posix

from cni_bridge import attachments
from cni_bridge.address import prefix_text
from cni_bridge.errors import CniError, LedgerUnusable, TryAgainLater
from cni_bridge.kernel import links, machine, netns
from cni_bridge.kernel.netlink import Socket
from cni_bridge.ledger import host_ledger
from cni_bridge.parts import veth
from cni_bridge.stderr import remark

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from cni_bridge.ledger.host_ledger import Claims
    from cni_bridge.ledger.store import Ledger
    from cni_bridge.model import Attachment, Holding
    from cni_bridge.model_optional import Names

    Valid = set[tuple[str, str]]

OLDER_BOOT = "it was recorded before the last boot"
ALL_GONE = "its namespace and interfaces are gone"
INTERFACE_GONE = "its interface is gone"


def reclaim(
    host: Socket, ledger: "Ledger", network: str | None = None
) -> "tuple[list[Holding], list[Exception]]":
    """Remove the stale attachments of one network or of all; return them, and what failed.

    The ledger stays locked throughout, so that none of them is added again meanwhile.
    """
    return _reclaim(host, ledger, lambda: ledger.holdings(network))


def reclaim_own(host: Socket, ledger: "Ledger", attachment: "Attachment") -> None:
    """Remove an attachment that is added again and has no interface any more.

    Its DEL could not delete the record, for want of space for one. A wire cannot be judged from elsewhere:
    it has no host end, and its peer may have taken the interface along.
    """
    with ledger.transaction():
        holding = ledger.find(attachment)
        if (
            holding
            and holding.is_confirmed
            and holding.netns.inode
            and veth.find(host, holding.host_name) is None
            and not _has_interface(holding)
        ):
            attachments.detach(host, ledger, (attachment,))


def make_way(host: Socket, ledger: "Ledger", holder: "Attachment") -> None:
    """Remove one attachment of any network if it is stale, and report it on stderr.

    Looks for its record in that ledger and in the host's; other ledgers are not known here.
    """
    for each in host_ledger.with_hosts(ledger):

        def found(each: "Ledger" = each) -> "Iterable[Holding]":
            return filter(None, (each.find(holder),))

        for holding in _reclaim(host, each, found)[0]:
            remark(f"reclaimed the host ports of {text(holding)}")


def make_way_for_name(ledger: "Ledger", attachment: "Attachment", called: "Names") -> None:
    """Remove stale attachments of containers with that name, which hold what a new one is to get."""
    from cni_bridge.ledger import sticky  # few networks remember addresses

    for namesake in sticky.namesakes(ledger.database, attachment, called):

        def found(namesake: "Attachment" = namesake) -> "Iterable[Holding]":
            return filter(None, (ledger.find(namesake),))

        for holding in _reclaim(Socket(), ledger, found)[0]:
            remark(f"reclaimed {text(holding)}")


def collect(host: Socket, ledger: "Ledger | None", network: str, valid: "Valid") -> list[Exception]:
    """Remove every attachment of a network that is not valid; return what could not be removed.

    Attachments without a record are found by the names and aliases of their host ends. Other
    networks on the same bridge have lists of their own.
    """
    failures: list[Exception] = []
    held = ledger.holdings(network) if ledger else ()
    claims: Claims = {each.attachment: (each.created, each.pid != 0) for each in held}
    listed = veth.listed(host)
    others = [each for each in veth.by_owner(listed) if each.network == network]
    try:
        others += host_ledger.protected(ledger, network)
    except (LedgerUnusable, TryAgainLater) as failure:
        failures.append(failure)
    gone = host_ledger.unchanged(ledger, unlisted(held, valid, others), claims)()
    return failures + attachments.detach(host, ledger, gone, seen=(claims, listed))


def unlisted(
    held: "Iterable[Holding]", valid: "Valid", others: "Iterable[Attachment]" = ()
) -> "list[Attachment]":
    """Return those that are not valid, except ones being added: the list may be older than they."""
    adding = {each.attachment for each in held if is_adding(each)}
    candidates = dict.fromkeys((*(each.attachment for each in held), *others))
    return [
        each
        for each in candidates
        if (each.container, each.ifname) not in valid and each not in adding
    ]


def provably_gone(host: Socket, holdings: "Iterable[Holding]") -> "list[tuple[Holding, str]]":
    """Return the holdings of which nothing can be alive, each with the proof."""
    boot = machine.boot_id()
    names = {links.parse(answer).name for answer in host.dump(links.listing())}
    judged = ((each, _proof(each, boot, names)) for each in holdings)
    return [(each, proof) for each, proof in judged if proof]


def is_adding(holding: "Holding") -> bool:
    """Return whether an ADD may be at work on it: a process with its number exists."""
    if holding.is_confirmed:
        return False
    try:
        posix.kill(holding.pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        pass
    return True


def text(holding: "Holding", title: str = "") -> str:
    """Describe a stale record: its addresses and its attachment, whose container may have a title."""
    held = ", ".join(prefix_text(lease.address) for lease in holding.leases) or "no address"
    own = holding.attachment
    container = title or own.container
    return f"{held} from stale attachment {container}/{own.ifname} (network {own.network})"


def _reclaim(
    host: Socket, ledger: "Ledger", held: "Callable[[], Iterable[Holding]]"
) -> "tuple[list[Holding], list[Exception]]":
    with ledger.transaction():
        gone = [holding for holding, _ in provably_gone(host, held())]
        failures = attachments.detach(host, ledger, [holding.attachment for holding in gone])
        return [] if failures else gone, failures


def _proof(holding: "Holding", boot: str, names: set[str]) -> str:
    """Return the proof that it is stale; empty if it may be alive."""
    if holding.boot_id != boot:
        return OLDER_BOOT
    if not holding.netns.inode:  # another plugin's interface, which is not known here
        return ""
    if holding.host_name in names or is_adding(holding):
        return ""
    if not _is_there(holding):
        return ALL_GONE
    # Its DEL had no space to delete the record, or knew of another ledger. The number of an ADD that
    # did not confirm means nothing if its process is in another pid namespace.
    is_certain = holding.is_confirmed and (holding.bridge or not holding.pid)  # no wire's
    return INTERFACE_GONE if is_certain and not _has_interface(holding) else ""


def _is_there(holding: "Holding") -> bool:
    """Return whether the namespace is still at its path."""
    try:
        found = posix.stat(holding.netns.path)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except (OSError, ValueError):
        return True
    return (found.st_dev, found.st_ino) == (holding.netns.device, holding.netns.inode)


def _has_interface(holding: "Holding") -> bool:
    """Return whether the namespace has an interface of that name; True if unsure."""
    try:
        space = netns.open_netns(holding.netns.path, may_be_own=True)
    except CniError:
        return True
    inside = netns.inside(space, Socket)
    netns.close(space)
    found = veth.find(inside, holding.attachment.ifname)
    inside.close()
    return found is not None
