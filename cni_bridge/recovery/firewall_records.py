"""Rebuild a lost ledger's firewall records from the nftables sets of cni-bridge's tables.

An address, a host end or a bridge in an element tells its owner. Changes nothing in the kernel.
"""

from cni_bridge import names
from cni_bridge.firewall import nft_elements
from cni_bridge.kernel.nftables import Netfilter
from cni_bridge.parts import veth
from cni_bridge.recovery import without_ledger

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from cni_bridge.firewall.model import Element
    from cni_bridge.firewall.register import Register
    from cni_bridge.kernel.netlink import Socket
    from cni_bridge.model import Attachment, Holding

OWN = (*nft_elements.ADDRESS_SETS, *nft_elements.PORT_MAPS, *nft_elements.HOST_END_SETS)


def rebuild(host: "Socket", register: "Register", holdings: "Iterable[Holding]") -> int:
    """Record the kernel's elements of these attachments; return how many belong to none of them."""
    socket = Netfilter()
    own, lost = _sorted(without_ledger.listed(socket, OWN), _owners(holdings))
    shared = tuple(without_ledger.listed(socket, nft_elements.NETWORK_SETS))
    socket.close()
    ends = veth.host_ends(host)
    with register.transaction():
        for attachment in (each.attachment for each in holdings):
            on = ends[attachment].master if attachment in ends else 0  # 0: a DEL took it off
            master = veth.find(host, on) if on else None
            networks = [item for item in shared if master and _is_about(item, master.name)]
            its = tuple(own.get(attachment, ()))
            if nft_elements.is_isolated(its):
                its = tuple({*its, *nft_elements.isolation(names.host_name(attachment))})
            if (networks or its) and not register.has(attachment):
                register.insert(attachment, networks, its)
    return lost


def _owners(holdings: "Iterable[Holding]") -> "Callable[[Element], Attachment | None]":
    by_address = {lease.address.ip: each.attachment for each in holdings for lease in each.leases}
    by_host_end = {each.host_name: each.attachment for each in holdings}

    def owner(item: "Element") -> "Attachment | None":
        if item.set_name in nft_elements.HOST_END_SETS:
            return by_host_end.get(nft_elements.host_end_of(item))
        return by_address.get(nft_elements.address_behind(item))

    return owner


def _sorted(
    items: "Iterable[Element]", owner: "Callable[[Element], Attachment | None]"
) -> "tuple[dict[Attachment, list[Element]], int]":
    own: dict[Attachment, list[Element]] = {}
    lost = 0
    for item in items:
        if attachment := owner(item):
            own.setdefault(attachment, []).append(item)
        else:
            lost += 1
    return own, lost


def _is_about(item: "Element", bridge: str) -> bool:
    """Return whether it concerns a bridge, or the gateway of one of its VLANs."""
    its = nft_elements.bridge_of(item)
    return its == bridge or its.startswith(f"{bridge}.")
