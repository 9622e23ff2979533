"""`cni-bridge lab`: build throwaway networks to look at and to break.

Everything lives in network namespaces named cni-bridge-lab-*, one of which plays the host.
"""

import argparse
import importlib
import os
import subprocess
import sys
from collections.abc import Iterable

from cni_bridge.cli import terminal
from cni_bridge.cli.commands import COMMANDS
from cni_bridge.cli.environment import own_environment
from cni_bridge.cli.lab import namespaces, topologies
from cni_bridge.cli.lab.topologies import Topology, Wishes
from cni_bridge.cli.options import Commands, Options, Run, add_command, add_json
from cni_bridge.edge.config import STATE_DIR
from cni_bridge.errors import InvalidConfig, IOFailure

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cni_bridge.cli.inventory import Inventory

EXAMPLES = """\
  cni-bridge lab up tutorial
  cni-bridge lab up direct --names red,blue
  cni-bridge lab up bridge --bridge mybridge0 --subnet 10.0.1.0/24
  cni-bridge lab graph
  cni-bridge lab ping
  cni-bridge lab exec c1 -- ip route
  cni-bridge lab exec host -- ip link set lab0 down   # break it, ping again
  cni-bridge lab doctor --fix
  cni-bridge lab down"""
NO_LAB = "there is no lab"
SHELL = "/bin/sh"
OF_HOST = ("show", "explain", "trace")  # commands that run as they are on the lab's host


def register(commands: Commands, wanted: Iterable[str]) -> None:
    """Add the command with its subcommands; only the wanted ones load another command's module."""
    parser = add_command(
        commands,
        "lab",
        _help,
        description="Builds small networks to learn from, in namespaces of their own. This machine's "
        "own network\nis not touched, and `lab down` removes everything.",
        examples=EXAMPLES,
    )
    parser.set_defaults(parser=parser)
    own = parser.add_subparsers(title="commands", metavar="COMMAND")
    _register_up(own)
    ping = add_command(
        own,
        "ping",
        _ping,
        summary="test which namespace reaches which address",
        description="Sends one echo request from every namespace to every address.",
    )
    add_json(ping)
    graph = add_command(own, "graph", _graph, summary="draw it", description="Draws the lab.")
    if "graph" in wanted:
        from cni_bridge.cli.graph import command as graph_command

        graph_command.add_format(graph)
    for word in OF_HOST:
        _register_on_host(own, word, is_wanted=word in wanted)
    _register_inner(own, wanted)


def _register_up(own: Commands) -> None:
    """Add `up`."""
    up = add_command(own, "up", _up, summary="build a lab", description="Builds a lab.")
    listed = "; ".join(f"{name}: {what}" for name, what in topologies.NAMES.items())
    up.add_argument("topology", choices=topologies.NAMES, help=listed)
    up.add_argument(
        "--names",
        metavar="NAME,NAME",
        type=lambda text: tuple(text.split(",")),
        default=(),
        help="names of the namespaces, in place of c1, c2, ... or one, two",
    )
    up.add_argument("--bridge", metavar="NAME", default="", help="name of the bridge")
    up.add_argument("--subnet", metavar="CIDR", default="", help="subnet of the bridge or cable")
    up.add_argument(
        "--containers",
        metavar="N",
        type=_containers,
        default=0,
        help=f"containers on bridges, {topologies.USUAL_CONTAINERS} by default, "
        f"{topologies.CONTAINERS[0]} to {topologies.CONTAINERS[-1]}",
    )


def _register_on_host(own: Commands, word: str, *, is_wanted: bool) -> None:
    """Add a command of the same name, to be run on the lab's host."""
    name, summary = COMMANDS[word]
    if not is_wanted:
        own.add_parser(word, help=summary)
        return
    module = importlib.import_module(f"cni_bridge.cli.{name}")
    module.register(own)
    own.choices[word].set_defaults(run=_in_host(_show if word == "show" else module.run))


def _register_inner(own: Commands, wanted: Iterable[str]) -> None:
    """Add `doctor`, `exec` and `down`."""
    doctor = add_command(
        own,
        "doctor",
        _doctor,
        summary="find and fix what is broken in it",
        description="Runs `cni-bridge doctor` for the lab's host.",
    )
    if "doctor" in wanted:
        from cni_bridge.cli.doctor import command as doctor_command

        doctor_command.add_options(doctor)
    run = add_command(
        own,
        "exec",
        _exec,
        summary="run a command or a shell inside",
        description="Runs a command, or a shell, in a namespace of the lab.",
        examples="  cni-bridge lab exec c1\n  cni-bridge lab exec c1 -- ip addr",
    )
    run.add_argument("name", metavar="NAME", help="a namespace of the lab, or `host`")
    run.add_argument(
        "command", metavar="-- CMD", nargs=argparse.REMAINDER, help="a shell if omitted"
    )
    add_command(own, "down", _down, summary="remove it", description="Removes the lab.")


def _help(options: Options) -> int:
    options.parser.print_help()
    return 2


def _up(options: Options) -> int:
    from cni_bridge.cli.lab import builder  # loads pyroute2

    topology = _topology(options)
    _need_root()
    if namespaces.names():
        raise InvalidConfig("a lab is up already", "`cni-bridge lab down` removes it")
    try:
        for step in builder.build(topology):
            for line in f"$ {step}".split("\n"):
                terminal.tell_command("", line, indent="    ")
    except BaseException:
        namespaces.remove_all()
        raise
    terminal.tell("next: cni-bridge lab graph, lab show, lab ping, lab exec NAME, lab down")
    return 0


