"""Waiting until a new attachment carries traffic: the kernel ends several steps in work queues.

What is waited for is asked of the kernel; nothing is changed here.
"""

import time

from cni_bridge.address import AF_INET6, Prefix, family, prefix_text
from cni_bridge.errors import KernelRefused, TryAgainLater
from cni_bridge.kernel import layer3, links
from cni_bridge.kernel.messages import IF_OPER_UP, RTMGRP_LINK
from cni_bridge.kernel.netlink import Socket

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cni_bridge.kernel.links import Link

BR_STATE_DISABLED = 0  # linux/if_bridge.h
PORT_UP_TIMEOUT_S = 2.5  # the reference waits as long
SETTLE_TIMEOUT_S = 5.0  # and so for this
SETTLE_STEP_S = 0.001


def until_passing(host: "Socket", host_name: str) -> "Link":
    """The host end once frames pass both ways, which takes a work queue's turn or two."""
    outer = _port(host, host_name)
    if _is_passing(host, outer):
        return outer
    events = Socket(groups=RTMGRP_LINK)
    try:
        deadline = time.monotonic() + PORT_UP_TIMEOUT_S
        while not _is_passing(host, outer := _port(host, host_name)):
            left = deadline - time.monotonic()
            if left <= 0:
                raise TryAgainLater(
                    f"bridge port in error state: {host_name} did not come up",
                    f"waited {PORT_UP_TIMEOUT_S} s; operstate is {outer.operstate}",
                )
            events.wait(int(left * 1000) + 1)
        return outer
    finally:
        events.close()


def until_in_use(inside: "Socket", inner: "Link", addresses: tuple[Prefix, ...]) -> None:
    """Wait until the IPv6 addresses are in use, which takes a work queue's turn even without DAD.

    Until then the kernel neither announces nor answers for them. IFA_F_NODAD would only hide that.
    """
    deadline = time.monotonic() + SETTLE_TIMEOUT_S
    while pending := _tentative(inside, inner, addresses):
        if time.monotonic() > deadline:
            raise TryAgainLater(
                f"address {prefix_text(pending[0])} is still tentative",
                f"waited {SETTLE_TIMEOUT_S} s for the kernel's duplicate address detection",
            )
        time.sleep(SETTLE_STEP_S)


def _is_passing(host: "Socket", outer: "Link") -> bool:
    """Whether the port forwards; and the bridge sends, which it does not before its first port."""
    is_forwarding = outer.port is not None and outer.port.state != BR_STATE_DISABLED
    if outer.operstate != IF_OPER_UP or not is_forwarding:
        return False
    return links.parse(host.ask(links.get(outer.master))).operstate == IF_OPER_UP


def _port(host: "Socket", name: str) -> "Link":
    return links.parse(host.ask(links.get(name)))


def _tentative(inside: "Socket", inner: "Link", addresses: tuple[Prefix, ...]) -> list[Prefix]:
    if not any(family(item.ip) == AF_INET6 for item in addresses):
        return []
    answers = inside.dump(layer3.addresses(AF_INET6, inner.index))
    found = [item for item in map(layer3.parse_address, answers) if item.address in addresses]
    for item in found:
        if item.is_duplicate:
            raise KernelRefused(
                f"address {prefix_text(item.address)} is a duplicate (DAD failed)",
                "another interface on the network has it already",
            )
    return [item.address for item in found if item.is_tentative]
