"""What networks look like whose ADDs and DELs are disturbed, and what gives them to containers.

Only data; how they are disturbed stands in `stage` and `trials`.
"""

from dataclasses import dataclass, field, replace

from tests.lab import Json
from tests.lab.paths import PLUGIN_PORTABLE
from tests.lab.publish import mapping, publishing
from tests.lab.stacks import NFTABLES, OURS, Stack, Subnets

PORTABLE = replace(OURS, name="portable", needs=(PLUGIN_PORTABLE,))
REFERENCE = NFTABLES
STACKS: dict[str, Stack] = {"onedir": OURS, "portable": PORTABLE, "reference": REFERENCE}


@dataclass(frozen=True)
class Scene:
    """A network, what the runtime asks of it, and whether the host has ever had it before."""

    name: str
    subnets: Subnets
    config: Json = field(default_factory=dict)
    asked: Json = field(default_factory=dict)
    is_first: bool = False  # neither bridge, rules nor ledger are there
    is_named: bool = False  # the runtime tells the names of containers


GATEWAY = "10.88.0.1"
IPV4, BOTH = ("10.88.0.0/16",), ("10.88.0.0/16", "fd00:88::/64")
PORTS = publishing(mapping(8080, protocol="tcp"), mapping(8053, 53, protocol="udp"))

PLAIN = Scene("plain", IPV4)
DUAL = Scene("dual-stack", BOTH)
PUBLISHED = Scene("published ports", BOTH, {"ipMasq": True}, PORTS)
FIRST = Scene("first on the host", BOTH, {"ipMasq": True}, PORTS, is_first=True)
# Alone on its host: no other container keeps the network's rules in place.
CHECKS = {"internal": True, "icc": False, "macspoofchk": True, "ipspoofchk": True}
PROTECTED = Scene("protected, first on the host", BOTH, CHECKS, is_first=True)
ALIAS = "victim"
STICKY = {
    "type": "cni-bridge",
    "ranges": [[{"subnet": each}] for each in BOTH],
    "sticky": True,
}
NAMED = Scene(
    "named",
    BOTH,
    {"nameserver": True, "ipam": STICKY},
    {"runtimeConfig": {"aliases": [ALIAS]}},
    is_named=True,
)
# Commands that change a running container, with what they are told.
LIVE = {
    "publish": ("victim", "9090:90"),
    "unpublish": ("victim", "8080"),
    "isolate": ("victim",),
    "join": ("victim",),
    "limit": ("victim", "--ingress", "10M", "--egress", "10M"),
    "connect": ("net-a", "victim"),
    "disconnect": ("net-a", "victim"),
}
ATTACHING = ("ADD", "connect")  # the victim is not attached before
SCENES = (PLAIN, DUAL, PUBLISHED, FIRST, PROTECTED, NAMED)
