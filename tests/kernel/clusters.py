"""A cluster of hosts in the laboratory: their fabrics, told of each other by hand, and containers.

Each host has two blocks, 10.64.N.0/26 and fd64::N:0/122. No store and no agent.
"""

from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from cni_bridge.address import parse_prefix
from cni_bridge.cluster.fabric import Fabric
from cni_bridge.cluster.model import Host, Settings, View
from cni_bridge.kernel import machine
from cni_bridge.ledger import block_leases, blocks, store
from tests.lab import PLUGIN, Container, Plugin
from tests.lab.iproute import ip
from tests.lab.machines import Machine, machines
from tests.lab.network import addresses_in, bare
from tests.lab.state import LEDGER
from tests.unit.cluster import views

HOUR_MS = 3_600_000
BOTH = {each: (f"192.0.2.{each}/24", f"2001:db8::{each}/64") for each in (1, 2, 3)}
ONLY4 = {each: (f"192.0.2.{each}/24",) for each in (1, 2, 3)}
ONLY6 = {each: (f"2001:db8::{each}/64",) for each in (1, 2, 3)}
CLUSTER = {
    "endpoints": ["http://192.0.2.1:2379"],
    "network": "10.64.0.0/12",
    "network6": "fd64::/48",
}
Addresses = Mapping[int, tuple[str, ...]]
# What a network is: over the tunnel or not, and what the hosts have below.
WAYS: dict[str, tuple[str, Addresses]] = {
    "host-gw": ("host-gw", BOTH),
    "vxlan": ("vxlan", BOTH),
    "vxlan-over-ipv4": ("vxlan", ONLY4),
    "vxlan-over-ipv6": ("vxlan", ONLY6),
}


@dataclass(frozen=True)
class Cluster:
    """Hosts that know each other."""

    machines: dict[int, Machine]
    hosts: dict[int, Host]
    settings: Settings
    addresses: dict[Container, list[str]] = field(default_factory=dict)

    @property
    def view(self) -> View:
        """All of them with their blocks."""
        numbers = self.hosts
        return views.view(
            self.hosts.values(),
            {f"10.64.{each}.0/26": each for each in numbers}
            | {f"fd64::{each}:0/122": each for each in numbers},
        )

    def with_settings(self, settings: Settings) -> "Cluster":
        """Return the same hosts, with another network."""
        return replace(self, settings=settings)

    def fabric(self, number: int) -> Fabric:
        """As an agent that has just been started has it."""
        return Fabric(self.settings, self.hosts[number])

    def ensure(self, number: int, view: View | None = None) -> tuple[str, ...]:
        """One host's fabric is ensured."""
        with self.machines[number].entered():
            return self.fabric(number).ensure(view or self.view)

    def ensure_all(self) -> None:
        """All are, and nobody has anything to complain of."""
        assert [self.ensure(each) for each in self.machines] == [()] * len(self.machines)

    def remove(self, number: int) -> None:
        """One host leaves."""
        with self.machines[number].entered():
            self.fabric(number).remove()

    def container(self, number: int, **changes: Any) -> Container:
        """Return a new container on a host, made by the executable; keywords change the config."""
        plugin = Plugin.at(PLUGIN)
        config = {
            "cniVersion": "1.1.0",
            "name": "testnet",
            "type": plugin.type,
            "bridge": "cni0",
            "isDefaultGateway": True,
            "cluster": CLUSTER,
            "ipam": {"type": plugin.ipam_type},
        }
        with self.machines[number].entered() as host:
            self._publish(number)
            made = host.container(f"on{number}-{len(host.containers)}")
            result = host.network(plugin, config | changes).add(made).result()
            self.addresses[made] = [bare(each) for each in addresses_in(result)]
        return made

    def can_ping(self, number: int, container: Container, other: Container) -> list[bool]:
        """Whether a container reaches another, one answer a family."""
        with self.machines[number].entered():
            return [container.can_ping(each) for each in self.addresses[other]]

    def _publish(self, number: int) -> None:
        with closing(store.open_ledger(str(LEDGER.parent))) as ledger:
            block_leases.publish(
                ledger.database,
                "testnet",
                [parse_prefix(f"10.64.{number}.0/26"), parse_prefix(f"fd64::{number}:0/122")],
                until_ms=blocks.now_ms() + HOUR_MS,
                boot_id=machine.boot_id(),
                mtu=self.fabric(number).mtu(),
            )


@contextmanager
def cluster(
    kind: str, addresses: Addresses, *, mtus: Mapping[int, int] | None = None
) -> Iterator[Cluster]:
    """Hosts with these addresses; in the end nothing is left on any of them."""
    mtus = mtus or {}
    hosts = {
        number: views.host(number, *map(bare, some), mtu=mtus.get(number, 1500))
        for number, some in addresses.items()
    }
    with machines(addresses) as made:
        for number, mtu in mtus.items():
            with made[number].entered() as host:
                ip("link", "set", "eth0", "mtu", str(mtu))
                host.remember()
        running = Cluster(machines=made, hosts=hosts, settings=views.settings(kind))
        yield running
        for number, each in made.items():
            running.remove(number)
            with each.entered() as host:
                host.tidy()
                host.assert_as_before()
