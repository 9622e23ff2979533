"""`cni-bridge init`: write a first network config, on a subnet that is free on this host.

Subnets in use are read from the routing table, the addresses and the existing configs.
"""

import ipaddress
import json
import sys
from collections.abc import Iterable, Iterator
from itertools import chain, count
from pathlib import Path
from typing import Any, TypeAlias

from cni_bridge.cli import host_state, network_managers, terminal
from cni_bridge.cli.options import Commands, Options, add_command
from cni_bridge.cli.validate import command as validate
from cni_bridge.cli.validate.findings import ERROR
from cni_bridge.edge import codec, config, request
from cni_bridge.errors import CniError, InvalidConfig, IOFailure

Subnet: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network

CONFIGS = Path("/etc/cni/net.d")
NAME = "web"
POOLS = ("10.88.0.0/16", "172.20.0.0/14", "192.168.128.0/17")
POOL6 = "fd00:88::/48"
INDENT = " " * len("first: ")
EXAMPLES = """\
  cni-bridge init                # interactive
  cni-bridge init web
  cni-bridge init web --dual-stack -o /etc/cni/net.d/10-web.conflist
  cni-bridge init shop --dns     # containers find each other by name
  cni-bridge init lan --subnet 10.1.0.0/24 --internal
  cni-bridge init lab --open     # reachable by other networks and from the LAN"""


def register(parsers: Commands) -> None:
    """Add the command and its options."""
    parser = add_command(
        parsers,
        "init",
        run,
        description="Writes a config list. Without --subnet it picks the first /24 of "
        f"{', '.join(POOLS)}\nthat no route, address or config of this host overlaps. As with "
        "Docker, other networks and the\nLAN reach published ports only.",
        examples=EXAMPLES,
    )
    parser.add_argument(
        "name", metavar="NAME", nargs="?", help="the network's name; asked for if omitted"
    )
    parser.add_argument("--subnet", metavar="CIDR", help="use this subnet instead of a free one")
    parser.add_argument("--dual-stack", action="store_true", help="also use a free IPv6 subnet")
    parser.add_argument(
        "--bridge", metavar="NAME", help="the network's name followed by 0 if omitted"
    )
    parser.add_argument("--mtu", type=int, default=0, help="the kernel's default if omitted")
    parser.add_argument(
        "--dns", action="store_true", help="let containers find each other by name (needs dnsmasq)"
    )
    kind = parser.add_mutually_exclusive_group()
    kind.add_argument(
        "--internal", action="store_true", help="containers reach each other and this host only"
    )
    kind.add_argument(
        "--open", action="store_true", help="let other networks and the LAN reach every port"
    )
    parser.add_argument("-o", "--output", metavar="FILE", help="write a new file instead of stdout")


def run(options: Options) -> int:
    """Print or write the config after validating it."""
    if options.name is None:
        _ask(options)
    if file := _existing(options.name):
        raise InvalidConfig(
            f"{file} defines network {options.name} already",
            f"choose another name; or remove it first: `cni-bridge rm {options.name}`",
        )
    text, unwise = _checked(options)
    for each in (*unwise, *_overlaps(options.subnet), *_unreadable()):
        terminal.tell(f"warning: {each}", stderr=True)
    if options.output is None:
        terminal.write(text)
        return 0
    try:
        if Path(options.output).absolute().parent == CONFIGS:  # a fresh host does not have it
            CONFIGS.mkdir(parents=True, exist_ok=True)
        with Path(options.output).open("x", encoding="utf-8") as opened:
            opened.write(text + "\n")
    except OSError as error:
        raise IOFailure(
            f"cannot write {options.output}: {error.strerror}", _advice(error)
        ) from error
    subnets = ", ".join(map(str, _configured(json.loads(text))))
    terminal.tell(f"{options.output}: network {options.name}, {subnets}")
    bridges = [options.bridge or _bridge(options.name)]
    for manager in network_managers.look().unheeded(bridges, ["veth0"]):
        terminal.tell_command("first: ", manager.command, indent=INDENT)
        terminal.tell(f"{INDENT}{manager.cause}: {manager.effect}", indent=INDENT)
    terminal.tell(f"next: {_next_step(options)}", indent="      ")
    return 0


def _advice(error: OSError) -> str:
    if isinstance(error, PermissionError):
        return "use sudo, or write it elsewhere with -o"
    if isinstance(error, FileExistsError):
        return "write another file, or remove this one first"
    return "make the directory first" if isinstance(error, FileNotFoundError) else ""


def _next_step(options: Options) -> str:
    if Path(options.output).absolute().parent == CONFIGS:
        return f"start a container on it: `podman run --network {options.name} ...`, or with your runtime"
    return f"copy it to {CONFIGS}, where runtimes look for networks"


def _existing(name: str) -> str:
    """Return the file in net.d that defines a network of that name; empty if none does."""
    for file in _config_files():
        content = _content(file)
        if isinstance(content, dict) and content.get("name") == name:
            return str(file)
    return ""


def free(pool: str, length: int, taken: Iterable[Subnet]) -> Subnet | None:
    """Return the first subnet of a pool that overlaps no subnet in use."""
    whole: Subnet = ipaddress.ip_network(pool)
    rivals = [each for each in taken if each.version == whole.version]
    candidates: Iterable[Subnet] = whole.subnets(new_prefix=length)
    for each in candidates:
        if not any(each.overlaps(rival) for rival in rivals):
            return each
    return None


