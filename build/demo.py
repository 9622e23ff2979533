"""`make demo`: the main job for real, in private namespaces that are gone afterwards.

Three containers join a network, talk, are checked and leave. Exit status 0 only if all was right.
"""

import json
import platform
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from rich.console import Console
from rich.syntax import Syntax
from rich.table import Table

from tests.lab import PLUGIN, Container, Host, Json, Network, Plugin, Run
from tests.lab.cnitool import CNITOOL, cnitool
from tests.lab.iproute import bridge, ip
from tests.lab.namespaces import become_root
from tests.lab.network import addresses_in, bare

BRIDGE = "demo0"
GATEWAYS = ("10.99.0.1", "fd00:99::1")
PLUGIN_CONFIG: Json = {
    "type": "cni-bridge",
    "bridge": BRIDGE,
    "isDefaultGateway": True,
    "ipam": {
        "type": "cni-bridge",
        "ranges": [[{"subnet": "10.99.0.0/24"}], [{"subnet": "fd00:99::/64"}]],
    },
}
CONFLIST: Json = {"cniVersion": "1.1.0", "name": "demo", "plugins": [PLUGIN_CONFIG]}

Call = Callable[[str, Container], Run]


class Demo:
    """What is shown, and what was found wrong on the way."""

    def __init__(self) -> None:
        self.console = Console(highlight=False, emoji=False)
        self.wrong: list[str] = []

    def title(self, text: str, note: str = "") -> None:
        """Print the start of a section; the note says which program does what follows."""
        self.console.print(f"\n[bold cyan]{text}[/]  [dim]{note}[/]")

    def command(self, line: str, output: str = "") -> None:
        """Print a command and its output."""
        self.console.print(f"[green]$ {line}[/]", soft_wrap=True)
        if output.strip():
            text = "\n".join("  " + each.rstrip() for each in output.rstrip().splitlines())
            self.console.print(text, markup=False, soft_wrap=True)

    def expect(self, is_right: bool, fact: str) -> str:
        """Return a tick for what is as it must be; a cross, and exit status 1, for what is not."""
        if not is_right:
            self.wrong.append(fact)
        return "[green]✓[/]" if is_right else "[bold red]✗[/]"


def main() -> int:
    """Run the demo; returns the exit status."""
    demo = Demo()
    if not PLUGIN.exists():
        demo.console.print(f"[red]no plugin at {PLUGIN}[/]: run `make build` first")
        return 1
    become_root()
    plugin = Plugin.at(PLUGIN)
    with Host() as host, tempfile.TemporaryDirectory() as conf:
        show_versions(demo, plugin)
        show_the_kernel_alone(demo)
        containers = [host.container(name) for name in ("web", "db", "cache")]
        for container in containers:
            container.ip("link", "set", "lo", "up")  # the runtime's task; needed to reach oneself
        host.remember()
        network = host.network(plugin, {**PLUGIN_CONFIG, "cniVersion": "1.1.0", "name": "demo"})
        call = caller(network, Path(conf))
        show_config(demo)
        targets = add(demo, call, containers)
        show_kernel_state(demo, containers)
        show_pings(demo, containers, targets)
        demo.title("6. CHECK", "silent while the kernel has what ADD made")
        silent(demo, "check", call, containers)
        demo.title("7. DEL", "silent too")
        silent(demo, "del", call, containers)
        show_what_is_left(demo, host)
    for fact in demo.wrong:
        demo.console.print(f"[bold red]wrong:[/] {fact}")
    return 1 if demo.wrong else 0


def caller(network: Network, conf: Path) -> Call:
    """How the plugin is called: by cnitool, or where that can't be had directly, as it would."""
    if not CNITOOL.exists():
        commands = {"add": network.add, "check": network.check, "del": network.delete}
        return lambda command, container: commands[command](container)
    (conf / "demo.conflist").write_text(json.dumps(CONFLIST))
    return lambda command, container: cnitool(command, "demo", container, network.plugin, conf)


def show_versions(demo: Demo, plugin: Plugin) -> None:
    """Print the versions of what runs here."""
    spoken = plugin.run({"CNI_COMMAND": "VERSION"}, "{}").result()["supportedVersions"]
    demo.title("cni-bridge", f"Linux {platform.release()}, {ip('-V').split(',')[1].strip()}")
    demo.console.print(f"  executable  {plugin.path}\n  CNI         {' '.join(spoken)}")
    if CNITOOL.exists():
        demo.console.print("  called by   cnitool, the spec's own tool")
    else:
        demo.console.print(
            "  called by   [yellow]this script, as cnitool would: no cnitool here[/]"
        )


