"""Publish ports of a running container, and take them back: in the same transactions as ADD and DEL.

Its other connections are not touched.
"""

from cni_bridge.firewall import (
    apply,
    connections,
    loopback,
    nft_elements,
    nft_tables,
    port_runs,
)
from cni_bridge.kernel import nftables
from cni_bridge.kernel.nftables import Netfilter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from cni_bridge.firewall.model import Element, PublishedPort
    from cni_bridge.firewall.register import Register
    from cni_bridge.model import Attachment


def unpublish(
    register: "Register", attachments: "Iterable[Attachment]", wanted: "Iterable[PublishedPort]"
) -> "tuple[Element, ...]":
    """Take ports from the attachments of one container; return what was published until now.

    Connections by these ports end.
    """
    ports = tuple(wanted)
    gone: list[Element] = []
    left: list[Element] = []
    socket = Netfilter()
    try:
        apply.ensure_loaded(socket, register)
        with register.transaction():
            for attachment in attachments:
                lost, kept = register.unpublish(attachment, ports)
                gone += lost
                left += kept
            exchange(socket, register, gone, left)
        connections.forget_published(socket, gone, left)
    finally:
        socket.close()
    return tuple(gone)


def exchange(
    socket: Netfilter,
    register: "Register",
    removed: "Iterable[Element]",
    added: "Iterable[Element]",
) -> None:
    """Delete and add elements, in one transaction of nftables for each table."""
    start = nftables.generation(socket), socket.commits
    gone, new = nft_tables.by_family(removed), nft_tables.by_family(added)
    for family in dict.fromkeys((*gone, *new)):
        change = apply.Change(
            family=family,
            added=tuple(new.get(family, ())),
            removed=tuple(gone.get(family, ())),
            fills=False,
        )
        is_loaded = apply.is_loaded(socket, register, family, start[0])
        apply.reconcile(socket, register, change, is_loaded=is_loaded)
    apply.note_generation(socket, register, (), start)


def close_loopback(register: "Register", bridge: str) -> None:
    """Stop routing 127.0.0.0/8 by a bridge behind which no port answers there any more."""
    if not register.answers_on_loopback(bridge):
        loopback.close(bridge)


def published(register: "Register", attachment: "Attachment") -> "tuple[Element, ...]":
    """Return the published ports of an attachment, those that wait for another's too."""
    items = (*register.of_attachment(attachment), *register.waiting(attachment))
    return tuple(filter(nft_elements.is_port, items))


def meant(held: "Iterable[Element]", wanted: "Iterable[PublishedPort]") -> "tuple[Element, ...]":
    """Return the published ports that have a number of those wanted, at their host address if given."""
    ports = tuple(wanted)
    return tuple(
        item
        for item in held
        for port in (nft_elements.published_port(item),)
        if any(port_runs.is_meant(port, each) for each in ports)
    )
