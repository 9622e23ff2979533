"""What is drawn: boxes with chips, bars that chips are wired to, and uplinks.

Made from an inventory; each notation decides how it looks.
"""

from collections.abc import Mapping
from typing import Any

from cni_bridge import address
from cni_bridge.cli import inventory, terminal
from cni_bridge.cli.clusters import Cluster
from cni_bridge.cli.host_state import HOST, KernelInterface, Space
from cni_bridge.cli.inventory import Attached, Inventory
from cni_bridge.lean.record import record, replace

LATEST = 1 << 63
PEERS_SHOWN = 5  # of a cluster network


@record
class Chip:
    """An interface in a box, wired to a bar through its host end, or to a chip of another box."""

    name: str
    lines: tuple[str, ...]
    is_well: bool
    ports: tuple[str, ...] = ()  # published
    bar: str = ""
    host_end: str = ""
    peer_box: str = ""
    peer_chip: str = ""

    @property
    def facts(self) -> tuple[str, ...]:
        """The lines, then the published ports."""
        return (*self.lines, *self.ports)


@record
class Box:
    """A network namespace other than the host's."""

    key: str
    title: str
    chips: tuple[Chip, ...]


@record
class Bar:
    """A bridge; `masquerades`: outgoing packets get the host's address."""

    name: str
    lines: tuple[str, ...]
    masquerades: bool
    is_well: bool
    is_gateway: bool
    foreign: tuple[str, ...]
    networks: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """The networks that use the bridge, and its name."""
        bridge = f"bridge {self.name}"
        return f"{', '.join(self.networks)} ({bridge})" if self.networks else bridge

    @property
    def facts(self) -> tuple[str, ...]:
        """The lines, masquerade included, since there may be no uplink to show it at."""
        return (*self.lines, *(("masquerades",) if self.masquerades else ()))


@record
class Uplink:
    """An interface of the host with a default route."""

    name: str
    lines: tuple[str, ...]
    gateway: str


@record
class Peer:
    """Another host of a cluster network; `device` says how packets get there."""

    name: str
    lines: tuple[str, ...]
    device: str


@record
class Picture:
    """Everything to draw."""

    boxes: tuple[Box, ...]
    bars: tuple[Bar, ...]
    uplinks: tuple[Uplink, ...]
    peers: tuple[Peer, ...] = ()


def draw(found: Inventory, networks: Mapping[str, tuple[str, ...]] | None = None) -> Picture:
    """Return the picture of an inventory; `networks`: those of the configs, by bridge."""
    containers: dict[str, list[Attached]] = {}
    for each in _in_order(found.attachments):
        if each.space is not None or each.health != inventory.LEAKED:
            containers.setdefault(each.attachment.container, []).append(each)
    boxes = [_container(key, rows) for key, rows in containers.items()]
    seen = {HOST, *(each.attachment.container for each in found.attachments)}
    configured = dict(networks or {})
    there = {each.name for each in found.bridges}
    boxes += [_space(each) for each in found.spaces if each.name not in seen]
    picture: Picture = _cleaned(
        Picture(
            boxes=tuple(boxes),
            bars=(
                *(_bar(each, found, configured.get(each.name, ())) for each in found.bridges),
                *(_planned(name, of) for name, of in configured.items() if name not in there),
            ),
            uplinks=tuple(_uplinks(found.host)),
            peers=tuple(peer for each in found.clusters for peer in _peers(each)),
        )
    )
    return picture


def direct_wires(picture: Picture) -> list[tuple[Box, Chip, Box, Chip]]:
    """Return each pair of chips wired to each other, once."""
    chips = {(box.key, chip.name): (box, chip) for box in picture.boxes for chip in box.chips}
    pairs: dict[frozenset[tuple[str, str]], tuple[Box, Chip, Box, Chip]] = {}
    for (key, name), (box, chip) in chips.items():
        other = (chip.peer_box, chip.peer_chip)
        if other in chips:
            pairs.setdefault(frozenset(((key, name), other)), (box, chip, *chips[other]))
    return list(pairs.values())