def show_the_kernel_alone(demo: Demo) -> None:
    """Show a fresh namespace and two on a bare veth pair: what a plugin works with."""
    demo.title("1. Without a plugin", "iproute2 only, on a host of its own")
    with Host() as host:
        one, two = host.container("one"), host.container("two")
        demo.command("ip -n one -br link   # a fresh namespace", one.ip("-br", "link"))
        words = "link add eth0 netns one type veth peer name eth0 netns two"
        ip(*words.split())
        demo.command(f"ip {words}")
        for address, container in (("192.0.2.1/24", one), ("192.0.2.2/24", two)):
            container.ip("addr", "add", address, "dev", "eth0")
            container.ip("link", "set", "eth0", "up")
            demo.command(
                f"ip -n {container.name} addr add {address} dev eth0; "
                f"ip -n {container.name} link set eth0 up"
            )
        tick = demo.expect(one.can_ping("192.0.2.2"), "ping over a bare veth pair")
        demo.console.print(
            f"  one pings two {tick}  two fit on a cable; for three it takes a bridge"
        )


def show_config(demo: Demo) -> None:
    """Show the network as its administrator writes it."""
    demo.title("2. The network", "demo.conflist")
    text = json.dumps(CONFLIST, indent=2)
    demo.console.print(Syntax(text, "json", background_color="default", padding=(0, 2)))


def add(demo: Demo, call: Call, containers: list[Container]) -> list[str]:
    """Add each container; returns the addresses that were given."""
    demo.title("3. ADD", "the plugin: bridge, veth pair, addresses, routes, in one process")
    targets: list[str] = []
    for container in containers:
        started = time.monotonic()
        with demo.console.status(f"adding {container.name}"):
            run = call("add", container)
        took = (time.monotonic() - started) * 1000
        result = run.result() if run.status == 0 else {}
        demo.command(f"cnitool add demo {container.netns}   # {took:.0f} ms", compact(result))
        given = addresses_in(result)
        is_right = len(given) == len(GATEWAYS) and container.addresses() == given
        tick = demo.expect(is_right, f"ADD of {container.name}: {run}")
        demo.console.print(f"  {tick} and that is what eth0 in {container.name} has")
        targets += [bare(address) for address in given]
    demo.expect(len(set(targets)) == len(targets), "every address is given once")
    return targets


def compact(document: Json) -> str:
    """JSON with a line for each entry of each list, instead of one for each brace."""
    lines = []
    for key, value in document.items():
        entries = value if isinstance(value, list) else [value]
        lines.append(f'"{key}": {json.dumps(entries[0])}')
        lines += [" " * (len(key) + 4) + json.dumps(entry) for entry in entries[1:]]
    return "\n".join(lines)


def show_kernel_state(demo: Demo, containers: list[Container]) -> None:
    """Show the kernel's state as iproute2 prints it."""
    demo.title("4. What the kernel has now", "iproute2 only")
    demo.command("bridge link", bridge("link"))
    demo.command("ip -br addr", ip("-br", "addr"))
    for container in containers:
        demo.command(
            f"ip -n {container.name} -br addr show eth0",
            container.ip("-br", "addr", "show", "eth0"),
        )
    first = containers[0]
    for family in ("-4", "-6"):
        demo.command(f"ip -n {first.name} {family} route", first.ip(family, "route"))


def show_pings(demo: Demo, containers: list[Container], targets: list[str]) -> None:
    """Ping between every two containers, themselves included, and the gateways."""
    demo.title("5. Which containers reach each other", "one ICMP echo each, IPv4 and IPv6")
    names = [each.name for each in containers]
    table = Table("from", *names, "gateway", box=None, header_style="dim", padding=(0, 2))
    for container in containers:
        with demo.console.status(f"{container.name} pings"):
            answers = [(each, container.can_ping(each)) for each in (*targets, *GATEWAYS)]
        ticks = [demo.expect(ok, f"{container.name} pings {each}") for each, ok in answers]
        pairs = zip(ticks[::2], ticks[1::2], strict=True)
        table.add_row(container.name, *(" ".join(pair) for pair in pairs))
    demo.console.print(table)


def silent(demo: Demo, command: str, call: Call, containers: list[Container]) -> None:
    """CHECK or DEL of each: silent when all is well."""
    for container in containers:
        run = call(command, container)
        is_right = run.status == 0 and not run.stdout.strip()
        tick = demo.expect(is_right, f"{command} of {container.name}: {run}")
        demo.console.print(f"[green]$ cnitool {command} demo {container.netns}[/]  {tick}")


def show_what_is_left(demo: Demo, host: Host) -> None:
    """Compare the state before with the state now; the last line of the demo."""
    demo.title("8. Left behind", "links, addresses, routes, firewall, ledger: before against now")
    left = host.left_behind()
    demo.expect(not left, "left behind:\n" + "\n".join(left))
    ip("link", "del", BRIDGE)
    rest = host.changes()
    demo.expect(rest == left, "left behind with the bridge:\n" + "\n".join(rest))
    if not demo.wrong:
        demo.console.print(
            f"[bold green]left behind: nothing but the shared bridge {BRIDGE}, removed now[/]"
        )


if __name__ == "__main__":
    sys.exit(main())
