"""Cluster networks as this host's agents see them.

Read from the agents' snapshots and from the ledger, never from the store, so that it works while the
store is unreachable.
"""

import ipaddress
from collections.abc import Iterator
from contextlib import closing

from cni_bridge.address import contains, parse_prefix, prefix_text
from cni_bridge.cluster import snapshot
from cni_bridge.cluster.model import Block, Host
from cni_bridge.cluster.snapshot import Snapshot
from cni_bridge.kernel import machine
from cni_bridge.lean.record import record
from cni_bridge.ledger import block_leases, store
from cni_bridge.ledger.block_leases import Leased
from cni_bridge.ledger.blocks import now_ms


@record
class Pool:
    """A subnet that blocks are cut from: how many are assigned, of how many."""

    subnet: str
    length: int
    leased: int
    blocks: int


@record
class Cluster:
    """One cluster network; `rows` are this host's blocks in the ledger."""

    shot: Snapshot
    rows: tuple[Leased, ...]
    is_served: bool  # an agent runs

    @property
    def name(self) -> str:
        """The network's name."""
        return self.shot.network

    @property
    def backend(self) -> str:
        """The kind of backend without its options: `host-gw` or `vxlan`."""
        return self.shot.backend.partition(" ")[0]

    @property
    def lease_ms(self) -> int:
        """How long new containers still get addresses if the agent loses the store now."""
        boot_id = self.shot.me.boot_id
        ends = (row.until for row in self.rows if row.boot_id == boot_id)
        return max(0, *ends, self.shot.until) - now_ms()

    @property
    def pools(self) -> list[Pool]:
        """The pools, in the order of the config."""
        found = []
        for text in self.shot.pools:
            subnet, _, length = text.partition(" in /")
            pool = parse_prefix(subnet)
            leased = sum(contains(pool, each.ip) for each in self.shot.view.blocks)
            found.append(
                Pool(
                    subnet=subnet,
                    length=int(length),
                    leased=leased,
                    blocks=1 << (int(length) - pool.length),
                )
            )
        return found

    @property
    def peers(self) -> list[Host]:
        """The other hosts, by name."""
        hosts = self.shot.view.hosts.values()
        return sorted((each for each in hosts if each.id != self.shot.me.id), key=_by_name)

    @property
    def hosts(self) -> list[Host]:
        """All hosts, by name."""
        return sorted(self.shot.view.hosts.values(), key=_by_name)

    def blocks_of(self, host: Host) -> list[str]:
        """Return a host's blocks as text, in order."""
        own = [each for each in self.shot.view.blocks.values() if each.host == host.id]
        own.sort(key=lambda each: (len(each.subnet.ip), each.subnet.ip))
        return [prefix_text(each.subnet) for each in own]

    def covers(self, address: str) -> bool:
        """Whether an address belongs to this network."""
        return (
            any(_contains(each.subnet, address) for each in self.pools)
            or self.owner(address) is not None
        )

    def owner(self, address: str) -> Block | None:
        """Return the block that holds an address."""
        for block in self.shot.view.blocks.values():
            if _contains(prefix_text(block.subnet), address):
                return block
        return None

    def title(self, host_id: str) -> str:
        """Return a host's display name: its name, with its id where the name is not unique."""
        hosts = self.shot.view.hosts
        if host_id not in hosts:
            return host_id
        name = hosts[host_id].name
        is_shared = [each.name for each in hosts.values()].count(name) > 1
        return f"{name} ({host_id})" if is_shared else name

    def is_member(self, host: Host) -> bool:
        """Whether a host renews its membership."""
        return host.id in self.shot.view.members


def seen(*state_dirs: str) -> tuple[Cluster, ...]:
    """Return the cluster networks whose ledgers are in these directories, as of this boot."""
    return tuple(each for directory in state_dirs for each in _seen_in(directory))


def _seen_in(state_dir: str) -> Iterator[Cluster]:
    for shot in snapshot.all_of(state_dir):
        if shot.me.boot_id == machine.boot_id():
            yield Cluster(
                shot=shot,
                rows=_rows(state_dir, shot.network),
                is_served=snapshot.is_served(state_dir, shot.network),
            )


def _rows(state_dir: str, network: str) -> tuple[Leased, ...]:
    ledger = store.find_ledger(state_dir)
    if ledger is None:
        return ()
    with closing(ledger):
        return block_leases.listed(ledger.database, network)


def _contains(subnet: str, address: str) -> bool:
    return ipaddress.ip_address(address) in ipaddress.ip_network(subnet)


def _by_name(host: Host) -> tuple[str, str]:
    return host.name, host.id
