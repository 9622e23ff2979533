"""Check and remove containers that the reference bridge attached.

Its host ends have random names and no record, so they are found from the container's side.
"""

from cni_bridge import plan
from cni_bridge.address import text
from cni_bridge.edge import ipam_config, result_versions
from cni_bridge.errors import InvalidNetns, NameTaken, UnknownContainer
from cni_bridge.kernel import netns
from cni_bridge.lean.record import replace
from cni_bridge.parts import bridge, veth

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from cni_bridge.edge.request import Request
    from cni_bridge.kernel.links import Link
    from cni_bridge.kernel.netlink import Socket
    from cni_bridge.ledger.hostlocal import Reservations
    from cni_bridge.model import Attachment, NetworkConfig, Plan

DEFAULT_BRIDGE = "cni0"  # as in the schema, whose defaults DEL does not apply


def remove(host: "Socket", request: "Request") -> None:
    """Delete the veth pair of an attachment. Raises NameTaken if it is on another bridge."""
    name = str(request.document.get("bridge") or DEFAULT_BRIDGE)
    master = bridge.find(host, name)
    for outer in _host_ends(host, request):
        if master and outer.master not in (0, master.index):
            raise NameTaken(
                f"{outer.name}, the host end of {request.ifname}, is not a port of {name}",
                "the config's bridge was changed since ADD; remove the interface by hand",
            )
        veth.remove(host, outer.name)


def problems(
    attachment: "Attachment", previous: "dict[str, Any]", reserved: "Reservations"
) -> list[str]:
    """Return, for CHECK, the addresses in prevResult that host-local has not reserved."""
    granted = ipam_config.granted(previous, attachment.ifname)
    told = [lease.address.ip for lease in granted.leases]
    return [
        f"{reserved.directory}: expected {text(ip)} reserved for {attachment.container}, found none"
        for ip in told
        if ip not in reserved.of(attachment)
    ]


def expected(
    attachment: "Attachment",
    settings: "NetworkConfig",
    previous: "dict[str, Any]",
    outer: "Link | None",
) -> "Plan":
    """Return the plan of what the reference has made.

    It differs from cni-bridge's own in the host end's name, and has no firewall of cni-bridge's.
    """
    wanted = plan.build(attachment, settings, ipam_config.granted(previous, attachment.ifname))
    named = replace(wanted.veth, host_name=outer.name) if outer else wanted.veth
    return replace(wanted, veth=named, firewall=None)


def _host_ends(host: "Socket", request: "Request") -> "list[Link]":
    """The container's word for it; where the container is gone, the runtime's."""
    try:
        container = netns.open_netns(request.netns_path)
    except (UnknownContainer, InvalidNetns):
        named = (veth.find(host, name) for name in _reported(request))
        return [link for link in named if link and link.kind == "veth"]
    try:
        outer = veth.host_end(host, container, request.ifname)
        return [outer] if outer else []
    finally:
        netns.close(container)


def _reported(request: "Request") -> list[str]:
    """Return the names of the host's interfaces in prevResult, which is not validated yet."""
    previous = request.document.get("prevResult")
    if not isinstance(previous, dict):
        return []
    on_host = [
        item for item in result_versions.objects(previous, "interfaces") if not item.get("sandbox")
    ]
    return [str(item.get("name")) for item in on_host]
