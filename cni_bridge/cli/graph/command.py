"""`cni-bridge graph`: draw the host's networks in the chosen notation."""

import argparse
from collections.abc import Mapping
from pathlib import Path

from cni_bridge.cli import conflists, inventory, terminal
from cni_bridge.cli.graph import picture as pictures
from cni_bridge.cli.graph import text
from cni_bridge.cli.graph.picture import Picture
from cni_bridge.cli.inventory import Inventory
from cni_bridge.cli.options import Commands, Options, add_command, add_state_dir
from cni_bridge.errors import IOFailure

NOTATIONS = ("text", "mermaid", "dot", "svg", "html")
EXAMPLES = """\
  cni-bridge graph
  cni-bridge graph --all                           # also what others made
  cni-bridge graph --format svg -o network.svg     # for a slide, light and dark
  cni-bridge graph --format mermaid                # for a README
  cni-bridge graph --format dot | dot -Tpng > network.png"""


def register(commands: Commands) -> None:
    """Add the command and its options."""
    parser = add_command(
        commands,
        "graph",
        run,
        description="Draws what `show` lists: namespaces, veth pairs, bridges, addresses, uplinks.",
        examples=EXAMPLES,
    )
    add_format(parser)
    parser.add_argument("--all", action="store_true", help="every namespace and bridge of the host")
    add_state_dir(parser)


def add_format(parser: argparse.ArgumentParser) -> None:
    """Add --format and --output."""
    parser.add_argument(
        "--format", choices=NOTATIONS, default="text", help="text, a tree, by default"
    )
    parser.add_argument("-o", "--output", metavar="FILE", help="write a file instead of stdout")


def run(options: Options) -> int:
    """Draw the host."""
    bridges: dict[str, tuple[str, ...]] = {}
    for each in conflists.read(conflists.directory()):
        if each.config and not each.config.is_wire:
            name = each.config.bridge
            bridges[name] = (*bridges.get(name, ()), each.config.name)
    ledgers = conflists.ledgers(options.state_dir)
    if not options.all:
        return draw(inventory.take(*ledgers), options, bridges)
    from cni_bridge.cli import everything

    found = everything.take(*ledgers)
    return _print(everything.complete(pictures.draw(found, bridges), found), options)


def draw(
    found: Inventory, options: Options, networks: Mapping[str, tuple[str, ...]] | None = None
) -> int:
    """Draw an inventory as the options say; `networks`: those of the configs, by bridge."""
    return _print(pictures.draw(found, networks), options)


def rendered(notation: str, picture: Picture) -> str:
    """Return the picture as text in a notation; only its module is loaded."""
    if notation == "mermaid":
        from cni_bridge.cli.graph import mermaid

        return mermaid.render(picture)
    if notation == "dot":
        from cni_bridge.cli.graph import dot

        return dot.render(picture)
    if notation == "svg":
        from cni_bridge.cli.graph import svg

        return svg.render(picture)
    if notation == "html":
        from cni_bridge.cli.graph import page

        return page.render(picture)
    return text.as_plain_text(picture)


def _print(picture: Picture, options: Options) -> int:
    if options.format == "text" and options.output is None:
        terminal.console().print(text.render(picture))
        return 0
    drawing = rendered(options.format, picture)
    if options.output is None:
        terminal.write(drawing)
        return 0
    try:
        Path(options.output).write_text(drawing + "\n", encoding="utf-8")
    except OSError as error:
        raise IOFailure(f"cannot write {options.output}: {error.strerror}") from error
    return 0
