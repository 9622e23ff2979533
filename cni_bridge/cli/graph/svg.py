"""The picture as a self-contained SVG: no fonts, no scripts, light and dark."""

from collections.abc import Iterator
from html import escape

from cni_bridge.cli import units
from cni_bridge.cli.graph import layout
from cni_bridge.cli.graph.grid import Grid, Key
from cni_bridge.cli.graph.layout import Layout
from cni_bridge.cli.graph.picture import Bar, Picture
from cni_bridge.cli.graph.sizes import GAP, LINE, Rectangle

# Written out for both schemes, without variables: some viewers know none.
LIGHT = """\
.page{fill:#ffffff}.host{fill:#f6f8fa;stroke:#8c959f}.box{fill:#ddf4ff;stroke:#218bff}
.chip{fill:#ffffff;stroke:#54aeff}.bad{stroke:#cf222e;stroke-width:2}
.bar{fill:#fff1cc;stroke:#bf8700}.port{fill:#bf8700}.uplink{fill:#ffffff;stroke:#8c959f}
.wire{stroke:#57606a}.way{stroke:#8c959f}text{fill:#1f2328}.small{fill:#57606a}
.halo{stroke:#f6f8fa}.veil{stroke:#ffffff}"""
DARK = """\
.page{fill:#0d1117}.host{fill:#161b22;stroke:#6e7681}.box{fill:#0c2d6b;stroke:#388bfd}
.chip{fill:#0d1117;stroke:#1f6feb}.bad{stroke:#f85149;stroke-width:2}
.bar{fill:#4b2900;stroke:#d29922}.port{fill:#d29922}.uplink{fill:#0d1117;stroke:#6e7681}
.wire{stroke:#b1bac4}.way{stroke:#6e7681}text{fill:#f0f6fc}.small{fill:#b1bac4}
.halo{stroke:#161b22}.veil{stroke:#0d1117}"""
STYLE = f"""\
text{{font:12px ui-monospace,"DejaVu Sans Mono",Menlo,Consolas,monospace}}
.title{{font-weight:bold}}.small{{font-size:10px}}.halo,.veil{{stroke-width:4;stroke-linejoin:round}}
.host{{stroke-dasharray:6 4}}.wire,.way{{fill:none;stroke-width:1.5}}.way{{stroke-dasharray:3 4}}
{LIGHT}
@media(prefers-color-scheme:dark){{
{DARK}
}}"""
CORNER = 8


def render(picture: Picture) -> str:
    """Return the text of an SVG file."""
    places = layout.arrange(picture)
    width, height = round(places.width), round(places.height)
    body = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" role="img">',
        f"<title>{escape(_title(picture))}</title>",
        f"<style>{STYLE}</style>",
        f'<rect class="page" width="{width}" height="{height}"/>',
        *_host(places),
        *_boxes(picture, places),
        *_wires(picture, places),
        *_bars(picture, places),
        *_uplinks(picture, places),
        *_peers(picture, places),
        "</svg>",
    ]
    return "\n".join(body)


def _title(picture: Picture) -> str:
    counts = {"namespace": len(picture.boxes), "bridge": len(picture.bars)}
    return " and ".join(units.count(n, what) for what, n in counts.items())


def _host(places: Layout) -> Iterator[str]:
    if places.host.width:
        yield _rectangle("host", places.host)
        yield _text(places.host.x + GAP, places.host.y + 20, "host", "title")


def _boxes(picture: Picture, places: Layout) -> Iterator[str]:
    for box in picture.boxes:
        place = places.grid.boxes[box.key]
        yield _rectangle("box", place)
        yield _text(place.x + GAP, place.y + 20, box.title, "title")
        for chip in box.chips:
            inner = places.grid.chips[box.key, chip.name]
            yield _rectangle("chip" if chip.is_well else "chip bad", inner)
            yield from _stack(inner, (chip.name, *chip.facts))


def _wires(picture: Picture, places: Layout) -> Iterator[str]:
    grid = places.grid
    for cable in places.cables:
        depth, start, end = cable.depth, grid.drops[cable.one].x, grid.drops[cable.other].x
        yield f'<path class="wire" d="{_way_down(grid, cable.one)}V{depth:.0f}H{end:.0f}"/>'
        yield f'<path class="wire" d="{_way_down(grid, cable.other)}V{depth:.0f}"/>'
        yield _text((start + end) / 2, depth + 13, "veth", "small", centred=True)
    for box in picture.boxes:
        for chip in box.chips:
            if chip.bar in places.bars:
                way, bar = _way_down(grid, (box.key, chip.name)), places.bars[chip.bar]
                yield f'<path class="wire" d="{way}V{bar.y:.0f}"/>'


