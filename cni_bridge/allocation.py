"""The commands when another plugin (macvlan, ptp, ...) executes us for addresses only.

Same ledger, same config keys, no interface: who delegates to us makes and removes that.
"""

from cni_bridge import commands, sources
from cni_bridge.edge import codec, config, ipam, result, shapes
from cni_bridge.errors import NotAsPlanned
from cni_bridge.ipam import store
from cni_bridge.kernel import signals
from cni_bridge.model import Netns

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cni_bridge.commands import Commands
    from cni_bridge.edge.request import Request


def add(request: "Request") -> str:
    """Lease addresses; return them as JSON."""
    document = config.prepare(request.document, request.command)
    settings = config.parse(document, request.args, is_delegated=False)
    attachment = config.attachment(document, request)
    ledger = store.open_ledger(settings.state_dir)
    # The namespace may not be one yet, and is the delegating plugin's matter.
    container = Netns(path=request.netns_path, device=0, inode=0)
    holding = commands.claim(ledger, attachment, settings, container)
    try:
        signals.interrupt()
        grant = sources.OurLedger().grant(holding, settings)
        ledger.confirm(holding)
        made = result.build_addresses(grant)
        return codec.encode(shapes.downgrade(made, settings.cni_version))
    except BaseException:
        signals.ignore()
        ledger.release(attachment)
        raise


def delete(request: "Request") -> None:
    """Free the addresses; needs no valid config."""
    signals.ignore()
    document = request.document
    config.check_identity(document, request.command)
    ledger = store.find_ledger(config.state_dir(document))
    if ledger:
        ledger.release(config.attachment(document, request))


def check(request: "Request") -> None:
    """Raise NotAsPlanned unless the ledger has the addresses that the runtime was told of."""
    document = config.prepare(request.document, request.command)
    attachment = config.attachment(document, request)
    ledger = store.find_ledger(config.state_dir(document))
    holding = ledger.find(attachment) if ledger else None
    if holding is None:
        raise NotAsPlanned(f"Failed to find address added by container {attachment.container}")
    previous = config.previous_result(document)
    problems = ipam.unreported(holding.leases, previous, attachment.ifname) if previous else []
    if problems:
        raise NotAsPlanned(
            f"the addresses of {attachment.container} are not as ADD left them", "\n".join(problems)
        )


def collect(request: "Request") -> None:
    """GC: free the addresses of every attachment of the network that is not listed as valid."""
    signals.ignore()
    document = request.document
    config.check_identity(document, request.command)
    ledger = store.find_ledger(config.state_dir(document))
    if ledger:
        for attachment in commands.stale(ledger, document):
            ledger.release(attachment)


COMMANDS: "Commands" = {
    "ADD": add,
    "DEL": delete,
    "CHECK": check,
    "GC": collect,
    "STATUS": commands.status,
}
