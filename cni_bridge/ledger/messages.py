"""How the ledger's errors name who holds what, so that an operator finds it.

Only texts; what is an error is decided in `store`.
"""

import time

from cni_bridge import address, errors
from cni_bridge.ledger import ranges
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


def held(ip: bytes, range_set: RangeSet, holder: Holding) -> errors.AddressInUse:
    """A requested address that another attachment has."""
    return unavailable(ip, range_set, f"{name(holder.attachment)}. {facts(holder)}")


def unavailable(ip: bytes, range_set: RangeSet, holder: str) -> errors.AddressInUse:
    """A requested address that is somebody else's."""
    return errors.AddressInUse(
        f"requested IP address {address.text(ip)} is not available in range set "
        f"{ranges.set_text(range_set)}",
        f"It is held by {holder}",
    )


def overtaken(attachment: Attachment, details: str = "") -> errors.TryAgainLater:
    """An ADD whose claim a DEL has removed."""
    return errors.TryAgainLater(f"{name(attachment)} was deleted while it was being added", details)


def exists(earlier: Holding) -> errors.AttachmentExists:
    """A second ADD."""
    return errors.AttachmentExists(
        f"{name(earlier.attachment)} exists already, duplicate allocation is not allowed",
        f"{facts(earlier)} Send DEL for it first.",
    )


def name_taken(owner: Holding) -> errors.NameTaken:
    """An attachment whose host end would have another one's name."""
    return errors.NameTaken(
        f"the host end's name {owner.host_name} is that of {name(owner.attachment)}",
        f"{facts(owner)} Names follow from network, container id and ifname: change one.",
    )


def exhausted(
    network: str, index: int, range_set: RangeSet, taken: "ranges.Count"
) -> errors.RangeExhausted:
    """No address is left in a range set."""
    counts = "; ".join(
        f"{ranges.range_text(each)}: {count} leases"
        for each in range_set
        for count in [taken(address.number(each.start), address.number(each.end))]
    )
    return errors.RangeExhausted(
        f"failed to allocate for range {index}: "
        f"no IP addresses available in range set: {ranges.set_text(range_set)}",
        f"{counts}. Delete containers of network {network}, or give it a larger range.",
    )