def _ask(options: Options) -> None:
    """Ask for each option; Enter accepts the suggestion."""
    if not sys.stdin.isatty():
        raise InvalidConfig("no name for the network", "cni-bridge init NAME")
    from rich.prompt import Confirm  # where something is asked

    screen = terminal.console(stderr=True)
    _ask_for(options, "name", "name of the network", _new_name())
    _ask_for(options, "subnet", "subnet", options.subnet or next(_subnets(options)))
    options.dual_stack = Confirm.ask("an IPv6 subnet, too", console=screen, default=False)
    options.internal = not Confirm.ask("a way out of this host", console=screen, default=True)
    _ask_for(options, "bridge", "name of the bridge", options.bridge or _bridge(options.name))
    _ask_for(
        options,
        "output",
        "file, or - to print it",
        options.output or str(CONFIGS / f"10-{options.name}.conflist"),
    )
    if options.output == "-":
        options.output = None


def _new_name() -> str:
    """Return a name that no config has."""
    names = chain([NAME], (f"{NAME}{number}" for number in count(2)))
    return next(name for name in names if not _existing(name))


def _ask_for(options: Options, key: str, question: str, proposed: str) -> None:
    """Repeat a question until a config can be written with the answer."""
    from rich.prompt import Prompt  # as above

    while True:
        answer = Prompt.ask(question, console=terminal.console(stderr=True), default=proposed)
        setattr(options, key, answer)
        try:
            _checked(options)
            if key == "name" and (file := _existing(answer)):
                raise InvalidConfig(f"{file} defines network {answer} already")
            if key == "output" and Path(answer).exists():
                raise InvalidConfig(f"{answer} exists")
        except CniError as error:
            terminal.fail(error)
        else:
            return


def _checked(options: Options) -> tuple[str, list[str]]:
    """Return the config's text and the warnings about it. Raises InvalidConfig."""
    config.network({"name": options.name})
    text = json.dumps(_conflist(options), indent=2)
    (report,) = validate.examine([(f"{options.name}.conflist", text)])
    for finding in report.findings:
        if finding.severity == ERROR:
            raise InvalidConfig(finding.message, finding.hint)
    return text, [finding.message for finding in report.findings]


def _overlaps(subnet: str | None) -> Iterator[str]:
    """Report the subnets of this host that a chosen subnet overlaps."""
    if subnet:
        mine = ipaddress.ip_network(subnet)
        for other in dict.fromkeys(_taken()):
            if mine.version == other.version and mine.overlaps(other):
                yield f"{mine} overlaps {other}, which this host uses"


def _conflist(options: Options) -> dict[str, Any]:
    plugin: dict[str, Any] = {
        "type": "cni-bridge",
        "bridge": options.bridge or _bridge(options.name),
    }
    if options.internal:
        plugin |= {"isGateway": True, "internal": True}
    else:
        plugin |= {"isDefaultGateway": True, "ipMasq": True}
        plugin |= {} if options.open else {"isolation": "on", "closed": True}
        plugin["capabilities"] = {"portMappings": True, "ips": True, "mac": True}
    if options.dns:
        plugin["nameserver"] = True
        plugin["capabilities"] = {**plugin.get("capabilities", {}), "aliases": True}
    if options.mtu:
        plugin["mtu"] = options.mtu
    ranges = [[{"subnet": subnet}] for subnet in _subnets(options)]
    plugin["ipam"] = {"type": "cni-bridge", "ranges": ranges}
    return {"cniVersion": "1.0.0", "name": options.name, "plugins": [plugin]}


def _bridge(network: str) -> str:
    return network[: request.IFNAME_LIMIT - 1] + "0"


def _subnets(options: Options) -> Iterator[str]:
    taken = list(_taken())
    if options.subnet:
        yield options.subnet
    else:
        found = (free(pool, 24, taken) for pool in POOLS)
        yield str(_first(found, ", ".join(POOLS)))
    if options.dual_stack:
        yield str(_first([free(POOL6, 64, taken)], POOL6))


def _first(found: Iterable[Subnet | None], pools: str) -> Subnet:
    subnet = next((each for each in found if each is not None), None)
    if subnet is None:
        raise InvalidConfig(f"no free subnet in {pools}", "choose one with --subnet")
    return subnet


def _taken() -> Iterator[Subnet]:
    """Yield the subnets that routes, addresses and configs of this host use.

    Default routes are left out, and so are the two /1 halves that VPNs route.
    """
    (host,) = host_state.look({})
    for route in host.routes:
        subnet = ipaddress.ip_network(route.destination)
        if subnet.prefixlen > 1:
            yield subnet
    for interface in host.interfaces:
        for address in interface.addresses:
            yield ipaddress.ip_interface(address).network
    for file in _config_files():
        yield from _configured(_content(file))


def _unreadable() -> Iterator[str]:
    """Report the configs whose subnets are unknown."""
    for file in _config_files():
        try:
            codec.decode(file.read_bytes())
        except OSError as error:
            yield f"{file}: {error.strerror}, so its subnets may be taken too"
        except CniError as error:
            yield f"{file}: {error.msg}"


def _config_files() -> list[Path]:
    return sorted((*CONFIGS.glob("*.conf"), *CONFIGS.glob("*.conflist")))


def _configured(value: object) -> Iterator[Subnet]:
    """Yield every value of a `subnet` key in a config, of any plugin."""
    if isinstance(value, list):
        for item in value:
            yield from _configured(item)
    elif isinstance(value, dict):
        for key, item in value.items():
            if key == "subnet" and isinstance(item, str):
                try:
                    yield ipaddress.ip_network(item, strict=False)
                except ValueError:
                    continue
            else:
                yield from _configured(item)


def _content(file: Path) -> object:
    """Return a file's JSON; None if it cannot be read, which `validate` reports."""
    try:
        return json.loads(file.read_bytes())
    except (OSError, ValueError):
        return None