def _topology(options: Options) -> Topology:
    wishes = Wishes(
        containers=options.containers,
        names=options.names,
        bridge=options.bridge,
        subnet=options.subnet,
    )
    try:
        return topologies.topology(options.topology, wishes)
    except InvalidConfig as error:
        words = ": ".join(filter(None, (error.msg, error.details)))
        return options.command_parser.error(words)  # type: ignore[no-any-return]  # it ends the program


def _ping(options: Options) -> int:
    from cni_bridge.cli.lab import ping
    from cni_bridge.cli.terminal import Text  # loads rich

    found = _inventory()
    columns = _addresses(found)
    host, *containers = namespaces.names()
    rows = [*containers, host]
    heard = ping.reachable(rows, columns.values())
    if options.json:
        terminal.print_json(
            [
                {"from": name, "to": title, "address": address, "answers": (name, address) in heard}
                for name in rows
                for title, address in columns.items()
            ]
        )
        return 0
    table = terminal.table("from", *(terminal.lines(each) for each in columns.items()))
    for name in rows:
        ticks = [
            Text("✓", style="green") if (name, address) in heard else Text("✗", style="red")
            for address in columns.values()
        ]
        table.add_row(Text(name, style="bold cyan"), *ticks)
    terminal.console().print(table)
    return 0


def _graph(options: Options) -> int:
    from cni_bridge.cli.graph import command as graph_command

    return graph_command.draw(_inventory(), options)


def _doctor(options: Options) -> int:
    from cni_bridge.cli.doctor import command as doctor_command
    from cni_bridge.cli.doctor.attachments import RESTART
    from cni_bridge.cli.lab import builder, cables

    def from_outside(command: str) -> str:
        """Return the command as typed on this machine, whose own network must not be touched."""
        if command in (RESTART, builder.REBUILD):
            return builder.REBUILD
        return namespaces.execution(command)

    _need_lab()
    namespaces.as_host()
    options.state_dir, options.conf_dir = STATE_DIR, str(namespaces.CONF_DIR)
    options.cni_path = os.path.dirname(os.path.realpath(sys.executable))
    return doctor_command.run(options, from_outside, cables.faults)


def _in_host(run: Run) -> Run:
    """Return a command's `run` for the lab's host."""

    def run_there(options: Options) -> int:
        _need_lab()
        namespaces.as_host()
        os.environ.update(namespaces.environment())
        return run(options)

    return run_there


def _show(options: Options) -> int:
    """Show the lab's networks and, where nothing less is asked for, each namespace with its id."""
    from cni_bridge.cli import everything, host_state, show

    status = show.run(options)
    if not show.is_narrowed(options):
        screen = terminal.console()
        screen.print()
        screen.print(everything.table(host_state.look(_members())))
    return status


def _exec(options: Options) -> int:
    _need_lab()
    command = options.command[1:] if options.command[:1] == ["--"] else options.command
    if options.name not in namespaces.names():
        raise InvalidConfig(
            f"the lab has no namespace {options.name}", f"there are {', '.join(namespaces.names())}"
        )
    is_host = options.name == namespaces.HOST
    command = command or [os.environ.get("SHELL", SHELL)]
    environment = namespaces.environment() if is_host else own_environment()

    def run() -> int:
        return subprocess.call(command, env=environment)

    try:
        if is_host:
            namespaces.as_host()
            return run()
        return namespaces.work_in(options.name, run)
    except FileNotFoundError as error:
        raise IOFailure(f"no such command: {command[0]}") from error


def _down(_options: Options) -> int:
    _need_root()
    gone = namespaces.remove_all()
    terminal.console().print(f"removed: {', '.join(gone)}" if gone else NO_LAB)
    return 0


# ---------------------------------------------------------------- helpers


def _inventory() -> "Inventory":
    """Return the inventory with the lab's host in place of this host."""
    _need_lab()
    namespaces.as_host()
    return _seen()


def _seen() -> "Inventory":
    """Return the inventory of the lab, to a process that is in its host."""
    from cni_bridge.cli import inventory

    return inventory.take(STATE_DIR, others=_members())


def _members() -> dict[str, str]:
    """Return the paths of the lab's namespaces but the host's, by name."""
    return {name: namespaces.path(name) for name in namespaces.names() if name != namespaces.HOST}


def _addresses(found: "Inventory") -> dict[str, str]:
    """Return every address by its holder: `c1`, or `c1 eth1` if it has several interfaces."""
    titles: dict[str, str] = {}
    for space in (*found.spaces[1:], found.host):
        wired = [each for each in space.interfaces if each.addresses and each.name != "lo"]
        for each in wired:
            name = space.name or each.name
            title = f"{name} {each.name}" if space.name and len(wired) > 1 else name
            titles[title] = each.addresses[0].partition("/")[0]
    return titles


def _need_lab() -> None:
    _need_root()
    if not namespaces.names():
        raise InvalidConfig(NO_LAB, "`cni-bridge lab up tutorial` builds one")


def _need_root() -> None:
    if os.geteuid():
        raise IOFailure(
            "the lab needs root to create network namespaces",
            "sudo cni-bridge lab ..., or all of it within `unshare --map-root-user --net --mount`",
        )


def _containers(text: str) -> int:
    first, last = topologies.CONTAINERS[0], topologies.CONTAINERS[-1]
    if not text.isdecimal() or int(text) not in topologies.CONTAINERS:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from {first} to {last}")
    return int(text)
