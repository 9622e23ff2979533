"""Get a network's addresses from the ledger or from a delegated IPAM plugin.

Both kinds of source have the same methods, so that `cni_commands` reads the same for either.
"""

import posix

from cni_bridge import errors, timings
from cni_bridge.edge import config, ipam_config, result_versions
from cni_bridge.ipam import resolver
from cni_bridge.kernel import netns
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
REFERENCE_TYPE = (
    "host-local"  # cni-bridge serves it where it is not installed: the keys are the same
)


def find(request: "Request", kind: str) -> "Source":
    """Return the source for `ipam.type`. Raises InvalidConfig if there is no such plugin."""
    if kind in ("", OWN_TYPE):
        return OurLedger()
    from cni_bridge.ipam import delegate  # only for foreign types

    path = delegate.find(kind, request.plugin_dirs, is_optional=kind == REFERENCE_TYPE)
    return OtherPlugin(path, request) if path else OurLedger()


def find_for_add(request: "Request", document: "Json") -> "Source":
    """Return the source for an ADD: the ledger, as long as it has leased addresses of the network.

    Where host-local appears on CNI_PATH while containers run, it knows nothing of their addresses;
    the ledger respects its reservations.
    """
    kind = config.ipam_type(document)
    source = find(request, kind)
    if kind != REFERENCE_TYPE or not source.is_delegated:
        return source
    from cni_bridge.ledger import store

    ledger = store.find_ledger(config.state_dir(document))
    return OurLedger() if ledger and ledger.has_leases(config.network(document)) else source


def find_for_check(request: "Request", document: "Json", holding: "Holding | None") -> "Source":
    """Return the source for CHECK: the one that has given the attachment its addresses."""
    kind = config.ipam_type(document)
    if kind == REFERENCE_TYPE and holding and holding.leases:
        return OurLedger()
    return find(request, kind)


def predecessor(directory: str) -> "Reservations | None":
    """Return host-local's reservations for the network; None if host-local never served it."""
    if not posix.access(directory, posix.F_OK):
        return None
    from cni_bridge.ledger import hostlocal  # only where host-local was used

    return hostlocal.Reservations(directory)


def range_sets(settings: "NetworkConfig") -> "RangeSets":
    """Return the config's range sets; for a cluster network, a function that reads this host's blocks."""
    if settings.cluster is None:
        return settings.ipam.range_sets
    from cni_bridge.ledger import blocks  # few networks are over many hosts

    return blocks.source(settings.name)


def fitted(ledger: "Ledger", settings: "NetworkConfig") -> "NetworkConfig":
    """Return the config, with a cluster network's path MTU where it names none."""
    if settings.cluster is None or settings.mtu:
        return settings
    from cni_bridge.ledger import blocks  # few networks are over many hosts

    return replace(settings, mtu=blocks.mtu(ledger.database, settings.name))


class OurLedger:
    """Addresses from the ledger, leased by the claim; no plugin to forward commands to."""

    is_delegated = False

    def grant(self, holding: "Holding", settings: "NetworkConfig") -> Grant:
        """Return the claim's leases with the config's routes and resolver settings."""
        return Grant(
            leases=holding.leases,
            routes=settings.ipam.routes,
            dns=resolver.read(settings.ipam.resolv_conf),
        )

    def granted(self, holding: "Holding", settings: "NetworkConfig", previous: "Json") -> Grant:
        """Return what ADD was granted, for CHECK; without `dns`, whose file may have changed since."""
        # By host-local, which is gone by now; its reservations are not.
        reserved = None if holding.leases else predecessor(settings.reservations_dir)
        if reserved and reserved.of(holding.attachment):
            return ipam_config.granted(previous, holding.attachment.ifname)
        return Grant(leases=holding.leases, routes=settings.ipam.routes, dns=Dns())

    def forward(self, command: str) -> None:
        """Do nothing: there is no plugin to forward it to."""

    def undo(self) -> None:
        """Do nothing: the leases are released with their attachment."""


class OtherPlugin:
    """A plugin on CNI_PATH with records of its own; the ledger records the attachment only."""

    is_delegated = True

    def __init__(self, path: str, request: "Request") -> None:
        self._path = path
        self._request = request
        self._is_asked = False

    def grant(self, holding: "Holding", settings: "NetworkConfig") -> Grant:
        """Return what the plugin's ADD granted. Raises Delegated, InvalidConfig."""
        self._is_asked = True
        answer = self._execute("ADD")
        try:
            grant = ipam_config.grant(config.answer(answer, settings.cni_version))
        except errors.InvalidConfig as error:
            what = error.msg.removeprefix("prevResult.")
            raise errors.InvalidConfig(f"IPAM plugin {self._path} returned {what}") from error
        if not grant.leases:
            raise errors.InvalidConfig(
                "IPAM plugin returned missing IP config", f"from {self._path}"
            )
        families = [len(lease.address.ip) for lease in grant.leases]
        result_versions.check_addresses(settings.cni_version, families)
        config.check_mtu(settings.mtu, settings.attachment_mtu, families)
        self._refuse_leased(holding, settings, grant)
        return grant

    def granted(self, _holding: "Holding", settings: "NetworkConfig", previous: "Json") -> Grant:
        """Return what prevResult says that ADD was granted: the addresses of this interface."""
        return ipam_config.granted(previous, self._request.ifname)

    def forward(self, command: str) -> None:
        """Forward a command to the plugin. Raises Delegated."""
        self._execute(command)

    def undo(self) -> None:
        """Forward DEL if this run has forwarded ADD: an earlier ADD's addresses are not this one's."""
        if self._is_asked:
            self.forward("DEL")

    def _execute(self, command: str) -> "Json":
        from cni_bridge.ipam import delegate

        changes = {b"CNI_NETNS": b""} if command == "DEL" and self._is_stale_netns() else {}
        answer = delegate.execute(self._path, command, self._request.raw, changes)
        timings.done(f"{self._path.rpartition('/')[2]} {command}")
        return answer

    def _is_stale_netns(self) -> bool:
        """Return whether CNI_NETNS leads to no container: plugins would refuse it at each retry."""
        try:
            found = netns.open_netns(
                self._request.netns_path, may_be_own=self._request.may_be_own_netns
            )
        except (errors.InvalidNetns, errors.UnknownContainer):
            return True
        netns.close(found)
        return False

    def _refuse_leased(self, holding: "Holding", settings: "NetworkConfig", grant: Grant) -> None:
        from cni_bridge.ledger import store

        addresses = tuple(lease.address.ip for lease in grant.leases)
        if ledger := store.find_ledger(settings.state_dir):
            ledger.refuse_leased(holding.attachment, addresses)
