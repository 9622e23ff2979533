"""Wait, by notification, until duplicate address detection (DAD) of IPv6 addresses is over.

Even without detection the kernel needs a turn of a work queue, which IFA_F_NODAD would only hide:
until then it neither announces an address nor answers for it.
"""

import time

from cni_bridge import errors
from cni_bridge.address import AF_INET6, prefix_text
from cni_bridge.kernel import layer3
from cni_bridge.kernel.netlink import Socket

TIMEOUT_S = 5.0  # the reference waits as long


def wait(inside: Socket, events: Socket, interface: int) -> None:
    """Wait until every IPv6 address of the interface is usable, including the link-local one.

    `events` has received notifications of IPv6 addresses (RTMGRP_IPV6_IFADDR) since before they
    were added. Raise AddressInUse if DAD found another holder, TryAgainLater after TIMEOUT_S.
    """
    deadline = time.monotonic() + TIMEOUT_S
    while tentative := _tentative(inside, interface):
        left = deadline - time.monotonic()
        if left <= 0:
            raise errors.TryAgainLater(
                f"failed to settle addresses: {tentative} is still tentative",
                f"waited {TIMEOUT_S} s for duplicate address detection",
            )
        events.wait(int(left * 1000) + 1)


def _tentative(inside: Socket, interface: int) -> str:
    """Return an address whose detection is not over, as text; empty if there is none."""
    tentative = ""
    for answer in inside.dump(layer3.addresses(AF_INET6, interface)):
        found = layer3.parse_address(answer)
        if found.is_duplicate:
            raise errors.AddressInUse(
                f"failed to settle addresses: {prefix_text(found.address)} is a duplicate "
                "(DADFAILED)",
                "another interface on this bridge answered for it; `enabledad` makes this an error",
            )
        if found.is_tentative:
            tentative = prefix_text(found.address)
    return tentative
