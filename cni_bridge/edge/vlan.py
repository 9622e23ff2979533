"""The VLAN keys of the config: `vlan`, `vlanTrunk`, `preserveDefaultVlan`.

Loaded only for networks that use them; the schema has checked bounds and missing halves.
"""

from cni_bridge import names
from cni_bridge.edge import request
from cni_bridge.errors import InvalidConfig
from cni_bridge.model_optional import VlanFilter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def parse(folded: "dict[str, Any]") -> VlanFilter:
    """Return the port's VLANs. Raises InvalidConfig."""
    _check_gateway_name(folded)
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


def _check_gateway_name(folded: "dict[str, Any]") -> None:
    """Refuse a bridge name that leaves no room for the name of the VLAN's gateway interface."""
    if not folded["vlan"] or not (folded["isGateway"] or folded["isDefaultGateway"]):
        return
    name = names.gateway(folded["bridge"], folded["vlan"])
    if len(name.encode()) > request.IFNAME_LIMIT:
        raise InvalidConfig(
            f"bridge: the name {folded['bridge']!r} is too long for a gateway of vlan {folded['vlan']}",
            f"the interface {name!r} has more than {request.IFNAME_LIMIT} bytes; "
            "give the bridge a shorter name",
        )
