"""The ADD result: what was made, after what earlier plugins of the chain reported.

In the newest spec version's shape; `result_versions` converts it to older ones.
"""

from cni_bridge import names
from cni_bridge.address import contains, parse, parse_prefix, prefix_text, text
from cni_bridge.edge.result_versions import Json, objects
from cni_bridge.model import Dns, Grant, Interface, Lease, Netns, Plan, Route

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

LOOPBACK = ("127.0.0.0/8", "::1/128")


def build(plan: Plan, interfaces: tuple[Interface, ...], previous: Json | None) -> Json:
    """Return the result; `interfaces` are bridge, host end, container end, then any others.

    A wire has a container end only.
    """
    previous = previous or {}
    result: Json = {}
    earlier = _list(previous, "interfaces")
    container = len(earlier) + [bool(item.sandbox) for item in interfaces].index(True)
    result["interfaces"] = earlier + [_interface(item) for item in interfaces]
    ips = _earlier_addresses(previous) + [
        {"interface": container} | _ip(lease) for lease in plan.leases
    ]
    routes = _list(previous, "routes") + [_route(route) for route in plan.routes]
    if ips:
        result["ips"] = ips
    if routes:
        result["routes"] = routes
    dns = _dns(plan.dns) or previous.get("dns")
    if dns:
        result["dns"] = dns
    return result


def problems(
    plan: Plan, previous: Json, netns: Netns, leads_to: "Callable[[str, Netns], bool]"
) -> "Iterator[str]":
    """Yield a problem for each interface of the plan that prevResult lacks, for CHECK.

    `leads_to` tells whether a path is one of the container's namespace.
    """
    reported = objects(previous, "interfaces")
    on_host = [str(item.get("name")) for item in reported if not item.get("sandbox")]
    for name in _host_interfaces(plan):
        if name not in on_host:
            found = ", ".join(on_host) or "none"
            yield f"prevResult: expected interface {name} on the host, found {found}"
    name = plan.attachment.ifname
    sandboxes = [str(item.get("sandbox") or "") for item in reported if item.get("name") == name]
    if not any(path and leads_to(path, netns) for path in sandboxes):
        found = ", ".join(path or "the host" for path in sandboxes) or "no such interface"
        yield f"prevResult: expected {name} in {netns.path}, found {found}"


def build_addresses(grant: Grant) -> Json:
    """Return an IPAM plugin's result: addresses, routes and dns, but no interfaces."""
    result: Json = {"ips": [_ip(lease) for lease in grant.leases]}
    if grant.routes:
        result["routes"] = [_route(route) for route in grant.routes]
    dns = _dns(grant.dns)
    if dns:
        result["dns"] = dns
    return result


def _earlier_addresses(previous: Json) -> list[object]:
    """Return the addresses of earlier plugins, without those of loopback interfaces.

    Every container has the same ones, so the reference `firewall`, which makes rules for each
    address of a result, would remove them for all containers with the first one.
    """
    interfaces = objects(previous, "interfaces")
    loopbacks = [index for index, item in enumerate(interfaces) if item.get("name") == "lo"]
    return [
        item
        for item in objects(previous, "ips")
        if item.get("interface") not in loopbacks and not _is_loopback(str(item.get("address")))
    ]


def _is_loopback(address: str) -> bool:
    try:
        ip = parse(address.partition("/")[0])
    except ValueError:
        return False
    return any(contains(parse_prefix(each), ip) for each in LOOPBACK)


def _host_interfaces(plan: Plan) -> list[str]:
    """Return the names of the interfaces that the result reports on the host."""
    found = [plan.bridge.name, plan.veth.host_name] if plan.bridge else []
    if plan.bridge and plan.bridge.gateway_vlan:
        found.append(names.gateway(plan.bridge.name, plan.bridge.gateway_vlan))
    return found


def _ip(lease: Lease) -> Json:
    shaped: Json = {"address": prefix_text(lease.address)}
    if lease.gateway:
        shaped["gateway"] = text(lease.gateway)
    return shaped


def _interface(interface: Interface) -> Json:
    shaped: Json = {"name": interface.name, "mac": interface.mac, "mtu": interface.mtu}
    if interface.sandbox:
        shaped["sandbox"] = interface.sandbox
    return shaped


def _route(route: Route) -> Json:
    shaped: Json = {"dst": prefix_text(route.destination)}
    if route.gateway:
        shaped["gw"] = text(route.gateway)
    for key in ("mtu", "advmss", "priority", "table", "scope"):
        value = getattr(route, key)
        if value is not None:
            shaped[key] = value
    return shaped


def _dns(dns: Dns) -> Json:
    shaped: Json = {}
    for key in ("nameservers", "domain", "search", "options"):
        value = getattr(dns, key)
        if value:
            shaped[key] = value if isinstance(value, str) else list(value)
    return shaped


def _list(holder: Json, key: str) -> list[object]:
    items = holder.get(key)
    return list(items) if isinstance(items, list) else []
