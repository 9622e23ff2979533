"""A host in the midst of traffic: an outside world, networks of containers, and servers in all of them.

    world ── host ── network a: a1 a2 ── network b: b1 b2 ── ...

Addresses are spoken of by name: `a1`, `gateway-a`, `host`, `host2`, `world`, `loopback`. Which networks there are and who
should reach whom is decided by the callers.
"""

from collections.abc import Iterable
from ipaddress import ip_interface
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.lab.echo import PATIENCE, Question, Servers, ask_all
from tests.lab.host import Host
from tests.lab.iproute import ip, ip_json
from tests.lab.network import Network, addresses_in
from tests.lab.plugin import Json, Run
from tests.lab.stacks import Stack
from tests.lab.waiting import wait_until

if TYPE_CHECKING:
    from tests.lab.containers import Container

Named = tuple[str, str, int, str, int]  # asker, address, port, protocol, family
UPLINK = "uplink0"
OUTSIDE = {
    "host": ("192.0.2.1", "2001:db8::1"),
    "host2": ("192.0.2.11", "2001:db8::11"),
    "world": ("192.0.2.2", "2001:db8::2"),
    "loopback": ("127.0.0.1", "::1"),
}
FAMILIES = (4, 6)
CONTAINER_PORTS = (80, 81)
WORLD_PORTS = (80, 8080)
HOST_PORT = 9000
SETTINGS = {
    "net/ipv4/ip_forward": 1,
    "net/ipv6/conf/all/forwarding": 1,
    "net/ipv6/conf/default/accept_dad": 0,  # nobody waits for an address of a bridge
    "net/ipv4/icmp_ratelimit": 0,  # or only the first refusals of many are heard of
    "net/ipv6/icmp/ratelimit": 0,
}
BRIDGED_IS_FILTERED = ("bridge-nf-call-iptables", "bridge-nf-call-ip6tables")


