"""The ledger's record of wires: which attachment has which end, and how to recreate an end.

A wire is a network with two attachments; nothing here touches interfaces.
"""

from cni_bridge.errors import WireTaken
from cni_bridge.lean.record import record
from cni_bridge.ledger import messages
from cni_bridge.model import Attachment, Holding

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cni_bridge.ledger.database import Database
    from cni_bridge.ledger.store import Ledger

_ENDS = "select container, ifname, mtu, mac from wire where network = ?"


@record
class WireEnd:
    """One end of a wire, with what is needed to recreate it."""

    holding: Holding
    mtu: int
    mac: bytes


class Wires:
    """The wires in an open ledger; every method may raise IOFailure, TryAgainLater.

    Handing an end from one attachment to another happens in the kernel, inside a `transaction`.
    """

    def __init__(self, ledger: "Ledger") -> None:
        self._ledger = ledger

    def transaction(self) -> "Database":
        """Return the context of a write transaction: `with wires.transaction():`."""
        return self._ledger.database.transaction()

    def enrol(self, attachment: Attachment, mtu: int, mac: bytes) -> None:
        """Record an end, inside a `transaction`. Raise WireTaken if the wire already has two others."""
        self.require_end(attachment)
        self._ledger.database.change(
            "insert into wire values (?, ?, ?, ?, ?)", *_key(attachment), mtu, mac
        )

    def require_end(self, attachment: Attachment) -> None:
        """Raise WireTaken if the wire has two other ends."""
        others = self.others(attachment)
        if len(others) > 1:
            first, second = (messages.name(each.holding.attachment) for each in others)
            raise WireTaken(
                f"wire {attachment.network}: both ends are taken, by {first} and by {second}",
                "\n".join(messages.facts(each.holding) for each in others)
                + "\nDelete one of them first; `cni-bridge gc` removes stale attachments.",
            )

    def of(self, attachment: Attachment) -> tuple[WireEnd, ...]:
        """Return the attachment's end; empty if it has none."""
        ends = self.ends(attachment.network)
        return tuple(each for each in ends if each.holding.attachment == attachment)

    def others(self, attachment: Attachment) -> tuple[WireEnd, ...]:
        """Return the other end of the same wire; empty if there is none yet."""
        ends = self.ends(attachment.network)
        return tuple(each for each in ends if each.holding.attachment != attachment)

    def ends(self, network: str) -> tuple[WireEnd, ...]:
        """Return all ends of a wire."""
        rows = self._ledger.database.select(_ENDS, network)
        ends = []
        for container, ifname, mtu, mac in rows:
            holding = self._ledger.find(
                Attachment(network=network, container=container, ifname=ifname)
            )
            assert holding, "a foreign key"
            ends.append(WireEnd(holding=holding, mtu=mtu, mac=mac))
        return tuple(ends)


def _key(attachment: Attachment) -> tuple[str, str, str]:
    return attachment.network, attachment.container, attachment.ifname
