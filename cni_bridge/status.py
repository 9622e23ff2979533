"""Tell whether an ADD would succeed now, without changing anything. Loaded only by STATUS."""

from cni_bridge import optional_parts
from cni_bridge.errors import (
    FirewallRefused,
    IOFailure,
    LimitedConnectivity,
    NotAvailable,
    NotLeased,
    RangeExhausted,
    TryAgainLater,
    UnsupportedField,
)
from cni_bridge.ipam import sources
from cni_bridge.kernel import netlink
from cni_bridge.ledger import store

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cni_bridge.ledger.store import Ledger
    from cni_bridge.model import NetworkConfig


def rehearse(settings: "NetworkConfig") -> None:
    """Raise NotAvailable if an ADD would fail now."""
    try:
        host = netlink.Socket()
        optional_parts.require(host, settings)
        ledger = store.open_ledger(settings.state_dir)
        ledger.respect(sources.predecessor(settings.reservations_dir))
        _rehearse_claim(host, ledger, settings)
        if settings.firewall:
            from cni_bridge.firewall import apply

            apply.rehearse(settings.bridge)
    except NotLeased as error:
        raise LimitedConnectivity(error.msg, error.details) from error
    except (FirewallRefused, IOFailure, TryAgainLater, RangeExhausted, UnsupportedField) as error:
        raise NotAvailable(error.msg, error.details) from error


def _rehearse_claim(host: netlink.Socket, ledger: "Ledger", settings: "NetworkConfig") -> None:
    try:
        ledger.rehearse(settings.name, sources.range_sets(settings))
    except RangeExhausted:
        from cni_bridge.recovery import stale  # an ADD would take from the dead

        if not stale.provably_gone(host, ledger.holdings(settings.name)):
            raise
