"""The desired kernel state for reaching other hosts, as records; `routes` computes it, `fabric` applies it."""

from cni_bridge.address import Prefix
from cni_bridge.lean.record import record

# Of all routes the agent makes: NLM_F_REPLACE leaves foreign routes to the same destinations alone, which
# have no metric and so take precedence.
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
    """The route to a block of `host`; without a gateway its destination is unreachable.

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
    """The MAC of a next hop behind a tunnel."""

    tunnel: str
    ip: bytes
    mac: bytes


@record
class Forward:
    """The underlay address to which frames for a MAC are sent."""

    tunnel: str
    mac: bytes
    ip: bytes


@record
class DesiredState:
    """All of it; the problems are sentences for an operator."""

    tunnels: tuple[Tunnel, ...]
    routes: tuple[Route, ...]
    neighbours: tuple[Neighbour, ...]
    forwards: tuple[Forward, ...]
    problems: tuple[str, ...]
