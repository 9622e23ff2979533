"""What a host's kernel should have so that packets get to other hosts, as records.

No behaviour and no I/O here; `routes` finds out, `fabric` makes it so.
"""

from cni_bridge.address import Prefix
from cni_bridge.lean.record import record

# Of all that we make: others' routes to the same destinations, made without a metric, are left alone
# by NLM_F_REPLACE, and win while they are there.
METRIC = 77
LAST_RESORT = 0xFFFFFFFF


@record
class Tunnel:
    """A VXLAN device; `local` is this host's address on the network below, `addresses` are its own
    in the cluster: what the host itself sends through the tunnel comes from there."""

    name: str
    alias: str
    mac: bytes
    vni: int
    port: int
    local: bytes
    mtu: int
    addresses: tuple[Prefix, ...]


@record
class Route:
    """The way to a block of `host`; without a gateway nobody is there.

    It goes through the tunnel of that name or, if that is empty, the link that this host shares with
    the other one. `mtu` 0: that of the interface.
    """

    destination: Prefix
    host: str
    gateway: bytes | None
    tunnel: str
    mtu: int
    metric: int


@record
class Neighbour:
    """Which MAC a next hop has behind a tunnel."""

    tunnel: str
    ip: bytes
    mac: bytes


@record
class Forward:
    """Where below the frames for a MAC go."""

    tunnel: str
    mac: bytes
    ip: bytes


@record
class Wanted:
    """All of it; the problems are sentences that an operator can act on."""

    tunnels: tuple[Tunnel, ...]
    routes: tuple[Route, ...]
    neighbours: tuple[Neighbour, ...]
    forwards: tuple[Forward, ...]
    problems: tuple[str, ...]
