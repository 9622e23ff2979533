"""The ADD result: what was made, after what earlier plugins of the chain reported.

In the newest spec version's shape; `result_versions` converts it to older ones.
"""

from cni_bridge.address import prefix_text, text
from cni_bridge.edge.result_versions import Json
from cni_bridge.model import Dns, Grant, Interface, Lease, Plan, Route


def build(plan: Plan, interfaces: tuple[Interface, ...], previous: Json | None) -> Json:
    """Return the result; `interfaces` are bridge, host end, container end, then any others.

    A wire has a container end only.
    """
    previous = previous or {}
    result: Json = {}
    earlier = _list(previous, "interfaces")
    container = len(earlier) + [bool(item.sandbox) for item in interfaces].index(True)
    result["interfaces"] = earlier + [_interface(item) for item in interfaces]
    ips = _list(previous, "ips") + [{"interface": container} | _ip(lease) for lease in plan.leases]
    routes = _list(previous, "routes") + [_route(route) for route in plan.routes]
    if ips:
        result["ips"] = ips
    if routes:
        result["routes"] = routes
    dns = _dns(plan.dns) or previous.get("dns")
    if dns:
        result["dns"] = dns
    return result


def build_addresses(grant: Grant) -> Json:
    """Return an IPAM plugin's result: addresses, routes and dns, but no interfaces."""
    result: Json = {"ips": [_ip(lease) for lease in grant.leases]}
    if grant.routes:
        result["routes"] = [_route(route) for route in grant.routes]
    dns = _dns(grant.dns)
    if dns:
        result["dns"] = dns
    return result


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
