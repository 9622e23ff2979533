"""`cni-bridge exec`: run a command, or a shell, in the network of a container."""

import argparse
import os
import sys

from cni_bridge.cli import containers
from cni_bridge.cli.options import Commands, Options, add_command
from cni_bridge.errors import InvalidConfig, IOFailure
from cni_bridge.kernel import netns

SHELL = "/bin/sh"


def register(parsers: Commands) -> None:
    """Add the command and its options."""
    parser = add_command(
        parsers,
        "exec",
        run,
        description="Enters the network namespace only: files and users stay this host's, so "
        "every tool of\nthe host is at hand. Without a command it starts a shell.",
        examples="  cni-bridge exec red -- ip addr\n  cni-bridge exec 3f2a",
    )
    parser.add_argument(
        "container", metavar="CONTAINER", help="a namespace, a process id, or a container's id"
    )
    parser.add_argument(
        "command", metavar="-- CMD", nargs=argparse.REMAINDER, help="a shell if omitted"
    )


def run(options: Options) -> int:
    """Become the command."""
    words = options.command[1:] if options.command[:1] == ["--"] else options.command
    words = words or [os.environ.get("SHELL", SHELL)]
    target = containers.find(options.container)
    if not target.netns_path:
        raise InvalidConfig(f"the network namespace of {target.title} is gone")
    opened = netns.open_netns(target.netns_path, may_be_own=True)
    sys.stdout.flush()

    def become() -> int:
        os.execvp(words[0], words)  # noqa: S606 - without a shell, as asked

    try:
        return netns.inside(opened, become)
    except FileNotFoundError as error:
        raise IOFailure(f"no such command: {words[0]}") from error
