"""What is legal in a config but rarely meant.

Judged from the config alone; of the host, only whether a program is installed that the config needs.
"""

import ipaddress
from collections.abc import Iterator

from cni_bridge import address
from cni_bridge.address import Prefix, prefix_text
from cni_bridge.cli.validate import chains
from cni_bridge.cli.validate.findings import ConfigFinding, error, warning
from cni_bridge.cli.validate.json_positions import Node
from cni_bridge.errors import NameserverFailed
from cni_bridge.lean.record import record
from cni_bridge.ledger import ranges
from cni_bridge.model import NetworkConfig, Route
from cni_bridge.naming import server

FOREIGN_BRIDGES = {
    "docker0": "Docker",
    "podman0": "Podman",
    "cni-podman0": "Podman",
    "virbr0": "libvirt",
    "lxcbr0": "LXC",
    "lxdbr0": "LXD",
}
WRITTEN_BY_RUNTIMES = (
    *("runtimeConfig", "prevResult"),
    *("cni.dev/valid-attachments", "cni.dev/attachments"),
)
ADDRESSLESS = "containers get no address and no route"
RESERVED = ("lo", "all", "default")  # names of other interfaces and of sysctl's directories
RT_SCOPE_LINK = 253  # linux/rtnetlink.h


@record
class Checked:
    """A config that the plugin accepts, with its position."""

    file: str
    plugin: Node
    config: NetworkConfig

    @property
    def subnets(self) -> tuple[Prefix, ...]:
        """The subnets that addresses are taken from."""
        sets = self.config.ipam.range_sets
        return tuple(dict.fromkeys(each.subnet for range_set in sets for each in range_set))


def on_config(checked: Checked) -> Iterator[ConfigFinding]:
    """Yield the warnings about one network's config."""
    yield from _on_keys(checked)
    yield from _on_bridge(checked)
    yield from _on_reach(checked)
    yield from _on_addresses(checked)
    yield from _on_gateways(checked)
    yield from _on_nameserver(checked)


def on_all(networks: list[Checked]) -> Iterator[tuple[str, ConfigFinding]]:
    """Yield the conflicts between networks: the file, and a warning."""
    for at, later in enumerate(networks):
        for earlier in networks[:at]:
            for text in _conflicts(earlier, later):
                yield later.file, warning(_node(later, "ipam"), text)


def _on_keys(checked: Checked) -> Iterator[ConfigFinding]:
    for key in WRITTEN_BY_RUNTIMES:
        if node := checked.plugin.get(key):
            yield warning(
                node, f"`{key}` is written by the runtime, which may replace it", at_key=True
            )


def _on_bridge(checked: Checked) -> Iterator[ConfigFinding]:
    config = checked.config
    if config.bridge in RESERVED:
        yield error(
            _node(checked, "bridge"),
            f"the kernel has no room for a bridge named {config.bridge}",
            "use another name",
            effect=chains.NO_CONTAINER,
        )
    if owner := FOREIGN_BRIDGES.get(config.bridge):
        yield warning(
            _node(checked, "bridge"),
            f"{config.bridge} is {owner}'s bridge",
            f"{owner} may change its addresses and rules; use another bridge name",
        )
    if config.promisc_mode:
        yield warning(
            _node(checked, "promiscMode"),
            "the host receives every packet between containers, sometimes twice",
            "use hairpinMode to let a container reach itself",
        )


