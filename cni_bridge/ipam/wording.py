"""How the ledger's errors name who holds what, so that an operator finds it.

Only texts; what is an error is decided in `store`.
"""

import time

from cni_bridge import address
from cni_bridge.errors import AddressInUse
from cni_bridge.ipam import ranges
from cni_bridge.model import Attachment, Holding, RangeSet


def name(attachment: Attachment) -> str:
    """Which interface of which container."""
    return (
        f"interface {attachment.ifname} of container {attachment.container} "
        f"on network {attachment.network}"
    )


def facts(holding: Holding) -> str:
    """Since when, under which name on the host, with which addresses."""
    since = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(holding.created / 1000))
    held = ", ".join(address.prefix_text(lease.address) for lease in holding.leases)
    return f"Since {since}, host end {holding.host_name}, addresses: {held or 'none'}."


def unavailable(ip: bytes, range_set: RangeSet, holder: str) -> AddressInUse:
    """A requested address that is somebody else's."""
    return AddressInUse(
        f"requested IP address {address.text(ip)} is not available in range set "
        f"{ranges.set_text(range_set)}",
        f"It is held by {holder}",
    )
