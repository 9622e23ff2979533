"""Roll back a failed ADD: `signals.undoing` calls it, and the removal is the same as DEL's."""

from cni_bridge import attachments, errors
from cni_bridge.kernel import netlink, netns
from cni_bridge.kernel.netlink import KernelError
from cni_bridge.ledger import messages

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cni_bridge.ipam.sources import Source
    from cni_bridge.kernel.netns import OpenNetns
    from cni_bridge.ledger.store import Ledger
    from cni_bridge.model import Holding


def undo_add(
    host: netlink.Socket,
    container: "OpenNetns",
    ledger: "Ledger",
    holding: "Holding",
    addresses: "Source",
    error: BaseException,
) -> None:
    """Undo an ADD, unless a DEL has already done so and a later ADD owns what is there now.

    What can't be undone is added to the error as notes. Raises TryAgainLater if a DEL made the ADD
    fail.
    """
    try:
        netns.come_home(container)
    except OSError as failure:  # the host's interfaces can't be reached from here
        error.add_note(f"while rolling back: cannot leave the container's netns: {failure}")
        return
    is_deleted = False
    try:
        ledger.database.rollback()  # or the release would be part of an unfinished transaction
        if ledger.is_superseded(holding):
            return
        is_deleted = ledger.find(holding.attachment) is None
        if isinstance(error, errors.AddressInUse):  # or the next ADD of the name gets it again
            from cni_bridge.ledger import sticky

            sticky.forget_duplicate(ledger.database, holding.attachment)
    except errors.CniError as failure:
        error.add_note(f"while rolling back: {failure}")
    for left in attachments.detach(host, ledger, (holding.attachment,), addresses.undo):
        error.add_note(f"while rolling back: {left}")
    is_consequence = isinstance(error, (KernelError, errors.CniError))  # the interface vanished
    if is_deleted and is_consequence and not isinstance(error, errors.TryAgainLater):
        raise messages.overtaken(holding.attachment, str(error)) from error
