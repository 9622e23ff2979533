"""`cni-bridge exec`: run a command, or a shell, in the network of a container."""

import argparse
import os
import sys
import tempfile
from contextlib import suppress

from cni_bridge import address
from cni_bridge.cli import containers
from cni_bridge.cli.options import Commands, Options, add_command, add_container
from cni_bridge.errors import InvalidConfig, IOFailure
from cni_bridge.kernel import netns
from cni_bridge.naming import hosts, question, server

SHELL = "/bin/sh"
RESOLVER = "/etc/resolv.conf"


def register(parsers: Commands) -> None:
    """Add the command and its options."""
    parser = add_command(
        parsers,
        "exec",
        run,
        description="Enters the network namespace only: files and users stay this host's, so "
        "every tool of\nthe host is at hand. The network's nameserver resolves names, if it has "
        "one. Without a\ncommand it starts a shell.",
        examples="  cni-bridge exec red -- ip addr\n  cni-bridge exec 3f2a",
    )
    add_container(parser)
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
    settings = _resolver(target.networks)
    sys.stdout.flush()

    def become() -> int:
        if settings:
            _resolve_by(settings)
        os.execvp(words[0], words)  # noqa: S606 - without a shell, as asked

    try:
        return netns.inside(opened, become)
    except FileNotFoundError as error:
        raise IOFailure(f"no such command: {words[0]}") from error


def _resolver(networks: tuple[str, ...]) -> str:
    """Return a resolv.conf for the networks' nameservers; empty if they have none."""
    serving = [each for each in networks if server.running(each)]
    servers = [address.text(ip) for each in serving for ip in question.addresses(each)]
    domains = [hosts.domain_of(server.read(server.hosts(each)) or "") for each in serving]
    if not servers:
        return ""
    lines = [f"nameserver {each}" for each in servers]
    return "\n".join((*lines, f"search {' '.join(dict.fromkeys(domains))}", ""))


def _resolve_by(settings: str) -> None:
    """Show this process the settings as /etc/resolv.conf. Without that file, the host's rules stay."""
    from cni_bridge.cli import own_mounts  # loads ctypes

    with tempfile.NamedTemporaryFile("w") as file, suppress(OSError):
        file.write(settings)
        file.flush()
        os.chmod(file.name, 0o644)
        own_mounts.separate()
        own_mounts.bind(file.name, RESOLVER)
