"""`cni-bridge adopt`: list host-local's reservations and whether cni-bridge honours them.

Nothing is imported or changed: ADD reads the reservations of its network in place.
"""

from collections.abc import Iterator
from pathlib import Path

from rich.table import Table

from cni_bridge.address import text as address_text
from cni_bridge.cli import conflists, host_state, terminal
from cni_bridge.cli.options import Commands, Options, add_command, add_conf_dir, add_json
from cni_bridge.cli.terminal import Text
from cni_bridge.edge.config import HOST_LOCAL_DIR
from cni_bridge.errors import IOFailure
from cni_bridge.kernel import netns_ids
from cni_bridge.lean.record import record
from cni_bridge.ledger.hostlocal import Reservations

KEPT = "kept"  # in use, and no ADD of cni-bridge gives it to another container
STALE = "stale"  # no namespace on this host has the address
IGNORED = "ignored"  # in use, but no config points to it
STYLES = {KEPT: "green", STALE: "yellow", IGNORED: "bold red"}
TITLES = ("network", "address", "container", "interface", "reservation")


@record
class Reserved:
    """One reservation, its state, and what to do if the state is wrong."""

    network: str
    address: str
    container: str
    ifname: str
    state: str
    advice: str


def register(parsers: Commands) -> None:
    """Add the command and its options."""
    parser = add_command(
        parsers,
        "adopt",
        run,
        description="Lists the reservations of the host-local plugin, whether a container uses the "
        "address,\nand whether a config points to them. No import is needed: ADD honours "
        "reservations\nin place, DEL removes them. Exit status 1 if one in use is ignored.",
        examples="  cni-bridge adopt host-local\n  cni-bridge adopt host-local /srv/ipam --json",
    )
    parser.add_argument(
        "kind", choices=["host-local"], help="the plugin whose reservations to list"
    )
    parser.add_argument(
        "directory",
        metavar="DIR",
        nargs="?",
        default=HOST_LOCAL_DIR,
        help=f"host-local's dataDir, {HOST_LOCAL_DIR} by default",
    )
    add_conf_dir(parser)
    add_json(parser)


def run(options: Options) -> int:
    """Print the reservations; return 1 if one that is in use is ignored."""
    directory = Path(options.directory).absolute()
    is_there = directory.is_dir()
    if not is_there and str(directory) != HOST_LOCAL_DIR:  # which only a host-local makes
        raise IOFailure(f"{directory} is not a directory", "ipam.dataDir of the config names it")
    found = list(_reserved(directory, options.conf_dir)) if is_there else []
    if options.json:
        terminal.print_json({"reservations": [vars(each) for each in found]})
    elif found:
        terminal.console().print(_table(found))
    else:
        terminal.console().print(f"no reservations in {directory}")
    return int(any(each.state == IGNORED for each in found))


def _reserved(directory: Path, conf_dir: str) -> Iterator[Reserved]:
    networks = conflists.read(conf_dir)
    led_to = {each.config.reservations_dir for each in networks if each.config}
    in_use = _addresses()
    for each in sorted(path for path in directory.iterdir() if path.is_dir()):
        reservations = Reservations(str(each))
        for ip in reservations:
            container, ifname = reservations.holder(ip)
            address = address_text(ip)
            state = STALE if address not in in_use else KEPT if str(each) in led_to else IGNORED
            yield Reserved(
                network=each.name,
                address=address,
                container=container,
                ifname=ifname,
                state=state,
                advice=_advice(state, each, address, conf_dir),
            )


def _addresses() -> set[str]:
    """Return every address of a container whose namespace has a path.

    Interfaces whose peer is in another container (hosts simulated in namespaces) are left out.
    """
    paths = {each.identity.path: each.identity.path for each in netns_ids.found()}
    return {
        address.partition("/")[0]
        for space in host_state.look(paths)[1:]
        for interface in space.interfaces
        if interface.peer is None or interface.peer.space == host_state.HOST
        for address in interface.addresses
    }


def _advice(state: str, directory: Path, address: str, conf_dir: str) -> str:
    if state == STALE:
        return f"no container uses it: rm {directory / address}"
    if state == IGNORED:
        return (
            f"no cni-bridge config in {conf_dir} has name {directory.name} and "
            f"ipam.dataDir {directory.parent}"
        )
    return ""


def _table(found: list[Reserved]) -> Table:
    table = terminal.table(*TITLES)
    for each in found:
        state = Text(each.state, style=STYLES[each.state])
        state.append(f": {each.advice}" if each.advice else "", style="not bold")
        table.add_row(each.network, each.address, each.container, each.ifname, state)
    return table
