"""What is legal in a config but rarely meant.

Judged from the config alone; of the host, only whether a program is installed that the config needs.
"""

import ipaddress
from collections.abc import Iterator

from cni_bridge import address, gateways
from cni_bridge.address import Prefix, prefix_text
from cni_bridge.cli.validate import chains
from cni_bridge.cli.validate.findings import ConfigFinding, error, warning
from cni_bridge.cli.validate.json_positions import Node
from cni_bridge.errors import NameserverFailed
from cni_bridge.lean.record import record, replace
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
    yield from _on_resolvers(checked)


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
    if checked.subnets:
        yield from _on_routes(checked)
    for index, route in enumerate(config.ipam.routes):
        if checked.subnets and not config.is_gateway and _leads_to_default_gateway(route):
            yield warning(
                _node(checked, f"ipam.routes[{index}]"),
                "leads to the subnet's gateway, but the bridge does not have that address",
                "set `isGateway` to give it to the bridge, or name a `gw`",
            )


def _on_routes(checked: Checked) -> Iterator[ConfigFinding]:
    """Find the routes that the kernel would refuse."""
    used: dict[int, bytes] = {}
    for each in (each for group in checked.config.ipam.range_sets for each in group):
        used.setdefault(len(each.gateway), each.gateway)
    routes = [
        replace(each, gateway=each.gateway or used.get(len(each.destination.ip)))
        for each in checked.config.ipam.routes
    ]
    for index, reason, hint in gateways.faults(routes, checked.subnets):
        node = _node(checked, f"ipam.routes[{index}]")
        yield error(node, reason, hint, effect=chains.NO_CONTAINER)


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
    used = [each.gateway for group in checked.config.ipam.range_sets for each in group]
    for gateway in dict.fromkeys(used):
        if any(gateways.is_broadcast(gateway, each) for each in checked.subnets):
            yield error(
                _node(checked, "ipam"),
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


def _on_resolvers(checked: Checked) -> Iterator[ConfigFinding]:
    """Find entries of dns.nameservers that no resolver can use."""
    for index, text in enumerate(checked.config.dns.nameservers if checked.config.dns else ()):
        try:
            kind = address.special(address.parse(text.partition("%")[0]))
        except ValueError:
            kind = "not an IP address"
        if kind:
            node = _node(checked, f"dns.nameservers[{index}]")
            yield warning(
                node, f"{text} is {kind}: resolvers cannot use it", "name a server's address"
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
