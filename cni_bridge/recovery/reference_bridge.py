"""Check and remove containers that the reference bridge attached.

Its host ends have random names and no record, so they are found from the container's side.
"""

from cni_bridge import names, plan
from cni_bridge.address import AF_INET, AF_INET6, text
from cni_bridge.edge import ipam_config, result_versions
from cni_bridge.edge import request as requests
from cni_bridge.errors import InvalidNetns, NameTaken, UnknownContainer
from cni_bridge.kernel import layer3, netns
from cni_bridge.kernel.netlink import Socket
from cni_bridge.lean.record import replace
from cni_bridge.parts import veth, veth_removal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from cni_bridge.edge.request import Request
    from cni_bridge.kernel.links import Link
    from cni_bridge.kernel.netns import OpenNetns
    from cni_bridge.ledger.hostlocal import Reservations
    from cni_bridge.model import Attachment, NetworkConfig, Plan

DEFAULT_BRIDGE = "cni0"  # as in the schema, whose defaults DEL does not apply


def remove(host: "Socket", request: "Request", addresses: "Sequence[bytes]") -> None:
    """Delete the veth pair of an attachment with these reserved addresses.

    CNI_NETNS may lead to another container by now, so an interface is the attachment's only if it
    has one of the addresses or, where the namespace is gone, the name and MAC that prevResult reports.
    Interfaces of cni-bridge's own never are. Raises NameTaken if it is on another bridge.
    """
    name = str(request.document.get("bridge") or DEFAULT_BRIDGE)
    master = veth.find(host, name)  # by an alternative name too, which the reference allows
    for outer in _host_ends(host, request, addresses):
        if master and outer.master == 0:
            continue  # the reference's is a port as long as there is a bridge
        if master and outer.master != master.index:
            raise NameTaken(
                f"{outer.name}, the host end of {request.ifname}, is not a port of {name}",
                "the config's bridge was changed since ADD; remove the interface by hand",
            )
        veth_removal.remove(host, [outer])


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


def _host_ends(host: "Socket", request: "Request", addresses: "Sequence[bytes]") -> "list[Link]":
    """Return the host end that leads to these addresses in the netns, or else the reported one."""
    try:
        container = netns.open_netns(request.netns_path)
    except (UnknownContainer, InvalidNetns):
        container = None
    found = []
    if container:
        outer = veth.host_end(host, container, request.ifname)
        if outer and _has_address(container, outer, addresses):
            found = [outer]
        netns.close(container)
    return [link for link in found or _reported(host, request) if _is_foreign(link)]


def _has_address(container: "OpenNetns", outer: "Link", addresses: "Sequence[bytes]") -> bool:
    inside = netns.inside(container, Socket)
    try:
        answers = [
            layer3.parse_address(answer)
            for family in (AF_INET, AF_INET6)
            for answer in inside.dump(layer3.addresses(family, outer.peer))
        ]
        return any(each.address.ip in addresses for each in answers)
    finally:
        inside.close()


def _is_foreign(link: "Link") -> bool:
    return names.owner(link.name, link.alias) is None


def _reported(host: "Socket", request: "Request") -> "list[Link]":
    """Return the host's veth interfaces in prevResult, which is not validated, if name and MAC fit."""
    previous = request.document.get("prevResult")
    if not isinstance(previous, dict):
        return []
    on_host = [
        item for item in result_versions.objects(previous, "interfaces") if not item.get("sandbox")
    ]
    found = [
        (veth.find(host, name), str(item.get("mac")).lower())
        for item in on_host
        for name in [str(item.get("name"))]
        if not requests.ifname_fault(name)
    ]
    return [link for link, mac in found if link and (link.kind, link.mac) == ("veth", mac)]