class Town:
    """A private host and what surrounds it, inside the `with` block."""

    def __init__(self, host: Host, stack: Stack) -> None:
        self.host = host
        self.stack = stack
        self.networks: dict[str, Network] = {}
        self.containers: dict[str, Container] = {}
        self._addresses: dict[tuple[str, int], str] = {}
        self._with_gateways: set[str] = set()

    def __enter__(self) -> "Town":
        self.servers = Servers()
        for key, value in SETTINGS.items():
            sysctl(key, value)
        self._add_world()
        wait_until(_have_routes)  # they come with the carrier, after the address
        for address in OUTSIDE["loopback"]:
            self.servers.listen("host", HOST_PORT, address=address)
        self.host.remember()
        return self

    def __exit__(self, *_: object) -> None:
        self.servers.close()

    def network(self, letter: str, **config: Any) -> Network:
        """Return a dual-stack network `letter`, its bridge, its subnets and its gateways."""
        number = ord(letter) - ord("a") + 1
        subnets = (f"10.{number}.0.0/24", f"fd{number:02}::/64")
        self.networks[letter] = self.stack.network(self.host, letter, subnets, config)
        for family, subnet in zip(FAMILIES, subnets, strict=True):
            self._addresses[f"gateway-{letter}", family] = str(ip_interface(subnet).ip + 1)
        return self.networks[letter]

    def try_to_attach(self, name: str, *ports: Json) -> Run:
        """ADD of container `name` to the network of its first letter, publishing `ports`."""
        if name not in self.containers:
            self.containers[name] = self.host.container(name)
        config = {"runtimeConfig": {"portMappings": list(ports)}} if ports else {}
        return self.networks[name[0]].add(self.containers[name], config=config)

    def attach(self, name: str, *ports: Json) -> Json:
        """Return the same, which must succeed; from now on the container answers on its ports."""
        result = self.try_to_attach(name, *ports).result()
        for address in map(ip_interface, addresses_in(result)):
            self._addresses[name, address.version] = str(address.ip)
        for port in CONTAINER_PORTS:
            self.servers.listen(name, port, netns=self.containers[name].netns)
        if name[0] not in self._with_gateways:
            self._listen_on_gateways(name[0])
        return result

    def detach(self, name: str, **changes: Any) -> None:
        """DEL of container `name`, which stays and goes on to listen."""
        network = self.networks[name[0]]
        network.delete(self.containers[name], **changes).assert_silent_success()

    def address(self, name: str, family: int) -> str:
        """Return the address of this name; an address is its own name."""
        if name in OUTSIDE:
            return OUTSIDE[name][FAMILIES.index(family)]
        return self._addresses[name, family]

    def netns(self, name: str) -> Path | None:
        """Where this name lives."""
        return None if name == "host" else self.containers[name].netns

    def ask(
        self, asker: str, address: str, port: int, protocol: str = "tcp", family: int = 4
    ) -> str:
        """Return the answer with addresses as names, as `a1:80 saw world`, or in one word how it failed."""
        return self.ask_all([(asker, address, port, protocol, family)])[0]

    def ask_all(self, questions: Iterable[Named], patience: float = PATIENCE) -> list[str]:
        """All at once."""
        answers = ask_all([self.question(*question) for question in questions], patience)
        return [self.named(answer) for answer in answers]

    def named(self, answer: str) -> str:
        """Return an answer whose source is given by name."""
        *words, source = answer.split(" ")
        names = {address: name for (name, _), address in self._addresses.items()}
        names |= {address: name for name, pair in OUTSIDE.items() for address in pair}
        return " ".join((*words, names.get(source, source)))

    def question(
        self, asker: str, address: str, port: int, protocol: str = "tcp", family: int = 4
    ) -> Question:
        """Return a question in addresses."""
        return Question(self.netns(asker), self.address(address, family), port, protocol)

    def bridge_mac(self, letter: str) -> str:
        """Return the address of a network's bridge."""
        (link,) = ip_json("link", "show", self.networks[letter].bridge)
        return str(link["address"])

    def filter_bridged(self, on: bool) -> None:
        """Whether packets between two ports of one bridge pass the rules too."""
        for key in BRIDGED_IS_FILTERED:
            sysctl(f"net/bridge/{key}", int(on))

    def _add_world(self) -> None:
        """Add the world and its routes to the containers, as a neighbour on the uplink could have them."""
        world = self.containers["world"] = self.host.container("world")
        ip("link", "add", UPLINK, "type", "veth", "peer", "name", "eth0", "netns", "world")
        for name, *lifetime in (("host",), ("host2", "preferred_lft", "0")):  # never a source
            for address in map(_on_uplink, OUTSIDE[name]):
                ip("addr", "add", address, "dev", UPLINK, "nodad", *lifetime)
        # Without a link-local address the kernel does not ask for the neighbour of what it forwards.
        ip("addr", "add", "fe80::1/64", "dev", UPLINK, "nodad")
        world.ip("addr", "add", "fe80::2/64", "dev", "eth0", "nodad")
        ip("link", "set", UPLINK, "up", "addrgenmode", "none")
        world.ip("link", "set", "eth0", "up", "addrgenmode", "none")
        for address in map(_on_uplink, OUTSIDE["world"]):
            world.ip("addr", "add", address, "dev", "eth0", "nodad")
        for subnet, gateway in zip(("10.0.0.0/8", "fd00::/8"), OUTSIDE["host"], strict=True):
            world.ip("route", "add", subnet, "via", gateway)
        for port in WORLD_PORTS:
            self.servers.listen("world", port, netns=world.netns)

    def _listen_on_gateways(self, letter: str) -> None:
        """Start the host's own service, which containers connect to."""
        self._with_gateways.add(letter)
        for family in FAMILIES:
            address = self.address(f"gateway-{letter}", family)
            self.servers.listen("host", HOST_PORT, address=address)


def sysctl(key: str, value: object) -> None:
    """Set one setting of the network in which the caller is."""
    Path("/proc/sys", key).write_text(str(value))


def _have_routes() -> bool:
    """Whether both ends of the uplink answer at their IPv6 addresses."""
    ends = ((UPLINK, "", ("host", "host2")), ("eth0", "world", ("world",)))
    for device, container, names in ends:
        words = ("-6", "route", "show", "table", "local", "dev", device)
        there = {route["dst"] for route in ip_json(*words, container=container)}
        if not there.issuperset(OUTSIDE[name][1] for name in names):
            return False
    return True


def _on_uplink(address: str) -> str:
    return f"{address}/{64 if ':' in address else 24}"
