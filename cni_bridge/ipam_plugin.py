"""Serve the commands as the IPAM plugin of another plugin (macvlan, ptp, ...).

Same ledger and config keys; the delegating plugin makes and removes the interface.
"""

from cni_bridge import cni_commands
from cni_bridge.edge import codec, config, ipam_config, result, result_versions
from cni_bridge.errors import LedgerUnusable, NotAsPlanned
from cni_bridge.ipam import sources
from cni_bridge.kernel import signals
from cni_bridge.ledger import store
from cni_bridge.model import Netns
from cni_bridge.stderr import remark

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from cni_bridge.cni_commands import Commands
    from cni_bridge.edge.request import Request
    from cni_bridge.model import Attachment

KEYS = ("cniVersion", "name", "ipam", "args", "runtimeConfig", "prevResult")


def add(request: "Request") -> str:
    """Lease addresses; return the result as JSON."""
    document = _prepared(request)
    settings = config.parse(document, request.args, is_delegated=False)
    attachment = config.attachment(document, request)
    ledger = store.open_ledger(settings.state_dir)
    # Not opened: the namespace may not exist yet, and is the delegating plugin's business.
    container = Netns(path=request.netns_path, device=0, inode=0)
    signals.hold()
    holding = cni_commands.claim(ledger, attachment, settings, container, has_interface=False)

    def make() -> str:
        grant = sources.OurLedger().grant(holding, settings)
        ledger.confirm(holding)
        made = result.build_addresses(grant)
        return codec.encode(result_versions.downgrade(made, settings.cni_version))

    def undo(_error: BaseException) -> None:
        ledger.release(attachment, read={attachment: holding.created})

    return signals.undoing(make, undo)


def delete(request: "Request") -> None:
    """Free the addresses, host-local's reservations too; needs no valid config."""
    signals.ignore()
    document = request.document
    config.check_identity(document, request.command)
    attachment = config.attachment(document, request)
    reserved = sources.predecessor(config.reservations_dir(document))
    if reserved:
        reserved.release(attachment)
    try:
        ledger = store.find_ledger(config.state_dir(document))
        if ledger:
            ledger.release(attachment, is_sticky=config.is_sticky(document))
    except LedgerUnusable as failure:  # no reason to fail, see `commands.delete`
        remark(f"DEL {request.container} {request.ifname}: its record is left: {failure}")


def check(request: "Request") -> None:
    """Raise NotAsPlanned unless the ledger has the addresses that prevResult reports."""
    document = _prepared(request)
    attachment = config.attachment(document, request)
    previous = config.previous_result(document)
    ledger = store.find_ledger(config.state_dir(document))
    holding = ledger.find(attachment) if ledger else None
    problems = []
    if holding:
        problems = (
            ipam_config.unreported(holding.leases, previous, attachment.ifname) if previous else []
        )
    elif not _is_reserved(attachment, config.reservations_dir(document)):
        problems = [f"ledger: expected a record of {attachment.container}, found none"]
    if problems:
        raise NotAsPlanned(
            f"Failed to find address added by container {attachment.container}",
            "\n".join(problems),
        )


def collect(request: "Request") -> None:
    """GC: free the addresses of every attachment of the network that is not listed as valid."""
    signals.ignore()
    document = request.document
    config.check_identity(document, request.command)
    valid = config.valid_attachments(document)
    ledger = store.find_ledger(config.state_dir(document))
    if ledger and valid is not None:
        from cni_bridge.recovery import stale

        held = ledger.holdings(config.network(document))
        read: store.Stamps = {each.attachment: each.created for each in held}
        ledger.release(*stale.unlisted(held, valid), read=read)


def status(request: "Request") -> None:
    """Raise NotAvailable if an ADD would fail now."""
    from cni_bridge import status as status_check  # STATUS only

    status_check.rehearse_addresses(
        config.parse(_prepared(request), request.args, is_delegated=False)
    )


def _prepared(request: "Request") -> "dict[str, Any]":
    """Return the document without the delegating plugin's keys, which may have the same names."""
    ours = {key: value for key, value in request.document.items() if key in KEYS}
    return config.prepare(ours, request.command)


def _is_reserved(attachment: "Attachment", directory: str) -> bool:
    reserved = sources.predecessor(directory)
    return reserved is not None and bool(reserved.of(attachment))


COMMANDS: "Commands" = {
    "ADD": add,
    "DEL": delete,
    "CHECK": check,
    "GC": collect,
    "STATUS": status,
}
