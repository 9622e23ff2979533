"""`cni-bridge join`: end what `isolate` began."""

from cni_bridge.cli import firewall_summary, isolate, running, terminal
from cni_bridge.cli.options import Commands, Options, add_command, add_json
from cni_bridge.firewall import isolation
from cni_bridge.ledger import host_ledger


def register(parsers: Commands) -> None:
    """Add the command and its options."""
    parser = add_command(
        parsers,
        "join",
        run,
        description="Ends what `isolate` began. What the network's config forbids stays forbidden, such as "
        "`icc: false`\nor `isolation`, and is printed.",
        examples="  cni-bridge join web\n  cni-bridge join web --network shop",
    )
    running.add_names(parser)
    add_json(parser)


def run(options: Options) -> int:
    """End the isolation, and print what the networks' configs still forbid."""
    every = isolate.on_bridges(options)
    ledger = host_ledger.open_register(every[0].ledger)
    isolation.join(ledger, [each.holding.attachment for each in every])
    isolate.report(every, options, is_isolated=False)
    if options.json:
        return 0
    records = firewall_summary.FirewallRecords()
    for each in every:
        network = each.holding.attachment.network
        if limits := records.of(each.holding.attachment).restrictions:
            terminal.tell(f"the config of {network} still says: {limits}")
    return 0
