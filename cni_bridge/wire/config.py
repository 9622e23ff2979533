"""Config keys that `"mode": "wire"` excludes.

Loaded only for networks with that mode.
"""

from cni_bridge.edge import ipam_config
from cni_bridge.errors import InvalidConfig, UnsupportedField

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

DEFAULT_BRIDGE = "cni0"  # the schema's default, which looks like an absent key here
NEEDS_A_BRIDGE = (
    *("isGateway", "isDefaultGateway", "forceAddress", "ipMasq", "hairpinMode", "promiscMode"),
    *("vlan", "vlanTrunk", "preserveDefaultVlan", "portIsolation", "macspoofchk", "ipspoofchk"),
    *("internal", "closed", "masqAll", "conditionsV4", "conditionsV6"),
)
NEEDS_A_HOST_END = ("ingressRate", "ingressBurst", "egressRate", "egressBurst")
RUNTIME = ("portMappings", "bandwidth")


def check(document: "dict[str, Any]", *, is_delegated: bool) -> None:
    """Raise InvalidConfig or UnsupportedField for a key that a wire excludes."""
    for key in (*NEEDS_A_BRIDGE, *NEEDS_A_HOST_END):
        if document.get(key):
            raise _refusal(key, document[key])
    if not document["icc"]:
        raise _refusal("icc", False)
    if document["isolation"] not in ("", "off"):
        raise _refusal("isolation", document["isolation"])
    if document["bridge"] != DEFAULT_BRIDGE:
        raise _refusal("bridge", document["bridge"])
    asked = ipam_config.runtime(document)
    for key in RUNTIME:
        if asked.get(key):
            raise _refusal(f"runtimeConfig.{key}", asked[key])
    if is_delegated:
        raise UnsupportedField(
            "ipam.type: a wire takes its addresses from cni-bridge itself, found "
            f"{document['ipam']['type']}",
            "only addresses in cni-bridge's ledger can be restored when an end is recreated; "
            "set ipam.type to cni-bridge, or leave ipam out",
        )


def _refusal(key: str, value: object) -> InvalidConfig:
    return InvalidConfig(
        f"{key}: expected to be absent with mode wire, got {value}",
        "a wire joins two containers directly: there is no bridge, no gateway and no host end; "
        f"remove {key}, or the mode",
    )
