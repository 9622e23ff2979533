"""Explain which routes of a container the kernel refuses because of their gateway.

Pure; loaded by STATUS and `validate`, and by an ADD that the kernel has refused a route.
"""

from cni_bridge import address
from cni_bridge.address import prefix_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cni_bridge.address import Prefix
    from cni_bridge.model import Route

RT_SCOPE_LINK = 253  # linux/rtnetlink.h
TABLES = (None, 0, 254)  # RT_TABLE_UNSPEC and RT_TABLE_MAIN


def faults(
    routes: "Sequence[Route]", subnets: "Sequence[Prefix]"
) -> "Iterator[tuple[int, str, str]]":
    """Yield the index of each route that the kernel refuses, why, and what to do.

    `subnets` has the container's addresses or their subnets; routes are added in their order.
    """
    for index, route in enumerate(routes):
        if route.gateway and any(route.gateway):
            reason, hint = _fault(route, route.gateway, routes[:index], subnets)
            if reason:
                via = f"{prefix_text(route.destination)} via {address.text(route.gateway)}"
                yield index, f"route {via}: {reason}", hint


def _fault(
    route: "Route", gateway: bytes, before: "Sequence[Route]", subnets: "Sequence[Prefix]"
) -> tuple[str, str]:
    own = [each for each in subnets if len(each.ip) == len(gateway)]
    listed = ", ".join(prefix_text(address.subnet(each)) for each in own)
    hint = f"name a gateway within {listed}" if listed else "remove the route's gateway"
    if len(gateway) == 4 and (route.scope or 0) >= RT_SCOPE_LINK:
        reason = f"scope {route.scope} is for destinations on the link, but the route has a gateway"
        return reason, 'add `"gw": "0.0.0.0"` for a destination on the link, or leave `scope` out'
    if kind := address.special(gateway):
        return f"the gateway is {kind}", hint
    if len(gateway) == 16 and address.is_link_local(gateway):
        return "", ""
    around = [each for each in own if address.contains(each, gateway)]
    if any(is_broadcast(gateway, each) for each in around):
        return f"the gateway is the broadcast address of {listed}", hint
    if around or any(_is_on_link(gateway, each, route.table) for each in before):
        return "", ""
    return "the gateway is in none of the container's subnets", hint


def is_broadcast(ip: bytes, subnet: "Prefix") -> bool:
    """Return whether an address is a subnet's broadcast address, which the kernel takes as no gateway."""
    return len(ip) == 4 and subnet.length < 31 and ip == address.last(subnet)


def _is_on_link(ip: bytes, route: "Route", table: int | None) -> bool:
    """Return whether a route added before tells the kernel that the address is on the link."""
    is_looked_up = route.table in TABLES or route.table == table
    has_gateway = route.gateway is not None and any(route.gateway)
    has_scope = len(ip) == 16 or (route.scope or 0) >= RT_SCOPE_LINK
    return (
        is_looked_up and not has_gateway and has_scope and address.contains(route.destination, ip)
    )
