"""`cni-bridge explain`: follow a connection and name the hop or table that drops it."""

import ipaddress
import os

from cni_bridge.cli import conflists, container_names, containers, inventory, terminal
from cni_bridge.cli.inventory import Attached, Inventory
from cni_bridge.cli.options import Commands, Options, add_command, add_json, add_state_dir
from cni_bridge.errors import CniError, InvalidConfig, IOFailure
from cni_bridge.kernel.netns import OWN_NETNS
from cni_bridge.lean.record import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cni_bridge.cli.explain.hops import Flow, Hop

WRONG_USAGE = 2
HOST = "host"
STYLES = {"passes": "green", "drops": "bold red", "unsure": "yellow"}
MARKS = {"passes": "✓", "drops": "✗", "unsure": "?"}
INDENT = " " * len("✓ namespace ")
EXAMPLES = """\
  cni-bridge explain 3f2a 1.1.1.1:443     # from a container to the internet
  cni-bridge explain 3f2a 8c41:80         # to another container
  cni-bridge explain 8080                 # from outside to a published port
  cni-bridge explain 192.0.2.1:8080       # the same, at one address of the host
  cni-bridge explain host 127.0.0.1:8080  # from the host itself
  cni-bridge explain 10.64.0.2 8c41:80    # from a container of another host
  cni-bridge explain 3f2a 10.1.0.2:53 --udp --probe"""


def register(parsers: Commands) -> None:
    """Add the command and its options."""
    parser = add_command(
        parsers,
        "explain",
        run,
        description="Follows a connection through namespace, veth pair, bridge, routing, firewalls "
        "and address\ntranslation to the process that listens. Each hop says how it is known: "
        "asked from the kernel,\ninferred from rules and records, or with --probe measured by a real "
        "connection that nftables\ntraces. Exit status: 0 it arrives, 1 something drops it, 2 wrong "
        "usage.",
        examples=EXAMPLES,
    )
    parser.add_argument(
        "source",
        metavar="CONTAINER|host|IP|PORT",
        help="where the connection starts; or, from outside, its target: a port of the host, or HOST:PORT",
    )
    parser.add_argument(
        "target",
        metavar="HOST:PORT",
        nargs="?",
        default="",
        help="HOST: an address, a container, or `host`",
    )
    parser.add_argument("--udp", action="store_true", help="use UDP instead of TCP")
    parser.add_argument("--probe", action="store_true", help="open a real connection and trace it")
    add_json(parser)
    add_state_dir(parser)


def run(options: Options) -> int:
    """Print the hops; return 1 if one of them drops."""
    from cni_bridge.cli.explain import evidence, resolving, walk  # load pyroute2
    from cni_bridge.cli.explain.hops import DROPS, UNSURE, Hop
    from cni_bridge.cli.explain.scene import Scene

    if os.geteuid():
        raise IOFailure("explain needs root to enter network namespaces")
    found = inventory.take(*conflists.ledgers(options.state_dir))
    unattached = _unattached(found, options.source, options.target.rpartition(":")[0])
    if unattached:
        advice = f"`cni-bridge add NETWORK {unattached}` attaches it"
        hop = Hop(place="namespace", text=f"{unattached} has no network: {advice}", verdict=DROPS)
        _print([hop], as_json=options.json)
        return 1
    protocol = "udp" if options.udp else "tcp"
    try:
        asker, flow = _asked(found, options.source, options.target, protocol)
    except InvalidConfig as error:
        terminal.fail(error)
        return WRONG_USAGE
    from_host = options.source == HOST and bool(options.target)
    if options.probe and flow.source:
        raise InvalidConfig(
            f"--probe cannot connect from {flow.source}", "that address is not on this host"
        )
    hops: list[Hop] = []
    if options.probe:  # what is measured goes before what is inferred
        path = asker[0].netns_path if asker else OWN_NETNS
        hops += evidence.probe(path, flow if flow.address else replace(flow, address="127.0.0.1"))
    measured = next((hop.verdict for hop in hops if hop.verdict != UNSURE), "")
    hops += resolving.hops(
        found, asker, _split(options.target or options.source)[0] if asker else ""
    )
    hops += walk.hops(Scene(found, asker), flow, from_host=from_host)
    _print(hops, as_json=options.json)
    verdicts = [measured] if measured else [hop.verdict for hop in hops]
    return int(DROPS in verdicts)


