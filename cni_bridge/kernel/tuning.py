"""Netlink requests and answers about rarely used interface settings.

Pure, like `links`: promiscuous mode, all multicast, and the length of the transmit queue.
"""

from cni_bridge.kernel.messages import (
    IFF_ALLMULTI,
    IFF_PROMISC,
    IFLA_IFNAME,
    IFLA_TXQLEN,
    LINK,
    RTM_NEWLINK,
)
from cni_bridge.kernel.netlink import Request, decode, encode
from cni_bridge.lean.record import record


@record
class TunedSettings:
    """Settings found on an interface."""

    promisc: bool
    allmulti: bool
    tx_queue_length: int


def change(
    name: str, *, promisc: bool | None, allmulti: bool | None, tx_queue_length: int | None
) -> Request:
    """Change every setting that is not None, in one message."""
    wanted = ((IFF_PROMISC, promisc), (IFF_ALLMULTI, allmulti))
    mask = sum(flag for flag, is_on in wanted if is_on is not None)
    flags = sum(flag for flag, is_on in wanted if is_on)
    what = (
        f"tune interface {name}: promisc {promisc}, allmulti {allmulti}, txQLen {tx_queue_length}"
    )
    values = {IFLA_IFNAME: name, IFLA_TXQLEN: tx_queue_length}
    return Request(what=what, kind=RTM_NEWLINK, body=encode(LINK, (0, 0, 0, flags, mask), values))


def parse(payload: bytes) -> TunedSettings:
    """Parse the settings in an answer."""
    (_, _, _, flags, _), link = decode(LINK, payload)
    return TunedSettings(
        promisc=bool(flags & IFF_PROMISC),
        allmulti=bool(flags & IFF_ALLMULTI),
        tx_queue_length=link.number(IFLA_TXQLEN) or 0,
    )
