"""Remove an attachment's firewall elements from the kernel where the ledger can't be read.

They are found by the host end's name and by the container's addresses. The network's elements
stay: other attachments may need them; they go when the table is next filled from the ledger.
"""

from cni_bridge import names
from cni_bridge.firewall import connections, nft_elements, nft_tables
from cni_bridge.kernel import nflisting, nftables
from cni_bridge.kernel.netlink import KernelError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cni_bridge.firewall.model import Element
    from cni_bridge.kernel.nftables import Netfilter
    from cni_bridge.model import Attachment


def withdraw(attachments: "Sequence[Attachment]", addresses: tuple[bytes, ...]) -> None:
    """Remove the attachments' elements. Raises FirewallRefused."""
    hosts = {names.host_name(item) for item in attachments}
    socket = nftables.Netfilter()
    try:
        for family, some in nft_tables.by_family(_of(socket, hosts, addresses)).items():
            nft_tables.change(socket, family, (), some)
        connections.forget(socket, addresses)
    except KernelError as error:
        raise nft_tables.refusal(error) from error
    finally:
        socket.close()


def listed(socket: "Netfilter", set_names: tuple[str, ...]) -> "Iterator[Element]":
    """Yield the elements of these sets of cni-bridge's tables."""
    for family, all_sets in nft_tables.SETS.items():
        for set_name in set_names:
            if set_name in all_sets:
                yield from nflisting.elements(socket, family, nft_tables.TABLE, set_name)


def _of(socket: "Netfilter", hosts: set[str], addresses: tuple[bytes, ...]) -> "Iterator[Element]":
    for item in listed(socket, nft_elements.HOST_END_SETS):
        if nft_elements.host_end_of(item) in hosts:
            yield item
    if addresses:
        for item in listed(socket, (*nft_elements.ADDRESS_SETS, *nft_elements.PORT_MAPS)):
            if nft_elements.address_behind(item) in addresses:
                yield item
