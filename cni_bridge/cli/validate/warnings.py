"""What is legal in a config but rarely meant.

Judged from the config alone; the host is not inspected.
"""

import ipaddress
from collections.abc import Iterator

from cni_bridge import address
from cni_bridge.address import Prefix, prefix_text
from cni_bridge.cli.validate.findings import ConfigFinding, warning
from cni_bridge.cli.validate.json_positions import Node
from cni_bridge.lean.record import record
from cni_bridge.ledger import ranges
from cni_bridge.model import NetworkConfig, Route

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
IPV6_MINIMUM_MTU = 1280  # RFC 8200, section 5


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
    is_small = 0 < config.mtu < IPV6_MINIMUM_MTU
    if is_small and any(len(subnet.ip) == 16 for subnet in checked.subnets):
        yield warning(
            _node(checked, "mtu"),
            f"the kernel disables IPv6 on a link with MTU {config.mtu}",
            f"IPv6 needs an MTU of at least {IPV6_MINIMUM_MTU}",
        )


def _on_reach(checked: Checked) -> Iterator[ConfigFinding]:
    config, rules = checked.config, checked.config.firewall
    is_hidden = rules is not None and (rules.masquerades or rules.is_internal)
    if is_hidden and not checked.subnets and not config.ipam.type:
        yield warning(_node(checked, "ipMasq"), "no effect, since the network has no addresses")
    if config.is_default_gateway and not is_hidden and any(map(_is_private, checked.subnets)):
        yield warning(
            _node(checked, "isDefaultGateway"),
            "containers can send to the internet but replies never come back",
            "set `ipMasq`, or route the subnet to this host",
        )
    if config.is_default_gateway and rules is not None and rules.is_internal:
        yield warning(
            _node(checked, "isDefaultGateway"),
            "no effect: containers of an internal network get no default route",
            "set isGateway instead, which gives the bridge its address",
        )
    for index, route in enumerate(config.ipam.routes):
        if checked.subnets and not config.is_gateway and _leads_to_default_gateway(route):
            yield warning(
                _node(checked, f"ipam.routes[{index}]"),
                "leads to the subnet's gateway, but the bridge does not have that address",
                "set `isGateway` to give it to the bridge, or name a `gw`",
            )


def _on_addresses(checked: Checked) -> Iterator[ConfigFinding]:
    section = checked.plugin.get("ipam")
    if section and section.items and not checked.config.ipam.type:
        yield warning(
            section,
            "no effect: without `ipam.type` the network has no addresses",
            'set its `type` to "cni-bridge"',
            at_key=True,
        )
    for subnet in checked.subnets:
        if ipaddress.ip_network(prefix_text(subnet)).is_global:
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


def _leads_to_default_gateway(route: Route) -> bool:
    return route.gateway is None and route.destination.length == 0


def _is_private(subnet: Prefix) -> bool:
    return ipaddress.ip_network(prefix_text(subnet)).is_private


def _node(checked: Checked, path: str) -> Node:
    return checked.plugin.find(path)[-1]
