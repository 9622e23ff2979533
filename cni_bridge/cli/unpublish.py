"""`cni-bridge unpublish`: unpublish ports of a running container."""

from typing import Any

from cni_bridge.cli import ports, publish, running
from cni_bridge.cli.options import Commands, Options, add_command, add_json
from cni_bridge.cli.running import Running
from cni_bridge.edge import firewall as firewall_config
from cni_bridge.errors import InvalidConfig
from cni_bridge.firewall import live, nft_elements
from cni_bridge.firewall.model import PublishedPort, protocol_name
from cni_bridge.firewall.register import Register
from cni_bridge.kernel import netlink
from cni_bridge.ledger import changes, host_ledger


def register(parsers: Commands) -> None:
    """Add the command and its options."""
    parser = add_command(
        parsers,
        "unpublish",
        run,
        description="Unpublishes ports, and ends the connections through them. The ports are free for other\n"
        "containers at once.",
        examples="  cni-bridge unpublish web 8080\n"
        "  cni-bridge unpublish web 53/udp --host-ip 192.0.2.1\n"
        "  cni-bridge unpublish web 20000-20099",
    )
    running.add_names(parser)
    parser.add_argument(
        "ports",
        metavar="PORT[/PROTO]",
        nargs="+",
        type=ports.host_port,
        help="a host port, or a range of them; tcp unless it says udp or sctp",
    )
    ports.add_host_ip(parser)
    add_json(parser)


def run(options: Options) -> int:
    """Take the ports back, and print what is left."""
    every = running.attachments(options.container, options.network, options.conf_dir)
    place: dict[str, Any] = {"hostIP": options.host_ip}
    wanted = firewall_config.parse_ports([each | place for each in options.ports])
    ledger = host_ledger.open_register(every[0].ledger)
    _refuse_others(ledger, every, wanted)
    for each in every:
        changes.note(each.ledger.database, each.holding.attachment, changes.PORTS)
    live.unpublish(ledger, [each.holding.attachment for each in every], wanted)
    host = netlink.Socket()
    for each in every:
        if each.holding.bridge and running.is_there(host, each.holding.attachment):
            publish.adjust(ledger, each, options.conf_dir)
    publish.report(ledger, every, options)
    return 0


def _refuse_others(
    ledger: Register, every: tuple[Running, ...], wanted: tuple[PublishedPort, ...]
) -> None:
    """Raise InvalidConfig if the container publishes none of the ports."""
    own = [each.holding.attachment for each in every]
    held = [item for each in own for item in live.published(ledger, each)]
    if live.meant(held, wanted):
        return
    asked = dict.fromkeys(f"{port.host_port}/{protocol_name(port.protocol)}" for port in wanted)
    there = ", ".join(dict.fromkeys(map(nft_elements.describe, held)))
    raise InvalidConfig(
        f"{every[0].title} does not publish {', '.join(asked)}",
        f"it publishes {there}" if there else "it publishes no ports",
    )