def _on_reach(checked: Checked) -> Iterator[ConfigFinding]:
    config, rules = checked.config, checked.config.firewall
    is_hidden = rules is not None and (rules.masquerades or rules.is_internal)
    if (is_hidden or config.is_gateway) and not config.ipam.type and not _untyped(checked):
        yield warning(
            _given(checked, "ipMasq", "internal", "isDefaultGateway", "isGateway"),
            "no effect, since the network has no addresses",
            'add `"ipam": {"type": "cni-bridge", "subnet": "10.88.0.0/24"}`',
            effect=ADDRESSLESS,
        )
    if rules is not None and rules.is_internal:
        yield from _on_internal(checked)
    if config.is_default_gateway and not is_hidden and any(map(_is_private, checked.subnets)):
        yield warning(
            _node(checked, "isDefaultGateway"),
            "containers can send to the internet but replies never come back",
            "set `ipMasq`, or route the subnet to this host",
        )
    for index, route in enumerate(config.ipam.routes):
        if _is_link_with_gateway(route, checked.subnets):
            yield error(
                _node(checked, f"ipam.routes[{index}]"),
                f"scope {route.scope} is for destinations on the link, but the route has a gateway",
                'add `"gw": "0.0.0.0"` for a destination on the link, or leave `scope` out',
                effect=chains.NO_CONTAINER,
            )
        elif checked.subnets and not _is_reachable(route, checked.subnets):
            yield error(
                _node(checked, f"ipam.routes[{index}]"),
                f"no subnet of this network contains the gateway {address.text(route.gateway or b'')}"
                ", so the kernel refuses the route",
                "name a gateway within the network's subnets",
                effect=chains.NO_CONTAINER,
            )
        if checked.subnets and not config.is_gateway and _leads_to_default_gateway(route):
            yield warning(
                _node(checked, f"ipam.routes[{index}]"),
                "leads to the subnet's gateway, but the bridge does not have that address",
                "set `isGateway` to give it to the bridge, or name a `gw`",
            )


def _on_internal(checked: Checked) -> Iterator[ConfigFinding]:
    """Find keys that contradict `internal`."""
    config, rules = checked.config, checked.config.firewall
    assert rules is not None, "that is where `internal` is"
    keys = {
        "ipMasq": rules.masquerades,
        "isDefaultGateway": config.is_default_gateway,
        "capabilities": chains.has_ports(checked.plugin),
    }
    if listed := [key for key, is_set in keys.items() if is_set and checked.plugin.get(key)]:
        names = ", ".join("portMappings" if key == "capabilities" else key for key in listed)
        yield warning(
            _node(checked, listed[0]),
            f"no effect in an internal network, whose containers get no default route: {names}",
            "remove it, or remove `internal`; `isGateway` lets containers reach this host",
        )


def _on_addresses(checked: Checked) -> Iterator[ConfigFinding]:
    if section := _untyped(checked):
        yield warning(
            section,
            "no effect: without `ipam.type` the network has no addresses",
            'set its `type` to "cni-bridge"',
            at_key=True,
            effect=ADDRESSLESS,
        )
    sticky, ipam = _node(checked, "ipam.sticky"), checked.config.ipam
    if sticky.name.endswith("ipam.sticky") and sticky.value() and ipam.type and not ipam.sticky:
        yield warning(
            sticky,
            f"no effect: IPAM plugin {ipam.type} assigns the addresses",
            "set `ipam.type` to cni-bridge",
            at_key=True,
        )
    for subnet in checked.subnets:
        if kind := _unusable(ipaddress.ip_network(prefix_text(subnet))):
            yield error(
                _node(checked, "ipam"),
                f"{prefix_text(subnet)} is {kind}: containers cannot use it",
                "use a subnet of 10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16 or fd00::/8",
                effect="containers have no connectivity",
            )
        elif ipaddress.ip_network(prefix_text(subnet)).is_global:
            yield warning(
                _node(checked, "ipam"),
                f"{prefix_text(subnet)} is a public range: containers cannot reach the real {prefix_text(subnet)}",
                "use a subnet of 10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16 or fd00::/8",
            )
    for range_set in checked.config.ipam.range_sets:
        if not ranges.size(range_set):
            yield warning(
                _node(checked, "ipam"),
                f"range {ranges.set_text(range_set)} contains only the gateway: there is no address to assign",
            )


