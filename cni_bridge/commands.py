"""What each command does, in which order; the rest is in the modules called.

Nothing here builds messages, reads JSON or knows an errno.
"""

import posix
import time

from cni_bridge import assembly, inline, names, plan, sources, steps
from cni_bridge.edge import codec, config, ipam, result, shapes
from cni_bridge.errors import (
    CniError,
    FirewallRefused,
    InvalidConfig,
    IOFailure,
    NotAsPlanned,
    NotAvailable,
    RangeExhausted,
    RemovalIncomplete,
    TryAgainLater,
    UnsupportedField,
)
from cni_bridge.ipam import guards, store
from cni_bridge.kernel import machine, netlink, netns, signals
from cni_bridge.parts import veth

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeAlias

    from cni_bridge.edge.request import Request
    from cni_bridge.ipam.store import Ledger
    from cni_bridge.model import Attachment, Holding, Netns, NetworkConfig
    from cni_bridge.sources import Source

    Commands: TypeAlias = dict[str, Callable[[Request], str | None]]


def add(request: "Request") -> str:
    """Make the attachment, or leave nothing of it behind; return the result as JSON."""
    document = config.prepare(request.document, request.command)
    addresses = sources.find(request, config.ipam_type(document))
    settings = config.parse(document, request.args, is_delegated=addresses.is_delegated)
    attachment = config.attachment(document, request)
    container = netns.open_netns(request.netns_path, may_be_own=request.may_be_own_netns)
    steps.done("config")
    host = netlink.Socket()
    inline.require(host, settings)
    ledger = store.open_ledger(settings.state_dir)
    # Where this fails, nothing here is ours to undo.
    holding = claim(ledger, attachment, settings, container.identity)
    steps.done("claim")
    try:
        signals.interrupt()
        wanted, interfaces = assembly.attach(
            host, container, ledger, (holding, settings, addresses)
        )
        ledger.confirm(holding)
        steps.done("confirm")
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
    host = netlink.Socket()
    ledger = store.find_ledger(config.state_dir(document))
    steps.done("ledger")
    if document.get("mode") == "wire" and not (ledger and ledger.is_wired(attachment)):
        from cni_bridge import wiring  # few networks are one

        wiring.remove_unrecorded(host, request.netns_path, attachment)

    def release() -> None:
        reserved = sources.predecessor(config.reservations_dir(document))
        if reserved and reserved.of(attachment):
            from cni_bridge import adoption  # only for what the reference has attached

            adoption.remove(host, request)
        addresses = sources.find(request, config.ipam_type(document))
        addresses.forward("DEL")
        if reserved and not addresses.is_delegated:
            reserved.release(attachment)

    _complain(
        assembly.detach(host, ledger, (attachment,), release),
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
    addresses.forward("CHECK")
    if ledger and holding:
        grant = addresses.granted(holding, settings, previous)
        problems = ipam.unreported(grant.leases, previous, attachment.ifname)
        wanted = plan.build(attachment, settings, grant)
        mac = ipam.reported_mac(previous, attachment.ifname)
        problems += assembly.problems(wanted, container, ledger, mac)
    elif (reserved := sources.predecessor(settings.reservations_dir)) and reserved.of(attachment):
        from cni_bridge import adoption  # only for what the reference has attached

        problems = adoption.problems(attachment, previous, reserved)
        outer = veth.host_end(netlink.Socket(), container, attachment.ifname)
        wanted = adoption.expected(attachment, settings, previous, outer)
        mac = ipam.reported_mac(previous, attachment.ifname)
        problems += assembly.problems(wanted, container, ledger, mac)
    else:
        problems = [f"ledger: expected a record of {attachment.container}, found none"]
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
    failures = assembly.detach(netlink.Socket(), ledger, stale(ledger, document))
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
    rehearse(settings)
    addresses.forward("STATUS")


def rehearse(settings: "NetworkConfig") -> None:
    """Raise NotAvailable if a claim would fail now."""
    try:
        inline.require(netlink.Socket(), settings)
        ledger = store.open_ledger(settings.state_dir)
        ledger.respect(sources.predecessor(settings.reservations_dir))
        ledger.rehearse(settings.name, settings.ipam.range_sets)
        if settings.firewall:
            from cni_bridge import protection

            protection.rehearse()
    except (FirewallRefused, IOFailure, TryAgainLater, RangeExhausted, UnsupportedField) as error:
        raise NotAvailable(error.msg, error.details) from error


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
    for left in assembly.detach(host, ledger, (holding.attachment,), addresses.undo):
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
    if settings.ipam.range_sets:
        ledger.respect(sources.predecessor(settings.reservations_dir))
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