def _print(hops: "list[Hop]", *, as_json: bool) -> None:
    if as_json:
        terminal.print_json({"hops": [vars(hop) for hop in hops]})
        return
    for hop in hops:
        mark = (f"{MARKS[hop.verdict]} {hop.place:9} ", STYLES[hop.verdict])
        terminal.tell(mark, hop.text, (f"  ({hop.source})", "dim"), indent=INDENT)


def _unattached(found: Inventory, *names: str) -> str:
    """Return the first name that is a network namespace's and no container's; empty if none is."""
    for name in names:
        is_known = name in ("", HOST) or container_names.matching(name, found.containers)
        if not is_known and os.path.exists(f"{containers.NAMESPACES}/{name}"):
            return name
    return ""


def _asked(
    found: Inventory, source: str, target: str, protocol: str
) -> "tuple[tuple[Attached, ...], Flow]":
    """Return the source container's attachments, if it is a container, and the connection."""
    from cni_bridge.cli.explain.hops import Flow

    if not target and source.isdecimal():
        return (), Flow(protocol=protocol, address="", port=_port(source))
    asker, origin = _asker(found, source) if target else ((), "")
    if target and (advice := _offers(found, target, protocol)):
        raise InvalidConfig(f"{target} has no port", advice)
    host, port = _split(target or source)
    address = _address(found, host, asker)
    return asker, Flow(protocol=protocol, address=address, port=port, source=origin)


def _asker(found: Inventory, source: str) -> tuple[tuple[Attached, ...], str]:
    """Return a container's attachments or, if it is on another host, its address."""
    if source == HOST:
        return (), ""
    try:
        address = str(ipaddress.ip_address(source))
    except ValueError:
        return _container(found, source), ""
    for each in found.attachments:
        if address in (prefix.partition("/")[0] for prefix in each.shown_addresses):
            return _container(found, each.attachment.container), ""
    return (), address


def _container(found: Inventory, which: str) -> tuple[Attached, ...]:
    """Return the attachments of the container with that name, address, id or beginning of an id."""
    meant = container_names.matching(which, found.containers)
    if len(meant) != 1:
        shown = meant or dict.fromkeys(each.container for each in found.containers)
        there = ", ".join(sorted(map(found.title, shown)))
        raise InvalidConfig(
            f"{which} may be any of several containers"
            if meant
            else f"no container is named {which}",
            f"containers: {there}" if there else "no container is attached yet",
        )
    own = [each for each in found.attachments if each.attachment.container == meant[0]]
    return tuple(sorted(own, key=lambda each: each.attachment.ifname))


def _address(found: Inventory, host: str, asker: tuple[Attached, ...]) -> str:
    """Return an address, or a container's address, preferably on a network shared with the source."""
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        pass
    bridges = {each.bridge for each in asker}
    if host == HOST:
        return _of_host(found, asker)
    near = sorted(_container(found, host), key=lambda each: each.bridge not in bridges)
    addresses = [prefix.partition("/")[0] for each in near for prefix in each.shown_addresses]
    if not addresses:
        raise InvalidConfig(f"{host} has no address")
    return addresses[0]


def _of_host(found: Inventory, asker: tuple[Attached, ...]) -> str:
    """Return the host's address on a bridge of the asker's."""
    for each in asker:
        bridge = found.host.interface(each.bridge)
        for prefix in bridge.addresses if bridge else ():
            return prefix.partition("/")[0]
    raise InvalidConfig("the host has no address on a bridge of this container", "name an address")


def _offers(found: Inventory, target: str, protocol: str) -> str:
    """Return what to write for a container that was named without a port; empty for all else."""
    from cni_bridge.cli.explain import kernel_queries

    if len(container_names.matching(target, found.containers)) != 1:
        return ""
    own = _container(found, target)
    try:
        listening = kernel_queries.listeners(own[0].netns_path, protocol)
    except CniError:  # its namespace is gone
        listening = []
    there = {each.port: each.process for each in listening}
    if not there:
        return f"for example {target}:80; nothing listens there yet"
    listed = (f"{target}:{port}" + (f" ({name})" if name else "") for port, name in there.items())
    return f"there is {', '.join(listed)}"


def _split(target: str) -> tuple[str, int]:
    host, _, port = target.rpartition(":")
    if not host:
        raise InvalidConfig(f"{target} is not HOST:PORT", "10.1.0.2:80, or [fd00::2]:80")
    return host.strip("[]"), _port(port)


def _port(text: str) -> int:
    if not text.isdecimal() or not 0 < int(text) < 1 << 16:
        advice = "a port is a number" if not text.isdecimal() else "the highest is 65535"
        raise InvalidConfig(f"{text} is not a port: {advice}", "HOST:PORT, like web:80")
    return int(text)
