"""Tell whether an ADD would succeed now, without changing anything. Loaded only by STATUS.

Each part's `rehearse` runs the code that ADD runs, up to the point where it would change something.
"""

from errno import EBADF

from cni_bridge import optional_parts, plan
from cni_bridge.errors import (
    CniError,
    Delegated,
    LimitedConnectivity,
    NotAvailable,
    NotLeased,
    RangeExhausted,
    UnsupportedField,
)
from cni_bridge.ipam import resolver, sources
from cni_bridge.kernel import links, netlink
from cni_bridge.kernel.netlink import KernelError
from cni_bridge.ledger import host_ledger, store
from cni_bridge.model import Attachment, Grant
from cni_bridge.parts import bridge

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    from cni_bridge.ipam.sources import Source
    from cni_bridge.ledger.store import Ledger
    from cni_bridge.model import Lease, NetworkConfig, Plan, Veth

    T = TypeVar("T")

CONTAINER, IFNAME = "status", "eth0"  # of an attachment that is never made
KINDS = {"veth": "VETH", "bridge": "BRIDGE"}  # interfaces that ADD creates, and their CONFIG_*


def reporting(work: "Callable[[], T]") -> "T":
    """Return what a step of the rehearsal returns; raise its failure with a code of STATUS."""
    try:
        return work()
    except (NotAvailable, LimitedConnectivity, Delegated):
        raise
    except NotLeased as error:
        raise LimitedConnectivity(error.msg, error.details) from error
    except CniError as error:
        raise NotAvailable(error.msg, error.details) from error
    except KernelError as error:
        raise NotAvailable(str(error)) from error


def rehearse(settings: "NetworkConfig", addresses: "Source") -> None:
    """Raise NotAvailable if an ADD would fail now."""
    reporting(lambda: _rehearse(settings, addresses))


def rehearse_addresses(settings: "NetworkConfig") -> None:
    """Raise NotAvailable if an ADD as another plugin's IPAM would fail now."""
    reporting(lambda: _rehearse_grant(netlink.Socket(), _open(settings), settings))


def _rehearse(settings: "NetworkConfig", addresses: "Source") -> None:
    host = netlink.Socket()
    _require_kinds(host, settings)
    optional_parts.require(host, settings)
    if settings.tuning:
        from cni_bridge.parts import tuning  # few networks are tuned

        tuning.rehearse(settings.tuning)
    ledger = _open(settings)
    grant = _rehearse_grant(host, ledger, settings, can_reclaim=not addresses.is_delegated)
    attachment = Attachment(network=settings.name, container=CONTAINER, ifname=IFNAME)
    planned = plan.build(attachment, settings, grant)
    if planned.veth.addresses and planned.veth.routes:
        _rehearse_routes(planned.veth)
    if planned.bridge:
        bridge.rehearse(host, planned.bridge)
    else:
        from cni_bridge.wire.ledger import Wires  # few networks are wires

        Wires(ledger).require_end(attachment)
    if planned.firewall:
        _rehearse_firewall(ledger, planned)
    addresses.forward("STATUS")


def _require_kinds(host: netlink.Socket, settings: "NetworkConfig") -> None:
    kinds = [kind for kind in KINDS if kind == "veth" or not settings.is_wire]
    for kind, refusal in zip(kinds, host.attempt(*map(links.probe, kinds)), strict=True):
        if refusal and refusal.errno != EBADF:
            raise UnsupportedField(
                f"cannot create interfaces of kind {kind}: {refusal}",
                f"the kernel lacks CONFIG_{KINDS[kind]} (modprobe {kind}), or cni-bridge lacks "
                "CAP_NET_ADMIN",
            )


def _open(settings: "NetworkConfig") -> "Ledger":
    ledger = store.open_ledger(settings.state_dir)
    ledger.respect(lambda: sources.predecessor(settings.reservations_dir))
    return ledger


def _rehearse_grant(
    host: netlink.Socket, ledger: "Ledger", settings: "NetworkConfig", *, can_reclaim: bool = True
) -> Grant:
    """Return what would be granted: host-local's reservations count as leases, so also by it."""
    return Grant(
        leases=_rehearse_claim(host, ledger, settings, can_reclaim),
        routes=settings.ipam.routes,
        dns=resolver.read(settings.ipam.resolv_conf),
    )


def _rehearse_claim(
    host: netlink.Socket, ledger: "Ledger", settings: "NetworkConfig", can_reclaim: bool
) -> "tuple[Lease, ...]":
    try:
        return ledger.rehearse(settings.name, sources.range_sets(settings))
    except RangeExhausted:
        if not can_reclaim:
            raise
        from cni_bridge.recovery import stale  # an ADD would reclaim the addresses of stale records

        reclaimable = stale.provably_gone(host, ledger.holdings(settings.name))
        if not reclaimable:
            raise
        return reclaimable[0][0].leases


def _rehearse_routes(veth: "Veth") -> None:
    from cni_bridge import gateways  # some networks have no routes

    for _, reason, hint in gateways.faults(veth.routes, veth.addresses):
        raise NotAvailable(reason, hint)


def _rehearse_firewall(ledger: "Ledger", planned: "Plan") -> None:
    from cni_bridge.firewall import apply  # few networks use the firewall

    register = host_ledger.open_register(ledger)
    assert planned.firewall, "planned for networks that use it"
    apply.rehearse(register, planned.firewall.bridge)
