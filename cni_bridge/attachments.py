"""An attachment's parts in their order: how it is made, how it is removed, how it differs.

Removal has one code path, `detach`, with three callers: DEL, GC and the rollback of ADD. Nothing
here knows commands, configs or results.
"""

from cni_bridge import errors, names, optional_parts, plan, timings
from cni_bridge.kernel import netlink
from cni_bridge.ledger import host_ledger
from cni_bridge.model import Grant
from cni_bridge.parts import bridge, veth

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import TypeVar

    from cni_bridge.ipam.sources import Source
    from cni_bridge.kernel.links import Link
    from cni_bridge.kernel.netns import OpenNetns
    from cni_bridge.ledger.store import Ledger
    from cni_bridge.model import Attachment, Bridge, Holding, Interface, NetworkConfig, Plan

    T = TypeVar("T")


def attach(
    host: netlink.Socket,
    container: "OpenNetns",
    ledger: "Ledger",
    granting: "tuple[Holding, NetworkConfig, Source]",
) -> "tuple[Plan, tuple[Interface, ...]]":
    """Make everything; return the plan and what has come of it."""
    holding, settings, addresses = granting
    if settings.is_wire:
        from cni_bridge.wire import attachments as wire_attachments  # few networks are one

        return wire_attachments.attach(host, container, ledger, granting)
    if addresses.is_delegated:  # a DHCP client, for one, needs the interface to be there
        _create(host, container, plan.build(holding.attachment, settings, Grant()))
        wanted = plan.build(holding.attachment, settings, addresses.grant(holding, settings))
        shared = bridge.ensure(host, _bridge(wanted))
    else:
        wanted = plan.build(holding.attachment, settings, addresses.grant(holding, settings))
        shared = _create(host, container, wanted)
    gateway = optional_parts.ensure_gateway(host, shared, _bridge(wanted))
    bridge.ensure_gateways(host, gateway, _bridge(wanted))
    timings.done("gateway")
    if wanted.firewall:
        _protect(host, ledger, wanted)  # before the container's end is up
        timings.done("firewall")
    outer, inner = veth.configure(host, container, wanted.veth)
    others = () if gateway is shared else (bridge.describe(gateway),)
    more = optional_parts.apply(host, container, wanted)
    return wanted, (bridge.describe(shared), outer, inner, *others, *more)


def detach(
    host: netlink.Socket,
    ledger: "Ledger | None",
    attachments: "Sequence[Attachment]",
    release: "Callable[[], None] | None" = None,
    addresses: "tuple[bytes, ...]" = (),
) -> list[Exception]:
    """Remove everything named after the attachments; return what could not be removed.

    The ledger forgets last, and only if the rest is gone: an address is never free while in use.
    Then `release` frees what is kept elsewhere, by another plugin for one. `addresses` are the
    containers', by which the firewall's elements are found where the ledger can't be read.
    """
    failures: list[Exception] = []
    guard = _tried(failures, lambda: _unprotect(ledger, attachments, addresses))
    timings.done("firewall removed")
    _tried(failures, lambda: optional_parts.remove(host, ledger, attachments))
    interfaces = [name for item in attachments for name in names.of_host(item)]
    _tried(failures, lambda: veth.remove(host, *interfaces))
    timings.done("pair removed")
    # A ledger that can't be used keeps nothing alive that would need an address.
    if all(isinstance(failure, errors.LedgerUnusable) for failure in failures):
        if ledger:
            _tried(failures, lambda: ledger.release(*attachments))
            _tried(failures, lambda: host_ledger.release_recalled(ledger, attachments))
            timings.done("released")
        if release:
            _tried(failures, release)
    if guard:
        guard.close()  # now: what it deleted and the interfaces are waited for at once
    return failures


def problems(
    wanted: "Plan", container: "OpenNetns", ledger: "Ledger | None", mac: str = ""
) -> "Iterator[str]":
    """Every difference between the plan and what there is: what, expected, found.

    `mac`: the container end's as the runtime knows it, if it does.
    """
    from cni_bridge.parts import veth_check  # CHECK only

    host = netlink.Socket()
    if wanted.bridge:
        yield from bridge.problems(host, wanted.bridge)
        yield from veth_check.problems(host, container, wanted.veth, mac)
    else:
        from cni_bridge.wire import attachments as wire_attachments

        yield from wire_attachments.problems(host, container, ledger, wanted, mac)
    yield from optional_parts.problems(host, container, wanted)
    if wanted.firewall and ledger:
        from cni_bridge.firewall import apply

        yield from apply.problems(host_ledger.open_register(ledger), wanted)


def _create(host: netlink.Socket, container: "OpenNetns", wanted: "Plan") -> "Link":
    shared = bridge.ensure(host, _bridge(wanted))
    timings.done("bridge")
    veth.create(host, container, shared.index, wanted.veth)
    timings.done("pair")
    return shared


def _bridge(wanted: "Plan") -> "Bridge":
    assert wanted.bridge, "a wire has none, and parts of its own"
    return wanted.bridge


def _protect(host: netlink.Socket, ledger: "Ledger", wanted: "Plan") -> None:
    from cni_bridge.firewall import apply  # only where the config wants it

    register = host_ledger.open_register(ledger)
    while True:  # each time somebody has gone who was in the way
        try:
            apply.apply(register, wanted)
            return
        except errors.PortPublished as refusal:
            from cni_bridge.recovery import stale  # only where somebody is

            stale.make_way(host, ledger, refusal.holder)
            if register.has(refusal.holder):
                raise


def _unprotect(
    ledger: "Ledger | None", attachments: "Sequence[Attachment]", addresses: tuple[bytes, ...]
) -> "netlink.Socket | None":
    """Undo what the firewall does; the socket that is returned wants to be closed last."""
    try:
        register = host_ledger.find_register(ledger, attachments)
    except errors.LedgerUnusable:
        _withdraw(attachments, addresses)
        raise
    if register:
        from cni_bridge.firewall import apply

        return apply.remove(register, attachments)
    if ledger is None:
        _withdraw(attachments, addresses)
    return None


def _withdraw(attachments: "Sequence[Attachment]", addresses: tuple[bytes, ...]) -> None:
    from cni_bridge.recovery import without_ledger  # only where no ledger tells

    without_ledger.withdraw(attachments, addresses)


def _tried(failures: list[Exception], step: "Callable[[], T]") -> "T | None":
    """What a step returns; if it fails that is reported with the others, and the next one follows."""
    try:
        return step()
    except Exception as failure:  # noqa: BLE001 - whatever it is
        failures.append(failure)
        return None
