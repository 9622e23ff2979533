"""`cni-bridge del`: detach a namespace or container from a network, as a runtime does."""

from cni_bridge.cli import running, terminal
from cni_bridge.cli.add import add_names, of_options
from cni_bridge.cli.options import Commands, Options, add_command


def register(parsers: Commands) -> None:
    """Add the command and its options."""
    parser = add_command(
        parsers,
        "del",
        run,
        description="Runs all plugins of a network's config list in reverse, with the result that "
        "`add` kept.",
        examples="  cni-bridge del web red",
    )
    add_names(parser)


def run(options: Options) -> int:
    """Detach."""
    options.ifname = running.interface(options)
    made = of_options(options, {})
    made.delete()
    terminal.tell(f"{made.who} is detached from {made.name}")
    return 0
