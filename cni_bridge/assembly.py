"""An attachment's parts in their order: how it is made, how it is removed, how it differs.

Removal has one code path, `detach`, with three callers: DEL, GC and the rollback of ADD. Nothing
here knows commands, configs or results.
"""

from cni_bridge import errors, inline, names, plan, steps
from cni_bridge.ipam import guards
from cni_bridge.kernel import netlink
from cni_bridge.model import Grant
from cni_bridge.parts import bridge, veth

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import TypeVar

    from cni_bridge.ipam.store import Ledger
    from cni_bridge.kernel.links import Link
    from cni_bridge.kernel.netns import OpenNetns
    from cni_bridge.model import Attachment, Bridge, Holding, Interface, NetworkConfig, Plan
    from cni_bridge.sources import Source

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
        from cni_bridge import wiring  # few networks are one

        return wiring.attach(host, container, ledger, granting)
    if addresses.is_delegated:  # a DHCP client, for one, needs the interface to be there
        _create(host, container, plan.build(holding.attachment, settings, Grant()))
        wanted = plan.build(holding.attachment, settings, addresses.grant(holding, settings))
        shared = bridge.ensure(host, _bridge(wanted))
    else:
        wanted = plan.build(holding.attachment, settings, addresses.grant(holding, settings))
        shared = _create(host, container, wanted)
    gateway = inline.ensure_gateway(host, shared, _bridge(wanted))
    bridge.ensure_gateways(host, gateway, _bridge(wanted))
    steps.done("gateway")
    if wanted.firewall:
        _protect(host, ledger, wanted)  # before the container's end is up
        steps.done("firewall")
    outer, inner = veth.configure(host, container, wanted.veth)
    others = () if gateway is shared else (bridge.describe(gateway),)
    more = inline.apply(host, container, wanted)
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
    steps.done("firewall removed")
    _tried(failures, lambda: inline.remove(host, ledger, attachments))
    interfaces = [name for item in attachments for name in names.of_host(item)]
    _tried(failures, lambda: veth.remove(host, *interfaces))
    steps.done("pair removed")
    # A ledger that can't be used keeps nothing alive that would need an address.
    if all(isinstance(failure, errors.LedgerUnusable) for failure in failures):
        if ledger:
            _tried(failures, lambda: ledger.release(*attachments))
            _tried(failures, lambda: guards.release_recalled(ledger, attachments))
            steps.done("released")
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
    from cni_bridge.parts import inspection  # CHECK only

    host = netlink.Socket()
    if wanted.bridge:
        yield from bridge.problems(host, wanted.bridge)
        yield from inspection.problems(host, container, wanted.veth, mac)
    else:
        from cni_bridge import wiring

        yield from wiring.problems(host, container, ledger, wanted, mac)
    yield from inline.problems(host, container, wanted)
    if wanted.firewall and ledger:
        from cni_bridge import protection

        yield from protection.problems(guards.open_register(ledger), wanted)


def _create(host: netlink.Socket, container: "OpenNetns", wanted: "Plan") -> "Link":
    shared = bridge.ensure(host, _bridge(wanted))
    steps.done("bridge")
    veth.create(host, container, shared.index, wanted.veth)
    steps.done("pair")
    return shared


def _bridge(wanted: "Plan") -> "Bridge":
    assert wanted.bridge, "a wire has none, and parts of its own"
    return wanted.bridge


def _protect(host: netlink.Socket, ledger: "Ledger", wanted: "Plan") -> None:
    from cni_bridge import protection  # only where the config wants it

    register = guards.open_register(ledger)
    while True:  # each time somebody has gone who was in the way
        try:
            protection.apply(register, wanted)
            return
        except errors.PortPublished as refusal:
            from cni_bridge import reclaiming  # only where somebody is

            reclaiming.make_way(host, ledger, refusal.holder)
            if register.has(refusal.holder):
                raise


def _unprotect(
    ledger: "Ledger | None", attachments: "Sequence[Attachment]", addresses: tuple[bytes, ...]
) -> "netlink.Socket | None":
    """Undo what the firewall does; the socket that is returned wants to be closed last."""
    try:
        register = guards.find_register(ledger, attachments)
    except errors.LedgerUnusable:
        _withdraw(attachments, addresses)
        raise
    if register:
        from cni_bridge import protection

        return protection.remove(register, attachments)
    if ledger is None:
        _withdraw(attachments, addresses)
    return None


def _withdraw(attachments: "Sequence[Attachment]", addresses: tuple[bytes, ...]) -> None:
    from cni_bridge import withdrawal  # only where no ledger tells

    withdrawal.withdraw(attachments, addresses)


def _tried(failures: list[Exception], step: "Callable[[], T]") -> "T | None":
    """What a step returns; if it fails that is reported with the others, and the next one follows."""
    try:
        return step()
    except Exception as failure:  # noqa: BLE001 - whatever it is
        failures.append(failure)
        return None
