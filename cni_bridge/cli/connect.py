"""`cni-bridge connect`: attach a running container to one more network."""

from typing import Any

from cni_bridge.cli import (
    add,
    chain,
    conflists,
    containers,
    default_route,
    firewall_summary,
    running,
    terminal,
)
from cni_bridge.cli.containers import Target
from cni_bridge.cli.options import (
    Commands,
    Options,
    add_command,
    add_conf_dir,
    add_container,
    add_json,
    add_network,
)
from cni_bridge.cli.validate import command as validate
from cni_bridge.errors import InvalidConfig
from cni_bridge.kernel import links, netns
from cni_bridge.kernel.netlink import Socket

INTERFACES = 1000  # eth0 to eth999


def register(parsers: Commands) -> None:
    """Add the command and its options."""
    parser = add_command(
        parsers,
        "connect",
        run,
        description="Attaches a running container to one more network, as `add` does. Its default route\n"
        "stays; that of the new network is used when it is gone.",
        examples="  cni-bridge connect db web\n"
        "  cni-bridge connect db web --ip 10.1.0.9 --alias database",
    )
    add_network(parser)
    add_container(parser)
    parser.add_argument(
        "--ifname", metavar="NAME", default="", help="the first free of eth0, eth1..."
    )
    parser.add_argument("--ip", action="append", default=[], help="request this address")
    parser.add_argument(
        "--alias", metavar="NAME", action="append", default=[], help="one more name on that network"
    )
    parser.add_argument(
        "--default-route", action="store_true", help="use the new network's default route at once"
    )
    add_conf_dir(parser, conflists.directory())
    add_json(parser)


def run(options: Options) -> int:
    """Attach, and print the interface and its addresses."""
    target = containers.find(options.container, options.conf_dir)
    if not target.netns_path:
        raise InvalidConfig(f"the network namespace of {target.title} is gone")
    options.ifname = options.ifname or _free(target)
    wishes: dict[str, Any] = {"ips": options.ip, "aliases": options.alias}
    made = add.of_options(options, {key: value for key, value in wishes.items() if value})
    validate.refuse(f"{made.name}.conflist", made.text)
    add.refuse_unoffered(made)
    held = list(chain.addresses(made.add()))
    default_route.arrange(target.netns_path, made.ifname, first=options.default_route)
    _tell_isolation(options)
    if options.json:
        terminal.print_json(
            {
                "network": made.name,
                "container": made.target.container,
                "ifname": made.ifname,
                "addresses": held,
            }
        )
        return 0
    where = f"{made.who} on {made.name}"
    terminal.tell(f"{where}: {', '.join(held) or 'no address'}")
    return 0


def _tell_isolation(options: Options) -> None:
    """Say on stderr if the container is isolated, as the new interface is not."""
    records = firewall_summary.FirewallRecords()
    every = running.attachments(options.container, "", options.conf_dir)
    isolated = [each for each in every if records.of(each.holding.attachment).is_isolated]
    if isolated:
        title = isolated[0].title
        text = f"{isolated[0].text} is isolated, on {options.network} it is not: "
        terminal.tell(f"{text}`cni-bridge isolate {title}` isolates it there too", stderr=True)


def _free(target: Target) -> str:
    """Return the first interface name of a kind that the container does not have."""
    container = netns.open_netns(target.netns_path, may_be_own=True)
    inside = netns.inside(container, Socket)
    try:
        names = (f"eth{number}" for number in range(INTERFACES))
        return next(name for name in names if not inside.find(links.get(name)))
    finally:
        inside.close()
        netns.close(container)
