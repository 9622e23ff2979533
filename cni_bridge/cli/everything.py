"""All network namespaces of the host, made by hand, by the lab or by other programs.

For `show --all` and `graph --all`, where the ledger says nothing.
"""

import os
from collections.abc import Iterable, Iterator

from rich.table import Table

from cni_bridge.cli import inventory, terminal
from cni_bridge.cli.graph.picture import Bar, Box, Chip, Picture
from cni_bridge.cli.host_state import HOST, KernelInterface, Space
from cni_bridge.cli.inventory import Inventory
from cni_bridge.cli.terminal import Text
from cni_bridge.kernel.netns import OWN_NETNS
from cni_bridge.lean.record import replace

DIRECTORIES = ("/run/netns", "/run/docker/netns")


def take(*state_dirs: str) -> Inventory:
    """Return the inventory with every namespace and every bridge of the host."""
    found = inventory.take(*state_dirs, others=dict(_others()))
    bridges = tuple(each for each in found.host.interfaces if each.kind == "bridge")
    return replace(found, bridges=bridges)


def complete(picture: Picture, found: Inventory) -> Picture:
    """Return the picture with veth pairs wired to the host's bridges, and bridges in namespaces."""
    spaces = {each.name: each for each in found.spaces}
    boxes = tuple(_box(each, spaces) for each in picture.boxes)
    wired = {chip.host_end for box in boxes for chip in box.chips if chip.host_end}
    bars = tuple(_bar(each, found.host, wired) for each in picture.bars)
    return replace(picture, boxes=boxes, bars=bars)


def table(spaces: Iterable[Space]) -> Table:
    """Return every interface by namespace, with the namespace's id, and what it is wired to."""
    whole = ("id", "interface", "addresses")
    made = terminal.table("namespace", *whole, "wired to", whole=whole)
    for space in spaces:
        title, number = space.name or "host", str(space.identity.inode)
        for each in _in_order(space):
            facts = each.addresses or (("up" if each.is_up else "down"),)
            made.add_row(title, number, each.name, terminal.lines(facts), _wired_to(each))
            title = number = ""
    return made


def as_json(spaces: Iterable[Space]) -> list[dict[str, object]]:
    """Return the same for programs."""
    return [
        {
            "namespace": space.name or "host",
            "id": space.identity.inode,
            "interfaces": [
                {
                    "name": each.name,
                    "kind": each.kind,
                    "up": each.is_up,
                    "addresses": list(each.addresses),
                    "bridge": each.master,
                    "peer": {"namespace": each.peer.space or "host", "name": each.peer.interface}
                    if each.peer
                    else None,
                }
                for each in space.interfaces
            ],
        }
        for space in spaces
    ]


def _others() -> Iterator[tuple[str, str]]:
    """Yield name and path of each namespace but this one, each once, named ones first."""
    seen = {os.stat(OWN_NETNS).st_ino}
    for name, path in (*_named(), *_of_processes()):
        try:
            number = os.stat(path).st_ino
        except OSError:  # it is gone
            continue
        if number not in seen:
            seen.add(number)
            yield name, path


def _named() -> Iterator[tuple[str, str]]:
    for directory in DIRECTORIES:
        if os.path.isdir(directory):
            yield from ((each, f"{directory}/{each}") for each in sorted(os.listdir(directory)))


def _of_processes() -> Iterator[tuple[str, str]]:
    for process in sorted(filter(str.isdecimal, os.listdir("/proc")), key=int):
        try:
            with open(f"/proc/{process}/comm", encoding="utf-8", errors="replace") as file:
                yield f"{file.read().strip()} (process {process})", f"/proc/{process}/ns/net"
        except OSError:  # it has ended
            continue


def _box(box: Box, spaces: dict[str, Space]) -> Box:
    space = spaces.get(box.key)
    if space is None:
        return box
    chips = (_chip(each, space.interface(each.name), spaces[HOST]) for each in box.chips)
    return replace(box, title=f"{box.title}  id {space.identity.inode}", chips=tuple(chips))


def _chip(chip: Chip, interface: KernelInterface | None, host: Space) -> Chip:
    if interface is None or chip.bar:
        return chip
    lines = chip.lines
    if interface.kind not in ("", "veth"):
        lines = (*lines, interface.kind)
    if interface.master:
        lines = (*lines, f"on {interface.master}")
    peer = host.interface(interface.peer.interface) if _is_host(interface) else None  # type: ignore[union-attr]
    if peer is None:
        return replace(chip, lines=lines)
    if peer.master:
        return replace(chip, lines=lines, bar=peer.master, host_end=peer.name)
    here = " ".join((f"── {peer.name} on the host", *peer.addresses))
    return replace(chip, lines=(*lines, here))


def _is_host(interface: KernelInterface) -> bool:
    return interface.peer is not None and interface.peer.space == HOST


def _bar(bar: Bar, host: Space, wired: set[str]) -> Bar:
    ports = (each.name for each in host.interfaces if each.master == bar.name)
    return replace(bar, foreign=tuple(each for each in ports if each not in wired))


def _in_order(space: Space) -> list[KernelInterface]:
    """Return the interfaces, bridges first and each followed by its ports."""
    masters = {each.name: each.index for each in space.interfaces}
    return sorted(
        space.interfaces,
        key=lambda each: (masters.get(each.master, each.index), bool(each.master), each.index),
    )


def _wired_to(each: KernelInterface) -> Text:
    ends = [f"{each.peer.interface} in {each.peer.space or 'host'}"] if each.peer else []
    ends += [f"bridge {each.master}"] if each.master else []
    ends += [each.kind] if each.kind not in ("veth", "") else []
    return Text(", ".join(ends))
