"""What each command does, in which order; the rest is in the modules called.

Nothing here builds messages, reads JSON or knows an errno. Removal has one code path, `detach`,
with three callers: DEL, GC and the rollback of ADD.
"""

import posix
import time

from cni_bridge import names, plan, sources
from cni_bridge.edge import codec, config, ipam, result, shapes
from cni_bridge.errors import (
    CniError,
    InvalidConfig,
    IOFailure,
    NotAsPlanned,
    NotAvailable,
    RangeExhausted,
    RemovalIncomplete,
    TryAgainLater,
)
from cni_bridge.ipam import guards, store
from cni_bridge.kernel import machine, netlink, netns, signals
from cni_bridge.parts import bridge, veth

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import TypeAlias

    from cni_bridge.edge.request import Request
    from cni_bridge.ipam.store import Ledger
    from cni_bridge.kernel.netns import OpenNetns
    from cni_bridge.model import Attachment, Holding, Interface, Netns, NetworkConfig, Plan
    from cni_bridge.sources import Source

    Commands: TypeAlias = dict[str, Callable[[Request], str | None]]


def add(request: "Request") -> str:
    """Make the attachment, or leave nothing of it behind; return the result as JSON."""
    document = config.prepare(request.document, request.command)
    addresses = sources.find(request, config.ipam_type(document))
    settings = config.parse(document, request.args, is_delegated=addresses.is_delegated)
    attachment = config.attachment(document, request)
    container = netns.open_netns(request.netns_path, may_be_own=request.may_be_own_netns)
    host = netlink.Socket()
    ledger = store.open_ledger(settings.state_dir)
    # Where this fails, nothing here is ours to undo.
    holding = claim(ledger, attachment, settings, container.identity)
    try:
        signals.interrupt()
        wanted = plan.build(attachment, settings, addresses.grant(holding, settings))
        interfaces = _attach(host, container, ledger, wanted)
        ledger.confirm(holding)
        made = result.build(wanted, interfaces, config.previous_result(document))
        return codec.encode(shapes.downgrade(made, settings.cni_version))
    except BaseException as error:
        signals.ignore()
        _roll_back(host, ledger, holding, addresses, error)
        raise


def delete(request: "Request") -> None:
    """Remove everything of the attachment; needs no valid config, netns or ledger."""
    signals.ignore()
    document = request.document
    config.check_identity(document, request.command)
    attachment = config.attachment(document, request)
    addresses = sources.find(request, config.ipam_type(document))
    ledger = store.find_ledger(config.state_dir(document))
    _complain(
        detach(netlink.Socket(), ledger, (attachment,), addresses),
        f"could not remove everything of {attachment.container} {attachment.ifname}",
    )


def check(request: "Request") -> None:
    """Compare what is with what ADD made; raise NotAsPlanned with every difference."""
    document = config.prepare(request.document, request.command)
    previous = config.previous_result(document)
    if previous is None:
        raise InvalidConfig("Required prevResult missing", "CHECK compares with ADD's result")
    addresses = sources.find(request, config.ipam_type(document))
    settings = config.parse(document, request.args, is_delegated=addresses.is_delegated)
    attachment = config.attachment(document, request)
    container = netns.open_netns(request.netns_path, may_be_own=request.may_be_own_netns)
    ledger = store.find_ledger(settings.state_dir)
    holding = ledger.find(attachment) if ledger else None
    if ledger is None or holding is None:
        problems = [f"ledger: expected a record of {attachment.container}, found none"]
    else:
        addresses.forward("CHECK")
        grant = addresses.granted(holding, settings, previous)
        problems = ipam.unreported(grant.leases, previous, attachment.ifname)
        problems += _problems(plan.build(attachment, settings, grant), container, ledger)
    if problems:
        raise NotAsPlanned(
            f"{attachment.ifname} of {attachment.container} is not as ADD left it",
            "\n".join(problems),
        )


def collect(request: "Request") -> None:
    """GC: remove every attachment of the network that is not listed as valid."""
    signals.ignore()
    document = request.document
    config.check_identity(document, request.command)
    ledger = store.find_ledger(config.state_dir(document))
    failures = detach(netlink.Socket(), ledger, stale(ledger, document))
    try:
        sources.find(request, config.ipam_type(document)).forward("GC")
    except Exception as failure:  # noqa: BLE001 - reported together, whatever they are
        failures.append(failure)
    _complain(failures, f"could not remove every stale attachment of {config.network(document)}")


