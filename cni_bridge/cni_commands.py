"""Carry out the CNI commands: the order of their steps.

Nothing here builds messages, reads JSON or knows an errno.
"""

import posix
import time

from cni_bridge import attachments, errors, names, optional_parts, plan, rollback, timings
from cni_bridge.edge import codec, config, ipam_config, result, result_versions
from cni_bridge.ipam import sources
from cni_bridge.kernel import machine, netlink, netns, signals
from cni_bridge.ledger import host_ledger, messages, store
from cni_bridge.model import Holding
from cni_bridge.parts import bridge, veth
from cni_bridge.stderr import remark

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import TypeAlias

    from cni_bridge.edge.request import Request
    from cni_bridge.ledger import sticky
    from cni_bridge.ledger.store import Ledger
    from cni_bridge.model import Attachment, Netns, NetworkConfig

    Commands: TypeAlias = dict[str, Callable[[Request], str | None]]


def add(request: "Request") -> str:
    """Create the attachment, or leave nothing behind; return the result as JSON."""
    document = config.prepare(request.document, request.command)
    previous = config.previous_result(document)
    addresses = sources.find_for_add(request, document)
    settings = config.parse(document, request.args, is_delegated=addresses.is_delegated)
    attachment = config.attachment(document, request)
    container = netns.open_netns(request.netns_path, may_be_own=request.may_be_own_netns)
    timings.done("config")
    host = netlink.Socket()
    optional_parts.require(host, settings)
    ledger = store.open_ledger(settings.state_dir)
    if _is_moved(ledger, settings.name) or not ledger.database.is_whole:
        _recall(ledger, settings.name)
    _refuse_taken(host, ledger, attachment, settings)
    signals.hold()
    # If the claim fails, there is nothing to undo.
    holding = claim(ledger, attachment, settings, container.identity, has_interface=True)
    timings.done("claim")

    def make() -> str:
        claimed = _as_claimed(ledger, holding, settings)
        planned, interfaces = attachments.attach(
            host,
            container,
            ledger,
            holding=holding,
            settings=sources.fitted(ledger, claimed),
            addresses=addresses,
            make_way=lambda holder: _make_way(host, ledger, holder),
        )
        host_ledger.remember_ports(ledger, holding, claimed)
        ledger.confirm(holding)
        timings.done("confirm")
        made = result.build(planned, interfaces, previous)
        return codec.encode(result_versions.downgrade(made, claimed.cni_version))

    return signals.undoing(
        make, lambda error: rollback.undo_add(host, container, ledger, holding, addresses, error)
    )


def _make_way(host: netlink.Socket, ledger: "Ledger", holder: "Attachment") -> None:
    from cni_bridge.recovery import stale  # only if another container holds a host port

    stale.make_way(host, ledger, holder)


def delete(request: "Request") -> None:
    """Remove the attachment; a second DEL finds nothing and succeeds.

    Needs no valid config, no netns and no ledger.
    """
    signals.ignore()
    document = request.document
    config.check_identity(document, request.command)
    attachment = config.attachment(document, request)
    host = netlink.Socket()
    ledger, failures = _usable_ledger(document)
    timings.done("ledger")
    if document.get("mode") == "wire" and not host_ledger.is_wired(ledger, attachment):
        from cni_bridge.wire import attachments as wire_attachments  # few networks are one

        wire_attachments.remove_unrecorded(host, request.netns_path, attachment)

    def reported() -> tuple[bytes, ...]:
        return ipam_config.reported_addresses(document)

    def release() -> None:
        _release(host, request, attachment)

    failures += attachments.detach(
        host, ledger, (attachment,), release, reported, is_sticky=config.is_sticky(document)
    )
    who = f"{attachment.container} {attachment.ifname}"
    # A stale record is reclaimed when its address is needed: no reason to fail, as the runtime
    # would retry forever.
    for text in _texts(
        failure for failure in failures if isinstance(failure, errors.LedgerUnusable)
    ):
        remark(f"DEL {who}: its record is left: {text}")
    _complain(
        [failure for failure in failures if not isinstance(failure, errors.LedgerUnusable)],
        f"could not remove everything of {who}",
    )


def _release(host: netlink.Socket, request: "Request", attachment: "Attachment") -> None:
    """Free what other plugins keep for the attachment: the reference, and the IPAM plugin."""
    document = request.document
    reserved = sources.predecessor(config.reservations_dir(document))
    if held := reserved.of(attachment) if reserved else []:
        from cni_bridge.recovery import reference_bridge  # only for what the reference attached

        reference_bridge.remove(host, request, held)
    addresses = sources.find(request, config.ipam_type(document))
    addresses.forward("DEL")
    if reserved and not addresses.is_delegated:
        reserved.release(attachment)


