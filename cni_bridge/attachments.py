"""Create, remove and compare attachments: the order of an attachment's parts.

`detach` is the only removal path; DEL, GC and the rollback of ADD call it. Nothing here knows
commands, configs or results.
"""

import posix

from cni_bridge import errors, names, optional_parts, plan, timings
from cni_bridge.kernel import netlink
from cni_bridge.ledger import host_ledger
from cni_bridge.model import Grant
from cni_bridge.parts import bridge, veth, veth_removal

NAMESERVERS = "/run/cni-bridge-dns"  # the files of all nameservers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import TypeVar

    from cni_bridge.firewall.model import Firewall
    from cni_bridge.firewall.register import Register
    from cni_bridge.ipam.sources import Source
    from cni_bridge.kernel.links import Link
    from cni_bridge.kernel.netns import OpenNetns
    from cni_bridge.ledger.host_ledger import Claims
    from cni_bridge.ledger.store import Ledger
    from cni_bridge.model import Attachment, Bridge, Holding, Interface, NetworkConfig, Plan
    from cni_bridge.recovery.other_ledgers import Records

    T = TypeVar("T")
    Seen = tuple[Claims, list[Link]]


def attach(
    host: netlink.Socket,
    container: "OpenNetns",
    ledger: "Ledger",
    *,
    holding: "Holding",
    settings: "NetworkConfig",
    addresses: "Source",
    make_way: "Callable[[Attachment], None]",
) -> "tuple[Plan, tuple[Interface, ...]]":
    """Create all parts of an attachment; return the plan and the interfaces as they are now.

    The pair is created after the rules: whatever the container does, no frame passes the bridge port
    before. `make_way` removes the holder of a host port if it is stale.
    """
    if settings.is_wire:
        from cni_bridge.wire import attachments as wire_attachments  # few networks are one

        return wire_attachments.attach(
            host, container, ledger, holding=holding, settings=settings, addresses=addresses
        )
    if addresses.is_delegated:  # DHCP, for one, needs the interface to exist
        _create_unaddressed(
            host, container, ledger, plan.build(holding.attachment, settings, Grant()), make_way
        )
    planned = plan.build(holding.attachment, settings, addresses.grant(holding, settings))
    shared = bridge.ensure(host, _bridge(planned))
    timings.done("bridge")
    gateway = optional_parts.ensure_gateway(host, shared, _bridge(planned))
    bridge.ensure_gateways(host, gateway, _bridge(planned))
    timings.done("gateway")
    _protect(ledger, planned, make_way, is_first=not addresses.is_delegated)
    if not addresses.is_delegated:
        veth.create(host, container, shared.index, planned.veth)
        timings.done("pair")
    outer, inner = veth.configure(host, container, planned.veth, optional_parts.prepare(planned))
    others = () if gateway is shared else (bridge.describe(gateway),)
    more = optional_parts.apply(host, container, planned)
    _serve(ledger, planned)
    return planned, (bridge.describe(shared), outer, inner, *others, *more)


def _create_unaddressed(
    host: netlink.Socket,
    container: "OpenNetns",
    ledger: "Ledger",
    planned: "Plan",
    make_way: "Callable[[Attachment], None]",
) -> None:
    """Create the pair, for a delegated IPAM plugin, after the rules that need no address."""
    shared = bridge.ensure(host, _bridge(planned))
    _protect(ledger, planned, make_way, has_addresses=False, is_first=True)
    veth.create(host, container, shared.index, planned.veth)
    timings.done("pair")


def detach(
    host: netlink.Socket,
    ledger: "Ledger | None",
    attachments: "Sequence[Attachment]",
    release: "Callable[[], None] | None" = None,
    reported: "Callable[[], tuple[bytes, ...]]" = tuple,
    *,
    is_sticky: bool = True,
    seen: "Seen | None" = None,
) -> list[Exception]:
    """Remove everything named after the attachments; return the failures.

    What is protected is taken off its bridge before its rules go: wherever the process dies, what
    is attached is still protected. The ledger forgets last, and only if nothing else is left: an
    address in use is never free. Then `release` frees what others keep, such as a delegated IPAM
    plugin. `reported` returns the addresses that the runtime reports, for what the ledger does not tell.

    What another run adds meanwhile stays, however long this run is paused. The caller may have `seen`
    the attachments' records, then all interfaces, and then which of them are unchanged.
    """
    failures: list[Exception] = []
    claims, listed = seen or (_claims(failures, ledger, attachments), None)
    others = _collect_failure(failures, lambda: _other_ledgers(host, ledger, attachments, claims))
    current = host_ledger.unchanged(ledger, attachments, claims)
    guard = _dismantle(failures, host, ledger, attachments, current, listed, reported)
    # Nothing that needs an address is left if an unusable ledger is the only failure.
    if all(isinstance(failure, errors.LedgerUnusable) for failure in failures):
        freeing = [*(each.release for each in others or ()), release]
        _free(failures, ledger, attachments, claims, freeing, is_sticky=is_sticky)
    if guard:
        guard.close()  # last, if no other process has it: the kernel then waits once for all
    return failures


