"""The picture as a tree for the terminal."""

from io import StringIO

from rich.tree import Tree

from cni_bridge.cli import terminal
from cni_bridge.cli.graph.picture import Bar, Box, Chip, Picture
from cni_bridge.cli.terminal import Text

BAD = "bold red"
WIDTH = 200


def render(picture: Picture) -> Tree:
    """Return the host with its bridges and their ports, then everything else."""
    root = Tree(Text("host", style="bold"), guide_style="dim")
    for bar in picture.bars:
        _grow_bar(root, bar, picture.boxes)
    if not picture.bars and not picture.boxes:
        root.add(Text("no networks: `cni-bridge init NAME` writes the first"))
    for uplink in picture.uplinks:
        way = f" to {uplink.gateway}" if uplink.gateway else ""
        root.add(Text.assemble((uplink.name, "bold"), f"  {' '.join(uplink.lines)}{way}  uplink"))
    for peer in picture.peers:
        line = Text.assemble((peer.name, "bold magenta"), f"  {' '.join(peer.lines)}")
        root.add(line.append(f"  host of {peer.device}"))
    for box in picture.boxes:
        rest = [chip for chip in box.chips if not chip.bar]
        if rest:
            branch = root.add(Text.assemble((box.title, "bold cyan"), "  namespace"))
            for chip in rest:
                branch.add(_chip(chip, picture.boxes))
    return root


def as_plain_text(picture: Picture) -> str:
    """Return the tree for a file."""
    file = StringIO()
    terminal.screen(file, WIDTH).print(render(picture))
    return file.getvalue().rstrip("\n")


def _grow_bar(root: Tree, bar: Bar, boxes: tuple[Box, ...]) -> None:
    style = "bold yellow" if bar.is_well else BAD
    more = ", masquerades" if bar.masquerades else ""
    named = Text.assemble((", ".join(bar.networks), style), "  " if bar.networks else "")
    branch = root.add(named.append(f"bridge {bar.name}  {', '.join(bar.lines)}{more}"))
    for box in boxes:
        for chip in box.chips:
            if chip.bar == bar.name:
                wire = Text(f"{chip.host_end} ── ", style="dim")
                line = Text.assemble(wire, (chip.name, "green" if chip.is_well else BAD))
                line.append(" in ").append(box.title, "bold cyan")
                branch.add(line.append(_facts(chip)))
    for name in bar.foreign:
        branch.add(Text(f"{name}  foreign", style="dim"))


def _chip(chip: Chip, boxes: tuple[Box, ...]) -> Text:
    line = Text.assemble((chip.name, "green" if chip.is_well else BAD), _facts(chip))
    titles = {box.key: box.title for box in boxes}
    if chip.peer_box in titles:
        line.append(f" ── {chip.peer_chip} in ").append(titles[chip.peer_box], "bold cyan")
    return line


def _facts(chip: Chip) -> str:
    return "".join(f"  {' '.join(each)}" for each in (chip.lines, chip.ports) if each)
