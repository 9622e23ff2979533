"""Reading the plugin path's modules loads what the reviewed list allows, and nothing else.

What a whole ADD imports is measured on the real kernel, in tests/kernel.
"""

from tests.budget import OURS, allowed, loaded_by

RARE = {
    "cni_bridge.cli",
    "cni_bridge.cluster",
    "cni_bridge.edge.cluster",
    "cni_bridge.edge.explain",
    "cni_bridge.edge.firewall",
    "cni_bridge.firewall.nft_elements",
    "cni_bridge.edge.tuning",
    "cni_bridge.edge.vlan",
    "cni_bridge.ledger.blocks",
    "cni_bridge.ipam.delegate",
    "cni_bridge.ledger.block_leases",
    "cni_bridge.firewall.register",
    "cni_bridge.ledger.schema",
    "cni_bridge.kernel.nftables",
    "cni_bridge.firewall.nft_tables",
    "cni_bridge.firewall.apply",
    "cni_bridge.redaction",
    "cni_bridge.wire.attachments",
    "cni_bridge.wire.config",
    "cni_bridge.wire.ledger",
    "cni_bridge.wire.part",
    "cni_bridge.firewall.model",
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
