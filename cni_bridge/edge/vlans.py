"""The VLAN keys of the config: `vlan`, `vlanTrunk`, `preserveDefaultVlan`.

Loaded only for networks that use them; bounds and missing halves were the schema's matter.
"""

from cni_bridge.errors import InvalidConfig
from cni_bridge.model import VlanFilter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def parse(folded: "dict[str, Any]") -> VlanFilter:
    """The port's VLANs. Raises InvalidConfig."""
    trunk: set[int] = set()
    for index, item in enumerate(folded.get("vlanTrunk", ())):
        if "id" in item:
            trunk.add(item["id"])
        if "minID" in item:
            if item["minID"] > item["maxID"]:
                raise InvalidConfig(
                    f"vlanTrunk[{index}]: minID is greater than maxID in trunk parameter",
                    f"{item['minID']} > {item['maxID']}",
                )
            trunk.update(range(item["minID"], item["maxID"] + 1))
    return VlanFilter(
        access=folded["vlan"],
        trunk=tuple(sorted(trunk)),
        keeps_default=folded["preserveDefaultVlan"],
    )
