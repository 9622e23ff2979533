"""The result's shape in each spec version. Older shapes exist only here."""

from cni_bridge import address, errors
from cni_bridge.edge.versions import NEWEST

Json = dict[str, object]
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

# The versions with one address per family and no interfaces.
FLAT = ("0.1.0", "0.2.0")
# The versions whose ips[] carry "4" or "6", and whose results always hold `dns`.
TAGGED = ("0.3.0", "0.3.1", "0.4.0")
# What 1.1.0 added to the result.
NEW_INTERFACE_KEYS = ("mtu", "socketPath", "pciID")
NEW_ROUTE_KEYS = ("mtu", "advmss", "priority", "table", "scope")


def check_addresses(version: str, families: "Iterable[int]") -> None:
    """Refuse addresses that the version can't report, before anything is made.

    `families` has one entry per address.
    """
    if version not in FLAT:
        return
    families = list(families)
    if not families:
        raise errors.InvalidConfig(
            "cannot convert: no valid IP addresses",
            f"CNI version {version} can't report a network without addresses; use 0.3.0 or newer",
        )
    if len(set(families)) < len(families):
        raise errors.InvalidConfig(
            f"CNI version {version} does not support more than 1 address per family",
            "use cniVersion 0.3.0 or newer, or one range set per family",
        )


def downgrade(result: Json, version: str) -> Json:
    """Convert the newest version's result to an older shape."""
    if version in FLAT:
        return _flat(result, version)
    shaped: Json = {"cniVersion": version}
    if version == NEWEST:
        return shaped | result
    for key, dropped in (("interfaces", NEW_INTERFACE_KEYS), ("routes", NEW_ROUTE_KEYS)):
        if key in result:
            shaped[key] = [_without(item, dropped) for item in objects(result, key)]
    if "ips" in result:
        ips = objects(result, "ips")
        shaped["ips"] = [_tagged(ip) for ip in ips] if version in TAGGED else ips
    if "dns" in result or version in TAGGED:
        shaped["dns"] = result.get("dns", {})
    return shaped


def upgrade(result: Json, version: str) -> Json:
    """Convert an older version's result, such as a prevResult, to the newest shape.

    It is read by the config's version, whatever version it names.
    """
    if version not in FLAT:
        shaped = {key: result[key] for key in ("interfaces", "routes", "dns") if result.get(key)}
        if "ips" in result:
            shaped["ips"] = [_without(ip, ("version",)) for ip in objects(result, "ips")]
        return shaped
    ips: list[Json] = []
    routes: list[Json] = []
    for key in ("ip4", "ip6"):
        for entry in objects({key: [result[key]]} if key in result else {}, key):
            ips.append({"address": entry.get("ip", "")})
            if entry.get("gateway"):
                ips[-1]["gateway"] = entry["gateway"]
            routes += objects(entry, "routes")
    shaped = {"ips": ips, "routes": routes, "dns": result.get("dns")}
    return {key: value for key, value in shaped.items() if value}


def _flat(result: Json, version: str) -> Json:
    shaped: Json = {"cniVersion": version}
    routes = [_without(route, NEW_ROUTE_KEYS) for route in objects(result, "routes")]
    for key, family in (("ip4", address.AF_INET), ("ip6", address.AF_INET6)):
        ips = [ip for ip in objects(result, "ips") if _family(ip["address"]) == family]
        if not ips:
            continue
        entry: Json = {"ip": ips[0]["address"]}
        if "gateway" in ips[0]:
            entry["gateway"] = ips[0]["gateway"]
        own_routes = [route for route in routes if _family(route["dst"]) == family]
        if own_routes:
            entry["routes"] = own_routes
        shaped[key] = entry
    shaped["dns"] = result.get("dns", {})
    return shaped


def _tagged(ip: Json) -> Json:
    return {"version": "4" if _family(ip["address"]) == address.AF_INET else "6"} | ip


def _family(prefix: object) -> int:
    return address.AF_INET6 if ":" in str(prefix) else address.AF_INET


def _without(item: Json, keys: tuple[str, ...]) -> Json:
    return {key: value for key, value in item.items() if key not in keys}


def objects(holder: Json, key: str) -> list[Json]:
    """Return the objects of a list that may be absent, null or hold other values."""
    items = holder.get(key)
    return [item for item in items if isinstance(item, dict)] if isinstance(items, list) else []