def _way_down(grid: Grid, chip: Key) -> str:
    place, drop = grid.chips[chip], grid.drops[chip]
    aside = f"V{drop.turn:.0f}H{drop.x:.0f}" if drop.turn else ""
    return f"M{place.middle:.0f} {place.bottom:.0f}{aside}"


def _bars(picture: Picture, places: Layout) -> Iterator[str]:
    for bar in picture.bars:
        place = places.bars[bar.name]
        for uplink in places.uplinks.values() if bar.is_gateway else ():
            start, level = place.x + 2 * GAP, uplink.y - GAP
            yield (
                f'<path class="way" d="M{start:.0f} {place.bottom:.0f}V{level:.0f}'
                f'H{uplink.middle:.0f}V{uplink.y:.0f}"/>'
            )
            if bar.masquerades:
                yield _text(start + 6, place.bottom + 15, "masquerade", "small")
        yield _rectangle("bar" if bar.is_well else "bar bad", place)
        yield _text(place.x + GAP, place.y + 19, bar.title, "title")
        yield _text(place.x + GAP, place.y + 35, layout.bar_text(bar))
        yield from _ports(bar, place, picture, places.grid)


def _ports(bar: Bar, place: Rectangle, picture: Picture, grid: Grid) -> Iterator[str]:
    """Draw host ends as dots; names stand above, or below the box if wires are dense."""
    for box in picture.boxes:
        for chip in box.chips:
            if chip.bar != bar.name:
                continue
            drop = grid.drops[box.key, chip.name]
            x, y, ground = drop.x, place.y - 10, "halo"
            if drop.turn:
                x = grid.chips[box.key, chip.name].middle
                y, ground = grid.boxes[box.key].bottom + LINE, "veil"
            yield f'<circle class="port" cx="{drop.x:.0f}" cy="{place.y:.0f}" r="4"/>'
            yield _text(x, y, chip.host_end, f"small {ground}", centred=True)
            yield _text(x, y, chip.host_end, "small", centred=True)


def _uplinks(picture: Picture, places: Layout) -> Iterator[str]:
    for uplink in picture.uplinks:
        place = places.uplinks[uplink.name]
        end = places.host.bottom + 30
        yield f'<path class="way" d="M{place.middle:.0f} {place.bottom:.0f}V{end:.0f}"/>'
        yield _rectangle("uplink", place)
        yield from _stack(place, (uplink.name, *uplink.lines))
        way = f"outside, by {uplink.gateway}" if uplink.gateway else "outside"
        yield _text(place.middle, end + LINE, way, "small", centred=True)


def _peers(picture: Picture, places: Layout) -> Iterator[str]:
    for peer in picture.peers:
        place = places.peers[peer.name]
        way = f"M{place.middle:.0f} {places.host.bottom:.0f}V{place.y:.0f}"
        yield f'<path class="way" d="{way}"/>'
        yield _text(place.middle + 6, place.y - 8, peer.device, "small")
        yield _rectangle("box", place)
        yield from _stack(place, (peer.name, *peer.lines))


def _stack(place: Rectangle, lines: tuple[str, ...]) -> Iterator[str]:
    for at, line in enumerate(lines):
        y = place.y + 20 + at * LINE
        yield _text(place.middle, y, line, "small" if at else "title", centred=True)


def _rectangle(kind: str, place: Rectangle) -> str:
    return (
        f'<rect class="{kind}" x="{place.x:.0f}" y="{place.y:.0f}" width="{place.width:.0f}" '
        f'height="{place.height:.0f}" rx="{CORNER}"/>'
    )


def _text(x: float, y: float, text: str, kind: str = "", *, centred: bool = False) -> str:
    anchor = ' text-anchor="middle"' if centred else ""
    name = f' class="{kind}"' if kind else ""
    return f'<text x="{x:.0f}" y="{y:.0f}"{name}{anchor}>{escape(text)}</text>'
