"""Where a network's addresses come from: our own ledger, or another IPAM plugin.

Both kinds of source answer the same calls, so that `commands` reads the same for either.
"""

import posix

from cni_bridge import errors, timings
from cni_bridge.edge import config, ipam_config, result_versions
from cni_bridge.ipam import resolver
from cni_bridge.lean.record import replace
from cni_bridge.model import Dns, Grant

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypeAlias

    from cni_bridge.edge.request import Request
    from cni_bridge.edge.result_versions import Json
    from cni_bridge.ledger.hostlocal import Reservations
    from cni_bridge.ledger.store import Ledger, RangeSets
    from cni_bridge.model import Holding, NetworkConfig

    Source: TypeAlias = "OurLedger | OtherPlugin"

OWN_TYPE = "cni-bridge"


def find(request: "Request", kind: str) -> "Source":
    """The source for `ipam.type`. Raises InvalidConfig when there is no such plugin."""
    if kind in ("", OWN_TYPE):
        return OurLedger()
    from cni_bridge.ipam import delegate  # only where a foreign type is named

    path = delegate.find(kind, request.plugin_dirs)
    return OtherPlugin(path, request) if path else OurLedger()


def predecessor(directory: str) -> "Reservations | None":
    """What host-local has reserved for the network before us, where it has ever been used."""
    if not posix.access(directory, posix.F_OK):
        return None
    from cni_bridge.ledger import hostlocal  # only where it has left something

    return hostlocal.Reservations(directory)


def range_sets(settings: "NetworkConfig") -> "RangeSets":
    """The config's or, for a cluster network, what tells a claim those of this host's blocks."""
    if settings.cluster is None:
        return settings.ipam.range_sets
    from cni_bridge.ledger import blocks  # few networks are over many hosts

    return blocks.source(settings.name)


def fitted(ledger: "Ledger", settings: "NetworkConfig") -> "NetworkConfig":
    """The config, with the MTU that the way to other hosts has where it names none."""
    if settings.cluster is None or settings.mtu:
        return settings
    from cni_bridge.ledger import blocks  # few networks are over many hosts

    return replace(settings, mtu=blocks.mtu(ledger.database, settings.name))


class OurLedger:
    """Addresses that the claim has leased; there is nobody to forward a command to."""

    is_delegated = False

    def grant(self, holding: "Holding", settings: "NetworkConfig") -> Grant:
        """The leases of the claim, with the config's routes and resolver settings."""
        return Grant(
            leases=holding.leases,
            routes=settings.ipam.routes,
            dns=resolver.read(settings.ipam.resolv_conf),
        )

    def granted(self, holding: "Holding", settings: "NetworkConfig", _previous: "Json") -> Grant:
        """What ADD was granted, for CHECK; the resolver's file may have changed since."""
        return Grant(leases=holding.leases, routes=settings.ipam.routes, dns=Dns())

    def forward(self, command: str) -> None:
        """Nobody to forward it to."""

    def undo(self) -> None:
        """The ledger forgets its leases with their attachment."""


class OtherPlugin:
    """A plugin on CNI_PATH that has its own records; ours holds the attachment only."""

    is_delegated = True

    def __init__(self, path: str, request: "Request") -> None:
        self._path = path
        self._request = request
        self._is_asked = False

    def grant(self, _holding: "Holding", settings: "NetworkConfig") -> Grant:
        """What the plugin's ADD answers. Raises Delegated, InvalidConfig."""
        self._is_asked = True
        answer = self._execute("ADD")
        try:
            grant = ipam_config.grant(config.answer(answer, settings.cni_version))
        except errors.InvalidConfig as error:
            what = error.msg.removeprefix("prevResult.")
            raise errors.InvalidConfig(f"IPAM plugin {self._path} answered {what}") from error
        if not grant.leases:
            raise errors.InvalidConfig(
                "IPAM plugin returned missing IP config", f"from {self._path}"
            )
        result_versions.check_addresses(
            settings.cni_version, [len(lease.address.ip) for lease in grant.leases]
        )
        return grant

    def granted(self, _holding: "Holding", settings: "NetworkConfig", previous: "Json") -> Grant:
        """What the runtime says that ADD was granted: the addresses on this very interface."""
        return ipam_config.granted(previous, self._request.ifname)

    def forward(self, command: str) -> None:
        """Let the plugin do its part. Raises Delegated."""
        self._execute(command)

    def undo(self) -> None:
        """Let it undo its ADD, if there was one: what it has for an earlier ADD is not this one's."""
        if self._is_asked:
            self.forward("DEL")

    def _execute(self, command: str) -> "Json":
        from cni_bridge.ipam import delegate

        answer = delegate.execute(self._path, command, self._request.raw)
        timings.done(f"{self._path.rpartition('/')[2]} {command}")
        return answer
