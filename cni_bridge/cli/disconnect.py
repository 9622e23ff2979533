"""`cni-bridge disconnect`: detach a running container from a network."""

from cni_bridge.cli import add, conflists, running, terminal
from cni_bridge.cli.options import (
    Commands,
    Options,
    add_command,
    add_conf_dir,
    add_container,
    add_json,
    add_network,
)
from cni_bridge.errors import InvalidConfig


def register(parsers: Commands) -> None:
    """Add the command and its options."""
    parser = add_command(
        parsers,
        "disconnect",
        run,
        description="Detaches a running container from a network, as `del` does, whichever runtime "
        "attached it.",
        examples="  cni-bridge disconnect db web",
    )
    add_network(parser)
    add_container(parser)
    parser.add_argument(
        "--ifname", metavar="NAME", default="", help="needed if it has several on that network"
    )
    add_conf_dir(parser, conflists.directory())
    add_json(parser)


def run(options: Options) -> int:
    """Detach."""
    every = running.attachments(options.container, options.network, options.conf_dir)
    options.ifname = running.interface(options)
    names = sorted(each.holding.attachment.ifname for each in every)
    if options.ifname not in names:
        raise InvalidConfig(
            f"{every[0].text} has no interface {options.ifname}",
            f"its interfaces there: {', '.join(names)}",
        )
    made = add.of_options(options, {})
    made.delete()
    if options.json:
        terminal.print_json(
            {"network": made.name, "container": made.target.container, "ifname": made.ifname}
        )
        return 0
    terminal.tell(f"{made.who} is detached from {made.name}")
    return 0
