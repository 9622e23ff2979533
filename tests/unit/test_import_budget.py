"""Reading the plugin path's modules loads what the reviewed list allows, and nothing else.

What a whole ADD imports is measured on the real kernel, in tests/kernel.
"""

from tests.budget import OURS, allowed, loaded_by

RARE = {
    "cni_bridge.cli",
    "cni_bridge.cluster",
    "cni_bridge.edge.clusters",
    "cni_bridge.edge.explain",
    "cni_bridge.edge.firewall",
    "cni_bridge.elements",
    "cni_bridge.edge.inline",
    "cni_bridge.edge.vlans",
    "cni_bridge.ipam.blocks",
    "cni_bridge.ipam.delegate",
    "cni_bridge.ipam.leasing",
    "cni_bridge.ipam.register",
    "cni_bridge.ipam.schema",
    "cni_bridge.kernel.nftables",
    "cni_bridge.parts.firewall",
    "cni_bridge.protection",
    "cni_bridge.redaction",
    "cni_bridge.wiring",
    "cni_bridge.edge.wires",
    "cni_bridge.ipam.wires",
    "cni_bridge.parts.inspection",
    "cni_bridge.parts.wire",
    "cni_bridge.rules",
    "cni_bridge.kernel.shaping",
    "cni_bridge.kernel.tuning",
    "cni_bridge.parts.bandwidth",
    "cni_bridge.parts.tuning",
    "cni_bridge.kernel.vlans",
    "cni_bridge.parts.vlan",
}


def test_the_plugin_path_imports_only_listed_modules() -> None:
    loaded = loaded_by("import cni_bridge.plugin")
    assert {name for name in loaded if name.partition(".")[0] != OURS} - allowed() == set()


def test_the_plugin_path_leaves_the_rare_modules_alone() -> None:
    assert loaded_by("import cni_bridge.plugin") & RARE == set()
