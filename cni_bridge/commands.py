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
from cni_bridge.ipam import store
from cni_bridge.kernel import machine, netlink, netns, signals
from cni_bridge.parts import bridge, veth

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
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
        interfaces = _attach(host, container, wanted)
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
        detach(netlink.Socket(), ledger, attachment, addresses),
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
    if holding is None:
        problems = [f"ledger: expected a record of {attachment.container}, found none"]
    else:
        addresses.forward("CHECK")
        grant = addresses.granted(holding, settings, previous)
        problems = ipam.unreported(grant.leases, previous, attachment.ifname)
        problems += problems_of(plan.build(attachment, settings, grant), container)
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
    host = netlink.Socket()
    ledger = store.find_ledger(config.state_dir(document))
    failures: list[Exception] = []
    for attachment in stale(ledger, document):
        failures += detach(host, ledger, attachment)
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
    attachment: "Attachment",
    addresses: "Source | None" = None,
) -> list[Exception]:
    """Remove everything named after the attachment; return what could not be removed.

    The ledger forgets last, and only if the rest is gone: an address is never free while in use.
    """
    failures: list[Exception] = []
    try:
        veth.remove(host, names.host_name(attachment))
        if addresses:
            addresses.forward("DEL")
        if ledger:
            ledger.release(attachment)
    except Exception as failure:  # noqa: BLE001 - reported together, whatever they are
        failures.append(failure)
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
    for left in detach(host, ledger, holding.attachment, addresses):
        error.add_note(f"while rolling back: {left}")


def stale(ledger: "Ledger | None", document: "shapes.Json") -> "list[Attachment]":
    """The attachments of a GC's network that its list of valid ones does not have.

    Without a list nothing is known to be stale. Other networks on the same bridge have their own.
    """
    valid = config.valid_attachments(document)
    if ledger is None or valid is None:
        return []
    recorded = [holding.attachment for holding in ledger.holdings(config.network(document))]
    return [item for item in recorded if (item.container, item.ifname) not in valid]


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


def problems_of(wanted: "Plan", container: "OpenNetns") -> "Iterator[str]":
    """Every difference between a plan and the kernel: what, expected, found."""
    host = netlink.Socket()
    yield from bridge.problems(host, wanted.bridge)
    yield from veth.problems(host, container, wanted.veth)


def _attach(
    host: netlink.Socket, container: "OpenNetns", wanted: "Plan"
) -> "tuple[Interface, ...]":
    shared = bridge.ensure(host, wanted.bridge)
    return (bridge.describe(shared), *veth.create(host, container, shared.index, wanted.veth))


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
