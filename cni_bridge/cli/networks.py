"""The networks of this host: those of the config directory, and those that containers are on."""

import ipaddress
from collections.abc import Iterable, Iterator
from contextlib import suppress

from cni_bridge.address import contains, parse_prefix, prefix_text, text
from cni_bridge.cli import conflists
from cni_bridge.cli.inventory import Attached, Inventory
from cni_bridge.edge.config import STATE_DIR
from cni_bridge.errors import CniError
from cni_bridge.ipam import sources
from cni_bridge.lean.record import record
from cni_bridge.ledger import container_names, ranges, sticky, store
from cni_bridge.model import NetworkConfig, RangeSet
from cni_bridge.model_optional import Names

MANY = 1_000_000  # free addresses: more are not counted for people


@record
class Subnet:
    """A subnet: how many of its addresses are used, and how many ADD can still assign.

    `free` is None if another IPAM plugin decides, or if there is no config.
    """

    subnet: str
    used: int
    free: int | None


@record
class Network:
    """A network; `file` and `config` are empty if no config of it is known."""

    name: str
    file: str
    plugins: tuple[str, ...]
    config: NetworkConfig | None
    bridge: str
    is_wire: bool
    subnets: tuple[Subnet, ...]
    attachments: tuple[Attached, ...]
    remembered: dict[str, tuple[str, ...]]  # addresses of deleted containers, with `ipam.sticky`

    @property
    def kind(self) -> str:
        """`wire` or `bridge`."""
        return "wire" if self.is_wire else "bridge"

    @property
    def containers(self) -> int:
        """The number of its containers."""
        return len({each.attachment.container for each in self.attachments})

    @property
    def masquerades(self) -> bool:
        """Whether what its containers send elsewhere gets the host's address."""
        rules = self.config.firewall if self.config else None
        return bool(rules and rules.masquerades) or any(
            each.protection.masquerades for each in self.attachments
        )


def known(found: Inventory, directory: str = "") -> tuple[Network, ...]:
    """Return the networks that have containers, in the inventory's order, then all others by file."""
    configs = {
        each.config.name: each
        for each in reversed(conflists.read(directory or conflists.directory()))
        if each.config
    }
    used: dict[str, list[Attached]] = {}
    for each in found.attachments:
        used.setdefault(each.attachment.network, []).append(each)
    idle = sorted(configs.keys() - used.keys(), key=lambda name: configs[name].file)
    return tuple(_network(name, configs.get(name), used.get(name, [])) for name in (*used, *idle))


def _network(name: str, network: conflists.Network | None, rows: list[Attached]) -> Network:
    settings = network.config if network else None
    is_wire = settings.is_wire if settings else any(each.is_wire for each in rows)
    bridges = [each.bridge for each in rows if each.bridge]
    planned = settings.bridge if settings and not is_wire else ""
    return Network(
        name=name,
        file=network.file if network else "",
        plugins=tuple(network.executables) if network else (),
        config=settings,
        bridge=bridges[0] if bridges else planned,
        is_wire=is_wire,
        subnets=tuple(_subnets(network, rows)),
        attachments=tuple(rows),
        remembered=remembered(settings) if settings else {},
    )


def remembered(settings: NetworkConfig) -> dict[str, tuple[str, ...]]:
    """Return the names of deleted containers that a network remembers, with their addresses."""
    ledger = store.find_ledger(settings.state_dir or STATE_DIR) if settings.ipam.sticky else None
    if ledger is None:
        return {}
    found = sticky.remembered(ledger.database, settings.name, settings.ipam.sticky)
    return {
        container_names.text(Names(own=name, namespace=namespace)): tuple(map(text, held))
        for (name, namespace), held in found.items()
    }


def _subnets(network: conflists.Network | None, rows: list[Attached]) -> Iterator[Subnet]:
    """Yield the subnets of the config with their addresses, then others that containers have."""
    leased = {parse_prefix(prefix) for each in rows for prefix in each.shown_addresses}
    taken = {prefix.ip for prefix in leased}
    listed = []
    settings = network.config if network else None
    if network and settings:
        with suppress(CniError):
            if reserved := sources.predecessor(settings.reservations_dir):
                taken |= set(reserved)
        for group in _range_sets(network, settings):
            for prefix in dict.fromkeys(each.subnet for each in group):
                own = tuple(each for each in group if each.subnet == prefix)
                used = sum(any(one.start <= ip <= one.end for one in own) for ip in taken)
                listed.append(prefix)
                yield Subnet(
                    subnet=prefix_text(prefix), used=used, free=max(0, ranges.size(own) - used)
                )
    others: dict[str, int] = {}
    for prefix in sorted(leased, key=lambda each: (len(each.ip), each.ip)):
        if not any(contains(each, prefix.ip) for each in listed):
            subnet = str(ipaddress.ip_interface(prefix_text(prefix)).network)
            others[subnet] = others.get(subnet, 0) + 1
    for subnet, used in others.items():
        yield Subnet(subnet=subnet, used=used, free=None)


def _range_sets(network: conflists.Network, settings: NetworkConfig) -> Iterable[RangeSet]:
    """Return the range sets; of a cluster network, this host's blocks."""
    if settings.cluster is None:
        return settings.ipam.range_sets or conflists.host_local_ranges(network)
    from cni_bridge.ledger import blocks

    ledger = store.find_ledger(settings.state_dir or STATE_DIR)
    try:
        return blocks.range_sets(ledger.database, settings.name) if ledger else ()
    except CniError:  # no block is leased to this host
        return ()
