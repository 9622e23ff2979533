"""The picture as one HTML page: the SVG, and below it the same as a table."""

from html import escape

from cni_bridge.cli.graph import svg
from cni_bridge.cli.graph.picture import Box, Chip, Picture

PAGE = """\
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="color-scheme" content="light dark">
<title>cni-bridge</title>
<style>
body{{font:14px system-ui,sans-serif;margin:2em}}
svg{{max-width:100%;height:auto}}
table{{border-collapse:collapse;margin-top:1em}}
td,th{{text-align:left;padding:.3em 1em .3em 0;border-bottom:1px solid #8c959f66}}
</style>
{drawing}
<table>
<tr><th>container<th>interface<th>addresses<th>ports<th>host end<th>bridge<th>network
{rows}
</table>
</html>"""


def render(picture: Picture) -> str:
    """Return the page's text."""
    networks = {bar.name: ", ".join(bar.networks) for bar in picture.bars}
    rows = [
        _row(box, chip, networks.get(chip.bar, "")) for box in picture.boxes for chip in box.chips
    ]
    return PAGE.format(drawing=svg.render(picture), rows="\n".join(rows))


def _row(box: Box, chip: Chip, network: str) -> str:
    """Return a chip's row; the namespace's full name is a tooltip."""
    ports = ", ".join(chip.ports)
    rest = (chip.name, " ".join(chip.lines), ports, chip.host_end, chip.bar, network)
    cells = "".join(f"<td>{escape(text)}" for text in rest)
    return f'<tr><td title="{escape(box.key)}">{escape(box.title)}{cells}'
