"""`cni-bridge add`: attach a namespace or container to a network, as a runtime does."""

import os
from typing import Any

from cni_bridge.cli import chain, conflists, containers, ports, terminal
from cni_bridge.cli.chain import Chain
from cni_bridge.cli.containers import Target
from cni_bridge.cli.options import (
    IFNAME,
    Commands,
    Options,
    Parser,
    add_command,
    add_conf_dir,
    add_container,
    add_json,
    add_network,
)
from cni_bridge.cli.validate import command as validate
from cni_bridge.errors import InvalidConfig
from cni_bridge.naming import hosts

EXAMPLES = """\
  ip netns add red; cni-bridge add web red
  cni-bridge add web red --publish 8080:80 --publish 53:53/udp
  cni-bridge add db 3f2a --ifname eth1     # a second network"""


def register(parsers: Commands) -> None:
    """Add the command and its options."""
    parser = add_command(
        parsers,
        "add",
        run,
        description="Runs all plugins of a network's config list as a container runtime does, and "
        "keeps the\nresult where libcni has it: `del`, `check` and cnitool find it there. "
        "CNI_PATH and\nNETCONFPATH are respected.",
        examples=EXAMPLES,
    )
    add_names(parser, IFNAME)
    parser.add_argument(
        "-p",
        "--publish",
        metavar="[IP:]PORT:PORT[/PROTO]",
        action="extend",
        default=[],
        type=port_mappings,
        help="a host port and the container's port, or ranges of them: 8000-8009:8000-8009; tcp, udp or sctp",
    )
    parser.add_argument("--ip", action="append", default=[], help="request this address")
    parser.add_argument("--mac", default="", help="request this MAC address")
    add_json(parser)


def run(options: Options) -> int:
    """Attach, and print the addresses."""
    wishes: dict[str, Any] = {
        "portMappings": options.publish,
        "ips": options.ip,
        "mac": options.mac,
    }
    made = of_options(options, {key: value for key, value in wishes.items() if value})
    if not made.target.netns_path:
        raise InvalidConfig(f"the network namespace of {made.target.title} is gone")
    validate.refuse(f"{made.name}.conflist", made.text)
    refuse_unoffered(made)
    result = made.add()
    if options.json:
        terminal.print_json(result)
        return 0
    held = ", ".join(chain.addresses(result)) or "no address"
    terminal.tell(f"{made.who} on {made.name}: {held}")
    if not all(each["hostPort"] for each in options.publish):
        _tell_ports(options, made)
    return 0


def _tell_ports(options: Options, made: Chain) -> None:
    """Say which free ports were chosen."""
    from cni_bridge.cli import publish, running
    from cni_bridge.ledger import host_ledger

    every = running.attachments(options.container, made.name, options.conf_dir)
    own = tuple(each for each in every if each.holding.attachment.ifname == made.ifname)
    publish.report(host_ledger.open_register(own[0].ledger), own, options)


def add_names(parser: Parser, ifname: str = "") -> None:
    """Add what `add`, `del` and `check` have in common."""
    add_network(parser)
    add_container(parser, "NETNS|NAME")
    preset = f"{ifname} by default" if ifname else "needed if it has several on that network"
    parser.add_argument("--ifname", metavar="NAME", default=ifname, help=preset)
    add_conf_dir(parser, conflists.directory())


def of_options(options: Options, wishes: dict[str, Any]) -> Chain:
    """Return the chain that the options mean. Raises CniError."""
    document, text = conflists.find(options.network, options.conf_dir)
    target = containers.find(options.container, options.conf_dir)
    return Chain(
        conflist=document,
        text=text,
        target=target,
        ifname=options.ifname,
        wishes=wishes,
        arguments=os.environ.get("CNI_ARGS", _named(target)),
    )


def _named(target: Target) -> str:
    """Return CNI_ARGS with the container's name, as runtimes send it: the nameserver serves it."""
    *namespace, own = target.name.split("/")
    if not hosts.is_servable(own):
        return ""
    pod = "".join(f";K8S_POD_NAMESPACE={each}" for each in namespace)
    return f"IgnoreUnknown=1;K8S_POD_NAME={own}{pod}"


def refuse_unoffered(made: Chain) -> None:
    """Raise InvalidConfig for a wish that no plugin of the list takes: it would be ignored."""
    offered = {
        key
        for plugin in made.conflist["plugins"]
        for key, is_set in (plugin.get("capabilities") or {}).items()
        if is_set
    }
    for wish in made.wishes:
        if wish not in offered:
            raise InvalidConfig(
                f"network {made.name} does not take {wish} from runtimes",
                f'add `"capabilities": {{"{wish}": true}}` to its plugin',
            )


def port_mappings(text: str) -> list[dict[str, Any]]:
    """Return the port mappings of `[IP:]PORT[-LAST]:PORT[-LAST][/PROTO]`, one for each port.

    Other plugins of a list know no ranges. Raises ArgumentTypeError.
    """
    found = ports.mapping(text)
    count = found.pop("range")
    first = found["hostPort"], found["containerPort"]
    return [
        {**found, "hostPort": first[0] and first[0] + each, "containerPort": first[1] + each}
        for each in range(count)
    ]
