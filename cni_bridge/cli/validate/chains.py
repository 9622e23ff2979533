"""Check a config list as a chain: order, plugins that exclude each other, misspelt plugins."""

import difflib
from collections.abc import Iterator

from cni_bridge.cli import stdin
from cni_bridge.cli.validate.findings import ConfigFinding, error, warning
from cni_bridge.cli.validate.json_positions import Node
from cni_bridge.ipam.sources import OWN_TYPE

# What a plugin of this name needs: the interface that an earlier plugin made.
CHAINED = ("bandwidth", "dnsname", "firewall", "portmap", "sbr", "tuning", "vrf")
INTERFACE = (
    *("bridge", "cni-bridge", "dummy", "host-device", "ipvlan", "macvlan", "ptp", "tap", "vlan"),
    *("azure-vnet", "calico", "cilium-cni", "flannel", "kindnet", "sriov", "weave-net"),
)
KNOWN = (*CHAINED, *INTERFACE, "loopback", "multus", "egress-router", "istio-cni", "linkerd-cni")
IPAM = (
    OWN_TYPE,
    "host-local",
    "dhcp",
    "static",
)  # the first is of cni-bridge, the others ship with CNI
OTHER_IPAM = ("azure-vnet-ipam", "calico-ipam", "nv-ipam", "spiderpool", "whereabouts")
CUTOFF = 0.75
NO_CONTAINER = "no container can be attached to this network"


def in_list(plugins: list[Node]) -> Iterator[ConfigFinding]:
    """Check the plugins of a list, each of which has a `type`."""
    kinds = [str(each.get("type").value()) for each in plugins]  # type: ignore[union-attr]
    makers: list[str] = []
    is_led = False  # whether a plugin that may make the interface came before
    for kind, plugin in zip(kinds, plugins, strict=True):
        if kind in CHAINED and not is_led:
            later = next((each for each in kinds if each in INTERFACE), "the interface's plugin")
            yield error(
                _at_type(plugin),
                f"{kind} must come after the plugin that creates the interface",
                f"move it behind {later}",
                effect=NO_CONTAINER,
            )
        if kind in INTERFACE:
            if makers:
                yield error(
                    _at_type(plugin),
                    f"{makers[0]} and {kind} both create the container's interface: "
                    "ADD fails at the second",
                    "remove one of them, or give it a network of its own",
                    effect=NO_CONTAINER,
                )
            makers.append(kind)
        is_led = is_led or kind not in (*CHAINED, "loopback")
        if near := _near(kind, KNOWN):
            yield _misspelt(plugin, "plugin", kind, near)
    yield from _port_twice(kinds, plugins)


def on_ipam(plugin: Node) -> Iterator[ConfigFinding]:
    """Check the name of the IPAM plugin, and what one that ships with CNI needs."""
    section = plugin.get("ipam")
    kind = section.get("type") if section else None
    if section is None or kind is None or not isinstance(kind.scalar, str) or not kind.scalar:
        return
    if near := _near(kind.scalar, (*IPAM, *OTHER_IPAM)):
        yield _misspelt(section, "IPAM plugin", kind.scalar, near)
    elif kind.scalar not in (*IPAM, *OTHER_IPAM):
        yield warning(
            kind,
            f"{kind.scalar} is not an IPAM plugin that ships with CNI",
            "install it where the runtime looks for plugins, or use `cni-bridge`",
        )
    has_ranges = section.get("subnet") or section.get("ranges") or plugin.get("capabilities")
    if kind.scalar == "host-local" and not has_ranges:
        yield error(
            section,
            "host-local needs `subnet` or `ranges`",
            effect="no container can be attached to this network",
        )


def _port_twice(kinds: list[str], plugins: list[Node]) -> Iterator[ConfigFinding]:
    """Find two plugins that the runtime asks to publish the same ports."""
    asked = [
        (kind, plugin)
        for kind, plugin in zip(kinds, plugins, strict=True)
        if kind in (OWN_TYPE, "portmap") and has_ports(plugin)
    ]
    for kind, plugin in asked[1:]:
        yield warning(
            _at_type(plugin),
            f"{asked[0][0]} and {kind} both publish the ports: they get in each other's way",
            "keep `portMappings` in the `capabilities` of one of them",
            effect="published ports may not answer, or ADD fails",
        )


def is_ours(kind: str) -> bool:
    """Whether a `type` is or probably means cni-bridge, whose keys are checked."""
    return kind in stdin.OWN_NAMES or _near(kind, KNOWN) == OWN_TYPE


def has_ports(plugin: Node) -> bool:
    """Whether a plugin takes published ports from the runtime."""
    capabilities = plugin.get("capabilities")
    value = capabilities.get("portMappings") if capabilities else None
    return value is not None and value.scalar is True


def _misspelt(plugin: Node, what: str, kind: str, near: str) -> ConfigFinding:
    return warning(
        _at_type(plugin),
        f"{what} {kind} is not a known one",
        f"did you mean `{near}`?",
        effect=f"no container can be attached unless a plugin {kind} is installed",
    )


def _near(kind: str, known: tuple[str, ...]) -> str:
    if kind in known:
        return ""
    small = kind.casefold()  # file names differ by case, too
    return next(iter(difflib.get_close_matches(small, known, n=1, cutoff=CUTOFF)), "")


def _at_type(node: Node) -> Node:
    return node.get("type") or node