def _on_gateways(checked: Checked) -> Iterator[ConfigFinding]:
    for number, gateway in enumerate(_gateways(checked)):
        if any(_is_broadcast(gateway, each) for each in checked.subnets):
            is_route = number < len(checked.config.ipam.routes)
            yield error(
                _node(checked, f"ipam.routes[{number}]" if is_route else "ipam"),
                f"gateway {address.text(gateway)} is the broadcast address of its subnet, so the "
                "kernel refuses the route",
                "name another address of the subnet",
                effect=chains.NO_CONTAINER,
            )


def _on_nameserver(checked: Checked) -> Iterator[ConfigFinding]:
    if not checked.config.nameserver:
        return
    try:
        server.require()
    except NameserverFailed as missing:
        yield warning(
            _node(checked, "nameserver"),
            f"{missing.msg} on this host: ADD would fail with error {missing.code}",
            missing.details,
        )


def _conflicts(earlier: Checked, later: Checked) -> Iterator[str]:
    one, other = earlier.config, later.config
    if one.name == other.name and earlier.file != later.file:
        yield f"network {other.name} is also defined in {earlier.file}: a runtime uses only one of them"
        return
    pairs = [(a, b) for a in earlier.subnets for b in later.subnets if address.overlap(a, b)]
    for mine, theirs in pairs:
        if one.name == other.name:
            continue
        yield (
            f"{prefix_text(theirs)} overlaps {prefix_text(mine)} of network {one.name}: "
            "each assigns addresses without knowing the other's"
        )


def _unusable(subnet: ipaddress.IPv4Network | ipaddress.IPv6Network) -> str:
    """Return the special use of a subnet that no container can have addresses of."""
    kinds = {
        "loopback": subnet.is_loopback,
        "multicast": subnet.is_multicast,
        "link-local": subnet.is_link_local,
        "unspecified": subnet.network_address.is_unspecified,
        "reserved": subnet.version == 4 and subnet.is_reserved,
    }
    return next((kind for kind, is_so in kinds.items() if is_so), "")


def _is_reachable(route: Route, subnets: tuple[Prefix, ...]) -> bool:
    """Whether a route's gateway, if it has one, is on the network's own link."""
    gateway = route.gateway
    if gateway is None or not any(gateway):
        return True
    is_link_local = len(gateway) == 16 and ipaddress.ip_address(gateway).is_link_local
    return is_link_local or any(address.contains(each, gateway) for each in subnets)


def _gateways(checked: Checked) -> list[bytes]:
    """Return the gateways of the routes, empty for those without, and then those of the ranges."""
    ipam = checked.config.ipam
    routes = [each.gateway or b"" for each in ipam.routes]
    used = [each.gateway for group in ipam.range_sets for each in group]
    return [*routes, *dict.fromkeys(used)]


def _is_broadcast(ip: bytes, subnet: Prefix) -> bool:
    return len(ip) == 4 and subnet.length < 31 and ip == address.last(subnet)


def _is_link_with_gateway(route: Route, subnets: tuple[Prefix, ...]) -> bool:
    """Whether an IPv4 route has a scope that excludes the gateway that it has or gets."""
    if len(route.destination.ip) != 4 or (route.scope or 0) < RT_SCOPE_LINK:
        return False
    if route.gateway is not None:
        return any(route.gateway)
    return any(len(each.ip) == 4 for each in subnets)


def _leads_to_default_gateway(route: Route) -> bool:
    return route.gateway is None and route.destination.length == 0


def _is_private(subnet: Prefix) -> bool:
    return ipaddress.ip_network(prefix_text(subnet)).is_private


def _untyped(checked: Checked) -> Node | None:
    """Return the section `ipam` of a network that has one, but no IPAM plugin."""
    section = checked.plugin.get("ipam")
    return section if section and section.items and not checked.config.ipam.type else None


def _given(checked: Checked, *keys: str) -> Node:
    """Return the first of these keys that the config has."""
    return next(filter(None, map(checked.plugin.get, keys)), checked.plugin)


def _node(checked: Checked, path: str) -> Node:
    return checked.plugin.find(path)[-1]