def check(request: "Request") -> None:
    """Compare the host with what ADD made; raise NotAsPlanned with every difference."""
    document = config.prepare(request.document, request.command)
    previous = config.previous_result(document)
    if previous is None:
        raise errors.InvalidConfig(
            "Required prevResult missing", "CHECK compares with ADD's result"
        )
    attachment = config.attachment(document, request)
    ledger = store.find_ledger(config.state_dir(document))
    holding = ledger.find(attachment) if ledger else None
    addresses = sources.find_for_check(request, document, holding)
    settings = config.parse(document, request.args, is_delegated=addresses.is_delegated)
    container = netns.open_netns(request.netns_path, may_be_own=request.may_be_own_netns)
    addresses.forward("CHECK")
    if ledger and holding:
        settings = _as_added(settings, ledger, holding)
        grant = addresses.granted(holding, settings, previous)
        problems = ipam_config.unreported(grant.leases, previous, attachment.ifname)
        planned = plan.build(attachment, settings, grant)
    elif (reserved := sources.predecessor(settings.reservations_dir)) and reserved.of(attachment):
        # Only for what the reference plugin attached.
        from cni_bridge.recovery import reference_bridge

        problems = reference_bridge.problems(attachment, previous, reserved)
        outer = veth.host_end(netlink.Socket(), container, attachment.ifname)
        planned = reference_bridge.expected(attachment, settings, previous, outer)
    else:
        raise _not_as_planned(
            attachment, [f"ledger: expected a record of {attachment.container}, found none"]
        )
    mac = ipam_config.reported_mac(previous, attachment.ifname)
    problems += result.problems(planned, previous, container.identity, netns.leads_to)
    problems += attachments.problems(planned, container, ledger, mac)
    if problems:
        raise _not_as_planned(attachment, problems)


def _as_added(settings: "NetworkConfig", ledger: "Ledger", holding: Holding) -> "NetworkConfig":
    """Return the config with the ports and the MAC that ADD chose."""
    settings = host_ledger.as_changed(settings, ledger, holding.attachment)
    return plan.with_mac(settings, holding)


def collect(request: "Request") -> None:
    """GC: remove every attachment of the network that is not listed as valid."""
    signals.ignore()
    document = request.document
    config.check_identity(document, request.command)
    from cni_bridge.recovery import stale  # only for GC, and when a claim fails

    network, valid = config.network(document), config.valid_attachments(document)
    ledger, failures = _usable_ledger(document)
    host = netlink.Socket()
    if valid is not None:
        failures += stale.collect(host, ledger, network, valid)
    elif ledger:
        failures += stale.reclaim(host, ledger, network)[1]
    if ledger and not config.is_sticky(document):
        from cni_bridge.ledger import sticky  # it may have been

        sticky.forget_all(ledger.database, network)
    try:
        sources.find(request, config.ipam_type(document)).forward("GC")
    except Exception as failure:  # noqa: BLE001 - all failures are reported together
        failures.append(failure)
    _complain(failures, f"could not remove every stale attachment of {network}")


def status(request: "Request") -> None:
    """Raise NotAvailable if an ADD would fail now."""
    document = config.prepare(request.document, request.command)
    from cni_bridge import status as status_check  # STATUS only

    addresses = status_check.reporting(lambda: sources.find_for_add(request, document))
    settings = config.parse(document, request.args, is_delegated=addresses.is_delegated)
    if addresses.is_delegated:
        settings = config.with_host_local(document, settings)
    status_check.rehearse(settings, addresses)


def _not_as_planned(attachment: "Attachment", problems: list[str]) -> errors.NotAsPlanned:
    return errors.NotAsPlanned(
        f"{attachment.ifname} of {attachment.container} is not as ADD left it", "\n".join(problems)
    )


def claim(
    ledger: "Ledger",
    attachment: "Attachment",
    settings: "NetworkConfig",
    container: "Netns",
    *,
    has_interface: bool,
) -> Holding:
    """Record the attachment with its MAC and lease its addresses, in one transaction.

    If that fails because others hold what it needs, stale attachments are removed and the claim is
    repeated once.
    """
    is_port = has_interface and not settings.is_wire
    holding = Holding(
        attachment=attachment,
        host_name=names.host_name(attachment),
        netns=container,
        boot_id=machine.boot_id(),
        created=time.time_ns() // 1_000_000,
        pid=posix.getpid(),
        bridge=settings.bridge if is_port else None,
        mac=plan.mac(attachment, settings) if is_port else None,
    )
    try:
        return _claim(ledger, holding, settings)
    except (errors.AddressInUse, errors.AttachmentExists, errors.RangeExhausted) as failure:
        from cni_bridge.recovery import stale  # only for GC, and when a claim fails

        host = netlink.Socket()
        if isinstance(failure, errors.AttachmentExists):
            stale.reclaim_own(host, ledger, attachment)
        # The holder of a MAC may be of another network.
        network = None if isinstance(failure, errors.AddressInUse) else settings.name
        for gone in stale.reclaim(host, ledger, network)[0]:
            remark(f"reclaimed {stale.text(gone)}")
        return _claim(ledger, holding, settings)


