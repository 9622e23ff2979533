"""The host end as a port of its bridge: configure it, and wait until it forwards."""

import time

from cni_bridge import errors
from cni_bridge.kernel import links, sysctl
from cni_bridge.kernel.messages import IF_OPER_UNKNOWN, IF_OPER_UP, RTMGRP_LINK
from cni_bridge.kernel.netlink import Socket
from cni_bridge.model import Port, Veth
from cni_bridge.stderr import remark

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from cni_bridge.kernel.links import Link
    from cni_bridge.kernel.netlink import Request

PORT_UP_TIMEOUT_S = 2.5  # the reference waits as long


def configure(host: "Socket", desired: Veth, port: Port) -> None:
    """Set flags and VLANs of the port; if they restrict it, before it is up.

    A port needs no address. Without a link-local one, which would come and go with each container,
    programs that follow the host's addresses have nothing to do: dnsmasq, for one, answers no query
    while it finds out what has changed.
    """
    has_ipv6 = sysctl.refuse_routers(desired.host_name)
    if port.hairpin or port.isolated or port.is_checked:
        host.run(setting(desired.host_name, desired.alias, port, lacks_link_local=has_ipv6))
    else:  # as a new port is; setting it takes the longer the more ports the bridge has
        host.run(links.set_alias(desired.host_name, desired.alias, lacks_link_local=has_ipv6))
    if port.vlan:
        from cni_bridge.parts import vlan  # few networks have VLANs

        vlan.configure_port(host, _link(host, desired.host_name).index, port.vlan)


def setting(
    who: "int | str", alias: str, port: Port, *, lacks_link_local: bool = False
) -> "Request":
    """Set the flags and the alias of a host end, by index or name, as planned."""
    return links.set_port(
        who,
        hairpin=port.hairpin,
        isolated=port.isolated,
        alias=alias,
        forwards_reserved=port.is_checked,
        lacks_link_local=lacks_link_local,
    )


def wait_until_up(host: "Socket", desired: Veth) -> "Link":
    """Return the host end once frames pass in both directions: one or two turns of a work queue.

    If the spanning tree protocol (STP) holds the port back, return it as it is, with a remark: a later
    ADD would find the port no further.
    """
    outer = _link(host, desired.host_name)
    if _is_passing(host, outer):
        return outer
    events = Socket(groups=RTMGRP_LINK)
    try:
        deadline = time.monotonic() + PORT_UP_TIMEOUT_S
        while not _is_passing(host, outer := _link(host, desired.host_name)):
            left = deadline - time.monotonic()
            if _is_held_back(host, outer, left):
                return outer
            if left <= 0:
                raise errors.TryAgainLater(
                    f"bridge port in error state: {desired.host_name} did not come up",
                    f"waited {PORT_UP_TIMEOUT_S} s; operstate is {outer.operstate}",
                )
            events.wait(int(left * 1000) + 1)
        return outer
    finally:
        events.close()


def problems(host: "Socket", outer: "Link", desired: Port) -> "Iterator[str]":
    """Yield every difference of the port: what, expected, found."""
    if not outer.is_up:
        yield f"host end {outer.name}: expected up, found down"
    bridge = host.find(links.get(outer.master)) if outer.master else None
    master = links.parse(bridge).name if bridge else "none"
    port = outer.port
    if port is None or master != desired.bridge:
        yield f"host end {outer.name}: expected a port of {desired.bridge}, found master {master}"
        return
    for flag in ("hairpin", "isolated"):
        expected, found = getattr(desired, flag), getattr(port, flag)
        if expected != found:
            yield f"bridge port {outer.name} {flag}: expected {expected}, found {found}"
    if desired.is_checked and not port.forwards_reserved:
        yield f"bridge port {outer.name} group_fwd_mask: expected 0xfffd, found another"


def _is_passing(host: "Socket", outer: "Link") -> bool:
    """Return whether the port forwards and the bridge sends, which it does not without a port."""
    if outer.operstate != IF_OPER_UP:
        return False
    port = outer.port
    if port is None or port.state != links.BR_STATE_FORWARDING:
        return False
    bridge = links.parse(host.ask(links.get(outer.master)))
    # A bridge that had a carrier from the start reports unknown, which counts as up (netif_oper_up).
    return bridge.operstate in (IF_OPER_UP, IF_OPER_UNKNOWN)


def _is_held_back(host: "Socket", port: "Link", left: float) -> bool:
    """Return whether STP keeps a port that is up from forwarding, for longer than an ADD can wait.

    Remark on it then. The kernel's STP takes 4 s at least, and starts with listening; `left` is how
    many seconds a blocked port is waited for.
    """
    state = links.STP_STATES.get(port.port.state) if port.port else None
    if port.operstate != IF_OPER_UP or state is None or (state == "blocking" and left > 0):
        return False
    bridge = links.parse(host.ask(links.get(port.master)))
    delay = 2 * bridge.forward_delay / 100  # it listens that long, and then learns
    remark(
        f"{port.name} is {state}: bridge {bridge.name} uses STP, and forwards frames of the container "
        f"after {delay:g} s; shorten its forward delay, or switch STP off"
    )
    return True


def _link(host: "Socket", name: str) -> "Link":
    return links.parse(host.ask(links.get(name)))