def problems(
    planned: "Plan", container: "OpenNetns", ledger: "Ledger | None", mac: str = ""
) -> "Iterator[str]":
    """Yield every difference between the plan and the host: what, expected, found.

    `mac` is the container end's MAC according to the runtime, empty if unknown.
    """
    host = netlink.Socket()
    if planned.bridge:
        yield from bridge.problems(host, planned.bridge)
        yield from veth.problems(host, container, planned.veth, mac)
    else:
        from cni_bridge.wire import attachments as wire_attachments

        yield from wire_attachments.problems(host, container, ledger, planned, mac)
    yield from optional_parts.problems(host, container, planned)
    if planned.served:
        from cni_bridge.naming import apply as nameserver

        yield from nameserver.problems(planned.attachment, planned.served)
    if planned.firewall and ledger:
        from cni_bridge.firewall import apply

        yield from apply.problems(host_ledger.open_register(ledger), planned)
    elif ledger and (register := host_ledger.find_register(ledger, (planned.attachment,))):
        from cni_bridge.firewall import isolation  # on a network without a firewall

        yield from isolation.problems(register, planned.attachment)


def _claims(
    failures: list[Exception], ledger: "Ledger | None", attachments: "Sequence[Attachment]"
) -> "Claims":
    return _collect_failure(failures, lambda: host_ledger.claims(ledger, attachments)) or {}


def _dismantle(
    failures: list[Exception],
    host: netlink.Socket,
    ledger: "Ledger | None",
    attachments: "Sequence[Attachment]",
    current: "Callable[[], list[Attachment]]",
    listed: "list[Link] | None",
    reported: "Callable[[], tuple[bytes, ...]]",
) -> "netlink.Socket | None":
    """Remove what the kernel has of the attachments; return what `_unprotect` returns."""
    found = (
        _collect_failure(failures, lambda: _find_pairs(host, attachments, current, listed)) or []
    )
    _collect_failure(failures, lambda: _stop_serving(current))
    guard = _collect_failure(
        failures, lambda: _unprotect(host, ledger, attachments, found, current, reported)
    )
    timings.done("firewall removed")
    _collect_failure(failures, lambda: _remove_wires(host, ledger, attachments))
    _collect_failure(
        failures, lambda: _remove_pairs(host, attachments, found, current, guard, listed)
    )
    timings.done("pair removed")
    return guard


def _find_pairs(
    host: netlink.Socket,
    attachments: "Sequence[Attachment]",
    current: "Callable[[], list[Attachment]]",
    listed: "list[Link] | None",
) -> "list[Link]":
    """Return the interfaces of the attachments, without those of an attachment that is added again."""
    if listed is not None:
        return veth_removal.among(listed, _interfaces(attachments))
    found = veth_removal.find(host, *_interfaces(attachments))
    own = set(current())
    others = set(_interfaces([each for each in attachments if each not in own]))
    return [link for link in found if link.name not in others]


def _interfaces(attachments: "Sequence[Attachment]") -> list[str]:
    return [name for each in attachments for name in names.of_host(each)]


def _remove_pairs(
    host: netlink.Socket,
    attachments: "Sequence[Attachment]",
    found: "list[Link]",
    current: "Callable[[], list[Attachment]]",
    guard: "netlink.Socket | None",
    listed: "list[Link] | None",
) -> None:
    """Delete the interfaces that were found, and what an unfinished ADD has made since."""
    present = {link.name for link in found}
    if any(names.host_name(each) not in present for each in attachments):
        late = [each for each in current() if names.host_name(each) not in present]
        found = found + veth_removal.find(host, *map(names.host_name, late))
    veth_removal.remove(host, found, kept=guard, listed=listed)


def _forget(
    ledger: "Ledger | None",
    attachments: "Sequence[Attachment]",
    claims: "Claims",
    *,
    is_sticky: bool,
) -> bool:
    """Delete the records; return whether another run has deleted and added the attachment meanwhile.

    Then what is there now is that run's.
    """
    if ledger is None:
        return False
    read = {each: created for each, (created, _) in claims.items()}
    return not ledger.release(*attachments, read=read, is_sticky=is_sticky) and bool(
        host_ledger.claims(ledger, attachments)
    )


def _free(
    failures: list[Exception],
    ledger: "Ledger | None",
    attachments: "Sequence[Attachment]",
    claims: "Claims",
    freeing: "Sequence[Callable[[], None] | None]",
    *,
    is_sticky: bool,
) -> None:
    """Delete the records, and free what others keep; the last of them not if it is added again."""
    is_added_again = _collect_failure(
        failures, lambda: _forget(ledger, attachments, claims, is_sticky=is_sticky)
    )
    if ledger and not is_added_again:
        _collect_failure(failures, lambda: host_ledger.release_rebuilt(ledger, attachments))
    timings.done("released")
    for free in filter(None, freeing[:-1] if is_added_again else freeing):
        _collect_failure(failures, free)