def _claim(ledger: "Ledger", holding: Holding, settings: "NetworkConfig") -> Holding:
    if settings.ipam.range_sets:
        ledger.respect(lambda: sources.predecessor(settings.reservations_dir))
    if settings.ipam.sticky and settings.names:
        from cni_bridge.recovery import stale  # few networks remember addresses

        stale.make_way_for_name(ledger, holding.attachment, settings.names)
    return ledger.claim(
        holding,
        range_sets=sources.range_sets(settings),
        requested=settings.ipam.requested,
        names=settings.names,
        memory=_memory(ledger, settings),
        any_mac=settings.mac is None,
        recall=lambda: _recall(ledger, settings.name),
    )


def _as_claimed(ledger: "Ledger", holding: Holding, settings: "NetworkConfig") -> "NetworkConfig":
    """Return the config with the claim's MAC, and the random host ports that the container's name had last."""
    settings = plan.with_mac(settings, holding)
    if not settings.ipam.sticky:
        return settings
    from cni_bridge.ledger import sticky  # few networks remember addresses

    return sticky.with_last_ports(ledger.database, holding, settings)


def _memory(ledger: "Ledger", settings: "NetworkConfig") -> "sticky.Memory | None":
    if not settings.ipam.sticky:
        return None
    from cni_bridge.ledger import sticky

    return sticky.Memory(ledger.database, settings.names, settings.ipam.sticky)


def _is_moved(ledger: "Ledger", network: str) -> bool:
    """Return whether the network's last ADD used another ledger than this one, a `dataDir`'s."""
    if host_ledger.is_hosts(ledger):
        return False  # then it knows no address of the network, and the claim will recall them
    from cni_bridge.recovery import other_ledgers  # only for networks with a `dataDir`

    return other_ledgers.move_network(ledger, network)


def _recall(ledger: "Ledger", network: str) -> None:
    """Record the network's attachments that the kernel shows and the ledger does not know."""
    from cni_bridge.recovery import lost_ledger  # once for each network and ledger

    lost_ledger.rebuild_new(netlink.Socket(), ledger, network)


def _refuse_taken(
    host: netlink.Socket, ledger: "Ledger", attachment: "Attachment", settings: "NetworkConfig"
) -> None:
    """Raise AttachmentExists if the host end exists, NameTaken if a foreign interface has its name.

    Raise AddressInUse if the host has the MAC.

    Whatever ledger records the attachment: what is named after it must be this ADD's own, or its
    rollback would remove it.
    """
    name = names.host_name(attachment)
    link = veth.find(host, name)
    if link and not veth.is_own(link, name):
        raise messages.foreign(name, link.name)
    if link and names.is_alias_of(link.alias, attachment):
        holding = ledger.find(attachment)
        raise messages.exists(holding) if holding else messages.attached(attachment, link.name)
    if settings.mac and not settings.is_wire:
        bridge.refuse_mac(host, settings.bridge, settings.mac)


def _usable_ledger(document: "result_versions.Json") -> "tuple[Ledger | None, list[Exception]]":
    """Return the ledger, if there is one, and why it can't be used."""
    try:
        return store.find_ledger(config.state_dir(document)), []
    except (errors.LedgerUnusable, errors.TryAgainLater) as failure:
        return None, [failure]


def _complain(failures: list[Exception], what: str) -> None:
    """Raise the failures as one error; a single one that has its own code is raised unchanged."""
    if not failures:
        return
    texts = _texts(failures)
    if len(texts) == 1 and isinstance(failures[0], (errors.LedgerUnusable, errors.TryAgainLater)):
        raise failures[0]
    raise errors.RemovalIncomplete(what, "\n".join(texts))


def _texts(failures: "Iterable[Exception]") -> list[str]:
    return list(dict.fromkeys(map(str, failures)))


# Each returns the text to print, or None.
COMMANDS: "Commands" = {
    "ADD": add,
    "DEL": delete,
    "CHECK": check,
    "GC": collect,
    "STATUS": status,
}
