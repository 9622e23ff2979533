"""`cni-bridge check`: check an attachment, as a runtime does."""

from cni_bridge.cli import running, terminal
from cni_bridge.cli.add import add_names, of_options
from cni_bridge.cli.options import Commands, Options, add_command


def register(parsers: Commands) -> None:
    """Add the command and its options."""
    parser = add_command(
        parsers,
        "check",
        run,
        description="Sends CHECK to all plugins of a network's config list, with the result that "
        "`add` kept.\nExit status 1 if something differs.",
        examples="  cni-bridge check web red",
    )
    add_names(parser)


def run(options: Options) -> int:
    """Check."""
    options.ifname = running.interface(options)
    made = of_options(options, {})
    made.check()
    terminal.tell(f"{made.who} on {made.name} is as it was added")
    return 0