def _remove_wires(
    host: netlink.Socket, ledger: "Ledger | None", attachments: "Sequence[Attachment]"
) -> None:
    """Remove interfaces that only exist inside containers, which no name on the host leads to."""
    if ledger and host_ledger.is_wired(ledger, *attachments):
        from cni_bridge.wire import attachments as wire_attachments

        wire_attachments.remove(host, ledger, attachments)
        timings.done("wire removed")


def _serve(ledger: "Ledger", planned: "Plan") -> None:
    if planned.served is None:
        return
    from cni_bridge.naming import apply as nameserver  # few networks have one

    nameserver.publish(ledger, planned.attachment, planned.served)
    timings.done("names")


def _stop_serving(current: "Callable[[], list[Attachment]]") -> None:
    if not posix.access(NAMESERVERS, posix.F_OK):  # no network of this host has ever had one
        return
    from cni_bridge.naming import apply as nameserver

    nameserver.withdraw(current())
    timings.done("names removed")


def _bridge(planned: "Plan") -> "Bridge":
    assert planned.bridge, "a wire has no bridge, and its own parts"
    return planned.bridge


def _protect(
    ledger: "Ledger",
    planned: "Plan",
    make_way: "Callable[[Attachment], None]",
    *,
    has_addresses: bool = True,
    is_first: bool,
) -> None:
    """Apply the firewall, if the config needs it; before there are addresses, without ports."""
    desired = planned.firewall
    if desired is None:
        return
    from cni_bridge.firewall import apply  # only if the config needs it

    if not has_addresses:
        desired = apply.without_ports(desired)
    register = host_ledger.open_register(ledger)
    if is_first and register.has(planned.attachment):  # an earlier container's, its ledger was lost
        apply.remove(register, lambda: (planned.attachment,)).close()
    apply_rules(register, planned.attachment, desired, make_way)
    timings.done("firewall")


def apply_rules(
    register: "Register",
    attachment: "Attachment",
    desired: "Firewall",
    make_way: "Callable[[Attachment], None]",
    *,
    is_running: bool = False,
) -> None:
    """Apply the firewall, once more each time a stale holder of a port was removed."""
    from cni_bridge.firewall import apply  # only if the config needs it

    while True:
        try:
            apply.apply(register, attachment, desired, is_running=is_running)
            return
        except errors.PortPublished as refusal:
            make_way(refusal.holder)
            if register.has(refusal.holder):
                raise


def _unprotect(
    host: netlink.Socket,
    ledger: "Ledger | None",
    attachments: "Sequence[Attachment]",
    found: "list[Link]",
    current: "Callable[[], list[Attachment]]",
    reported: "Callable[[], tuple[bytes, ...]]",
) -> "netlink.Socket | None":
    """Remove the attachments' firewall elements; return a socket that must be closed last.

    An attachment that can't be taken off its bridge keeps them.
    """
    try:
        register = host_ledger.find_register(ledger, attachments)
        if register or ledger is None:
            veth_removal.detach(host, found)
        if register:
            from cni_bridge.firewall import apply

            held = [ledger.find(item) for item in attachments] if ledger else []
            leased = [lease.address.ip for each in held if each for lease in each.leases]
            return apply.remove(register, current, leased or reported())
    except errors.LedgerUnusable:
        veth_removal.detach(host, found)
        _withdraw(attachments, reported())
        raise
    if ledger is None:
        _withdraw(attachments, reported())
    return None


def _other_ledgers(
    host: netlink.Socket,
    ledger: "Ledger | None",
    attachments: "Sequence[Attachment]",
    claims: "Claims",
) -> "Sequence[Records]":
    """Return the records that other ledgers have of attachments that no ADD recorded in this one."""
    missing = [each for each in attachments if each not in claims or not claims[each][1]]
    if not missing:
        return ()
    from cni_bridge.recovery import other_ledgers  # only if `dataDir` was changed, or a ledger lost

    return other_ledgers.records_of(host, ledger, missing)


def _withdraw(attachments: "Sequence[Attachment]", addresses: tuple[bytes, ...]) -> None:
    from cni_bridge.recovery import without_ledger  # only without a usable ledger

    without_ledger.withdraw(attachments, addresses)


def _collect_failure(failures: list[Exception], step: "Callable[[], T]") -> "T | None":
    """Run one step; append an exception to `failures` instead of raising it."""
    try:
        return step()
    except Exception as failure:  # noqa: BLE001 - one failure must not stop the removal
        failures.append(failure)
        return None
