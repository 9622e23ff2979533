"""The ways in which operators arrange plugins on a machine: ours alone, or in the usual chain.

Documents only; which file they go to is decided by the callers.
"""

from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.lab import PEERS, PLUGIN, peer
from tests.lab.plugin import Json

DEBIANS = Path("/usr/lib/cni")
NETWORK = "web"
SUBNET4, SUBNET6 = "10.99.0.0/24", "fd99::/64"
GATEWAY4, GATEWAY6 = "10.99.0.1", "fd99::1"
RANGES = [[{"subnet": SUBNET4}], [{"subnet": SUBNET6}]]


@dataclass(frozen=True)
class Arrangement:
    """A conflist, and where its plugins come from."""

    name: str
    conflist: Json
    bridge: Path = PLUGIN  # what has that name
    others: Path = DEBIANS

    @property
    def bridges(self) -> list[str]:
        """The bridges that it makes."""
        return [each["bridge"] for each in self.conflist["plugins"] if "bridge" in each]


ALONE = Arrangement(
    "alone",
    {
        "cniVersion": "1.0.0",
        "name": NETWORK,
        "plugins": [
            {
                "type": "cni-bridge",
                "bridge": "web0",
                "isDefaultGateway": True,
                "ipMasq": True,
                "capabilities": {"portMappings": True, "ips": True, "mac": True},
                "ipam": {"type": "cni-bridge", "ranges": RANGES},
            }
        ],
    },
)
# As podman 4's `network create` writes it, and much like containerd's example.
CHAIN = Arrangement(
    "chain",
    {
        "cniVersion": "0.4.0",
        "name": NETWORK,
        "plugins": [
            {
                "type": "bridge",
                "bridge": "web0",
                "isGateway": True,
                "ipMasq": True,
                "hairpinMode": True,
                "ipam": {
                    "type": "host-local",
                    "routes": [{"dst": "0.0.0.0/0"}, {"dst": "::/0"}],
                    "ranges": RANGES,
                },
            },
            {"type": "portmap", "capabilities": {"portMappings": True}},
            {"type": "firewall", "backend": ""},
            {"type": "tuning"},
        ],
    },
)
ARRANGEMENTS = (ALONE, CHAIN)
ALONE_1_1 = Arrangement("alone", ALONE.conflist | {"cniVersion": "1.1.0"})

# For what the reference's chain does not do: it gives the second holder of a port nothing, silently.
only_alone = pytest.mark.parametrize("arrangement", [ALONE], indirect=True, ids=["alone"])


def measured(version: str, length: int) -> tuple[Arrangement, ...]:
    """Return what is timed beside each other: ours, ours in a chain of that length, and the reference there."""
    alone, chain = (each.conflist | {"cniVersion": version} for each in (ALONE, CHAIN))
    chain["plugins"] = chain["plugins"][:length]
    return (
        Arrangement("cni-bridge alone", alone, others=PEERS),
        Arrangement("cni-bridge as `bridge`, in a chain", chain, others=PEERS),
        Arrangement("the reference's chain", chain, bridge=peer("bridge"), others=PEERS),
    )