def status(request: "Request") -> None:
    """Raise NotAvailable if an ADD would fail now."""
    document = config.prepare(request.document, request.command)
    addresses = sources.find(request, config.ipam_type(document))
    settings = config.parse(document, request.args, is_delegated=addresses.is_delegated)
    try:
        store.open_ledger(settings.state_dir).rehearse(settings.name, settings.ipam.range_sets)
    except (IOFailure, TryAgainLater, RangeExhausted) as error:
        raise NotAvailable(error.msg, error.details) from error
    addresses.forward("STATUS")


def detach(
    host: netlink.Socket,
    ledger: "Ledger | None",
    attachments: "Sequence[Attachment]",
    addresses: "Source | None" = None,
) -> list[Exception]:
    """Remove everything named after the attachments; return what could not be removed.

    The ledger forgets last, and only if the rest is gone: an address is never free while in use.
    """
    failures: list[Exception] = []
    guard = None
    try:
        guard = _unprotect(ledger, attachments)
    except Exception as failure:  # noqa: BLE001 - reported together, whatever they are
        failures.append(failure)
    try:
        veth.remove(host, *map(names.host_name, attachments))
        if addresses:
            addresses.forward("DEL")
        if ledger and not failures:
            ledger.release(*attachments)
    except Exception as failure:  # noqa: BLE001 - reported together, whatever they are
        failures.append(failure)
    if guard:
        guard.close()  # now: what it deleted and the interfaces are waited for at once
    return failures


def _roll_back(
    host: netlink.Socket,
    ledger: "Ledger",
    holding: "Holding",
    addresses: "Source",
    error: BaseException,
) -> None:
    """Undo an ADD, unless a DEL has done so and what is there now is a later ADD's."""
    try:
        if ledger.is_superseded(holding):
            return
    except CniError as failure:
        error.add_note(f"while rolling back: {failure}")
    for left in detach(host, ledger, (holding.attachment,), addresses):
        error.add_note(f"while rolling back: {left}")


def stale(ledger: "Ledger | None", document: "shapes.Json") -> "list[Attachment]":
    """The attachments of a GC's network that its list of valid ones does not have.

    Without a list nothing is known to be stale. Other networks on the same bridge have their own.
    """
    valid = config.valid_attachments(document)
    if valid is None:
        return []
    network = config.network(document)
    held = ledger.holdings(network) if ledger else ()
    recorded = (*(holding.attachment for holding in held), *guards.guarded(ledger, network))
    return [item for item in dict.fromkeys(recorded) if (item.container, item.ifname) not in valid]


def claim(
    ledger: "Ledger", attachment: "Attachment", settings: "NetworkConfig", container: "Netns"
) -> "Holding":
    """Record the attachment and take its addresses, in one transaction."""
    return ledger.claim(
        attachment,
        host_name=names.host_name(attachment),
        netns=container,
        boot_id=machine.boot_id(),
        now_ms=time.time_ns() // 1_000_000,
        pid=posix.getpid(),
        range_sets=settings.ipam.range_sets,
        requested=settings.ipam.requested,
    )


def _attach(
    host: netlink.Socket, container: "OpenNetns", ledger: "Ledger", wanted: "Plan"
) -> "tuple[Interface, ...]":
    shared = bridge.ensure(host, wanted.bridge)
    if wanted.firewall:
        from cni_bridge import protection  # only where the config wants it

        register = guards.open_register(ledger)
        # Before there is an interface that could do what it must not.
        protection.apply(register, protection.record(register, wanted))
    return (bridge.describe(shared), *veth.create(host, container, shared.index, wanted.veth))


def _unprotect(
    ledger: "Ledger | None", attachments: "Sequence[Attachment]"
) -> "netlink.Socket | None":
    """Undo what the firewall does; the socket that is returned wants to be closed last."""
    register = guards.find_register(ledger, attachments)
    if register is None:
        return None
    from cni_bridge import protection

    return protection.remove(register, attachments)


def _problems(wanted: "Plan", container: "OpenNetns", ledger: "Ledger") -> "Iterator[str]":
    host = netlink.Socket()
    yield from bridge.problems(host, wanted.bridge)
    yield from veth.problems(host, container, wanted.veth)
    if wanted.firewall:
        from cni_bridge import protection

        yield from protection.problems(guards.open_register(ledger), wanted)


def _complain(failures: list[Exception], what: str) -> None:
    if failures:
        raise RemovalIncomplete(what, "\n".join(map(str, failures)))


# A text is what to print; None, that there is nothing to print.
COMMANDS: "Commands" = {
    "ADD": add,
    "DEL": delete,
    "CHECK": check,
    "GC": collect,
    "STATUS": status,
}
