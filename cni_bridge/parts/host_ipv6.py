"""This host's own IPv6, where router advertisements configure it: an ADD must not take it away.

Loaded only where something would: a bridge that accepts advertisements, or forwarding that is off.
"""

from cni_bridge.address import AF_INET6, is_link_local
from cni_bridge.kernel import layer3, links, sysctl
from cni_bridge.kernel.messages import RTPROT_RA

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cni_bridge.kernel.links import Link
    from cni_bridge.kernel.netlink import Socket

OWN_PORTS = ("veth", "tun", "ifb")  # kinds of ports that lead to containers and virtual machines


def is_uplink(host: "Socket", bridge: "Link") -> bool:
    """Return whether the host itself uses IPv6 by way of a bridge that cni-bridge did not create.

    It does if a router there configured an address or a route, or if a port is a network card or a
    bond: then the advertisement may still come.
    """
    if bridge.index in _configured(host, bridge.index):
        return True
    ports = map(links.parse, host.dump(links.listing(bridge.index)))
    return any(port.kind not in OWN_PORTS for port in ports)


def keep(host: "Socket") -> None:
    """Let the host's interfaces accept advertisements even if it forwards. Raise OSError.

    Otherwise the kernel drops their routes at the moment when forwarding is switched on, and ignores
    all later advertisements (accept_ra in Documentation/networking/ip-sysctl.rst).
    """
    for index in _configured(host):
        answer = host.find(links.get(index))
        if answer is None:
            continue
        key = f"net/ipv6/conf/{links.parse(answer).name}/accept_ra"
        if sysctl.read(key) == "1":
            sysctl.write(key, "2")


def _configured(host: "Socket", interface: int = 0) -> set[int]:
    """Return the indexes of interfaces with an address or a route from an advertisement."""
    routes = map(layer3.parse_route, host.dump(layer3.routes(AF_INET6, interface)))
    addresses = map(layer3.parse_address, host.dump(layer3.addresses(AF_INET6, interface)))
    found = {route.interface for route in routes if route.protocol == RTPROT_RA}
    found |= {
        item.interface
        for item in addresses
        if not item.is_permanent and not is_link_local(item.address.ip)
    }
    return found
