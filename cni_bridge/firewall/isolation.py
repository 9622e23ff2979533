"""Isolate a running container: no packet passes between it and any other container of this host.

Its host end is all that is known of it: neither its network's config nor its addresses matter.
"""

from cni_bridge import names
from cni_bridge.firewall import apply, live, nft_elements, nft_tables
from cni_bridge.kernel.nftables import NFPROTO_BRIDGE, Netfilter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from cni_bridge.firewall.model import Element
    from cni_bridge.firewall.register import Register
    from cni_bridge.model import Attachment


def isolate(register: "Register", attachments: "Sequence[Attachment]") -> None:
    """Record that attachments are isolated, then isolate them.

    If this process dies in between, the next one that uses the firewall does what is recorded.
    Raises FirewallRefused, TryAgainLater.
    """
    socket = Netfilter()
    try:
        apply.ensure_loaded(socket, register, (NFPROTO_BRIDGE,))
        with register.transaction():
            for each in attachments:
                register.insert(each, (), _elements(each))
            doubted = register.doubt()
        with register.transaction():
            register.trust(doubted)
            there = [each for each in attachments if register.has(each)]  # no DEL overtook this
            added = [item for each in there for item in _elements(each)]
            live.exchange(socket, register, (), added)
    finally:
        socket.close()


def join(register: "Register", attachments: "Iterable[Attachment]") -> None:
    """End the isolation of attachments, those that are not isolated included."""
    socket = Netfilter()
    try:
        apply.ensure_loaded(socket, register)
        with register.transaction():
            gone = [item for each in attachments for item in register.drop(each, _elements(each))]
            live.exchange(socket, register, gone, ())
    finally:
        socket.close()


def problems(register: "Register", attachment: "Attachment") -> "Iterator[str]":
    """Yield every element that the kernel lacks, of an attachment whose network has no firewall."""
    socket = Netfilter()
    own = register.of_attachment(attachment)
    for family, some in nft_tables.by_family(own).items():
        yield from nft_tables.problems(socket, family, register.ruleset(family), some)


def _elements(attachment: "Attachment") -> "tuple[Element, ...]":
    return nft_elements.isolation(names.host_name(attachment))