def _cleaned(value: Any) -> Any:
    """Return a picture without letters that a notation or a terminal may not hold."""
    if isinstance(value, str):
        return terminal.clean(value)
    if isinstance(value, tuple):
        return tuple(map(_cleaned, value))
    if hasattr(value, "__dict__"):
        return replace(value, **{name: _cleaned(inner) for name, inner in vars(value).items()})
    return value


def _in_order(attachments: tuple[Attached, ...]) -> list[Attached]:
    """Sort by network, so that a bridge's containers stand side by side; oldest first."""
    oldest: dict[str, int] = {}
    for each in attachments:
        network = each.attachment.network
        oldest[network] = min(oldest.get(network, LATEST), each.created or LATEST)
    return sorted(
        attachments,
        key=lambda each: (oldest[each.attachment.network], each.created or LATEST),
    )


def _container(key: str, rows: list[Attached]) -> Box:
    return Box(key=key, title=rows[0].title, chips=tuple(_attached(row) for row in rows))


def _attached(each: Attached) -> Chip:
    is_well = each.health in (inventory.OK, inventory.ADDING)
    return Chip(
        name=each.attachment.ifname,
        lines=(
            *each.shown_addresses,
            *(() if is_well else (each.health,)),
        ),
        is_well=is_well,
        ports=each.protection.port_texts,
        bar=each.bridge,
        host_end=each.host_name if each.host_end else "",
        peer_box=each.far_end.space if each.far_end else "",
        peer_chip=each.far_end.interface if each.far_end else "",
    )


def _space(space: Space) -> Box:
    """Return a namespace without attachments; its `lo` is shown if it has nothing else."""
    shown = [each for each in space.interfaces if each.name != "lo"] or space.interfaces
    return Box(key=space.name, title=space.name, chips=tuple(_interface(each) for each in shown))


def _interface(each: KernelInterface) -> Chip:
    peer = each.peer
    return Chip(
        name=each.name,
        lines=(*each.addresses, *(() if each.is_up else ("down",))),
        is_well=True,
        peer_box=peer.space if peer else "",
        peer_chip=peer.interface if peer else "",
    )


def _bar(bridge: KernelInterface, found: Inventory, configured: tuple[str, ...]) -> Bar:
    own = [each for each in found.attachments if each.bridge == bridge.name]
    restrictions = dict.fromkeys(filter(None, (each.protection.restrictions for each in own)))
    return Bar(
        name=bridge.name,
        lines=(*bridge.addresses, *restrictions, *(() if bridge.is_up else ("down",))),
        is_well=bridge.is_up,
        masquerades=any(each.protection.masquerades for each in own),
        is_gateway=bool(bridge.addresses),
        foreign=tuple(each.name for each in found.foreign if each.master == bridge.name),
        networks=tuple(dict.fromkeys((*(each.attachment.network for each in own), *configured))),
    )


def _planned(bridge: str, networks: tuple[str, ...]) -> Bar:
    """Return a bridge that does not exist yet."""
    return Bar(
        name=bridge,
        lines=("created with the first container",),
        masquerades=False,
        is_well=True,
        is_gateway=False,
        foreign=(),
        networks=networks,
    )


def _uplinks(host: Space) -> list[Uplink]:
    gateways = {
        route.device: route.gateway
        for route in reversed(host.routes)
        if route.destination in ("0.0.0.0/0", "::/0")
    }
    return [
        Uplink(name=each.name, lines=each.addresses, gateway=gateways[each.name])
        for each in host.interfaces
        if each.name in gateways
    ]


def _peers(cluster: Cluster) -> list[Peer]:
    """Return the first few hosts, and the number of the rest."""
    device = f"{cluster.name}, {cluster.backend}"
    shown = [
        Peer(
            name=cluster.title(host.id),
            lines=(
                *map(address.text, host.addresses),
                *cluster.blocks_of(host),
                *(() if cluster.is_member(host) else ("absent",)),
            ),
            device=device,
        )
        for host in cluster.peers[:PEERS_SHOWN]
    ]
    if rest := len(cluster.peers) - len(shown):
        shown.append(Peer(name=f"… and {rest} more", lines=(), device=device))
    return shown
