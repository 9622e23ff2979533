"""Places of everything in the picture, in pixels.

Boxes in rows; below them the cables between boxes, then the host with its bridges.
"""

from collections.abc import Iterable, Iterator

from cni_bridge.cli.graph import grid
from cni_bridge.cli.graph.grid import Grid, Key
from cni_bridge.cli.graph.picture import Bar, Peer, Picture, Uplink, direct_wires
from cni_bridge.cli.graph.sizes import GAP, LINE, MARGIN, Rectangle, text_width
from cni_bridge.lean.record import record

CABLE = 30  # between two cables below the boxes
WIRE = 84  # from the boxes down to the first bridge
BAR_HEIGHT = 44
LEVEL = 78  # between two bridges one below the other
UPLINK_DROP = 48


@record
class Cable:
    """A veth pair between two chips, drawn below all boxes."""

    one: Key
    other: Key
    depth: float


@record
class Layout:
    """All places, by name."""

    grid: Grid
    cables: tuple[Cable, ...]
    bars: dict[str, Rectangle]
    uplinks: dict[str, Rectangle]
    peers: dict[str, Rectangle]
    host: Rectangle
    width: float
    height: float


def arrange(picture: Picture) -> Layout:
    """Place everything."""
    above = grid.arrange(picture.boxes, {bar.name: _least_width(bar) for bar in picture.bars})
    below = above.bottom
    cables = tuple(_cables(picture, below))
    top = below + CABLE * len(cables)
    bars = _bars(picture, above, top + (WIRE if picture.boxes else 2 * GAP))
    floor = max((place.bottom for place in bars.values()), default=top + 2 * GAP)
    uplinks = _row_of(picture.uplinks, floor + UPLINK_DROP)
    inside = (*bars.values(), *uplinks.values())
    right = max((above.right, *(place.right + GAP for place in inside)))
    host_top = min((place.y for place in bars.values()), default=floor) - 46
    bottom = max((place.bottom for place in inside), default=floor)
    width = max(right - MARGIN, text_width("host", 260))
    has_host = bool(inside)
    host = Rectangle(x=MARGIN, y=host_top, width=width, height=bottom + GAP - host_top)
    end = host.bottom if has_host else max(below, top)
    end += UPLINK_DROP + LINE if uplinks else 0
    peers = _row_of(picture.peers, end + UPLINK_DROP)
    end = max((place.bottom for place in peers.values()), default=end)
    width = max([width, *(place.right - MARGIN for place in peers.values())])
    return Layout(
        grid=above,
        cables=cables,
        bars=bars,
        uplinks=uplinks,
        peers=peers,
        host=host if has_host else Rectangle(x=0, y=0, width=0, height=0),
        width=width + 2 * MARGIN,
        height=end + MARGIN,
    )


def bar_text(bar: Bar) -> str:
    """Return the line below a bridge's name."""
    others = [f"foreign: {', '.join(bar.foreign)}"] if bar.foreign else []
    return ", ".join((*bar.facts, *others)) or "no address"


def _least_width(bar: Bar) -> float:
    return max(text_width(line, 2 * GAP) for line in (bar.title, bar_text(bar)))


def _cables(picture: Picture, top: float) -> Iterator[Cable]:
    for level, (box, chip, other, peer) in enumerate(direct_wires(picture)):
        yield Cable(
            one=(box.key, chip.name),
            other=(other.key, peer.name),
            depth=top + CABLE * (level + 0.7),
        )


def _bars(picture: Picture, above: Grid, top: float) -> dict[str, Rectangle]:
    """Place each bridge below its containers, on a lower level if it would cover another."""
    places: dict[str, Rectangle] = {}
    levels: list[float] = []  # how far to the right each is taken
    spans = {bar.name: list(_ports(bar, picture, above)) for bar in picture.bars}
    free = above.right + 2 * GAP
    for bar in sorted(picture.bars, key=lambda bar: min(spans[bar.name], default=(free, free))):
        left = min((start for start, _ in spans[bar.name]), default=free)
        right = max((end for _, end in spans[bar.name]), default=0)
        width = max(right - left, _least_width(bar))
        level = next((at for at, end in enumerate(levels) if end < left), len(levels))
        levels[level : level + 1] = [left + width]
        places[bar.name] = Rectangle(x=left, y=top + LEVEL * level, width=width, height=BAR_HEIGHT)
    return places


def _ports(bar: Bar, picture: Picture, above: Grid) -> Iterator[tuple[float, float]]:
    """Yield the horizontal span of each of a bridge's ports."""
    for box in picture.boxes:
        for chip in box.chips:
            if chip.bar == bar.name:
                place, drop = above.chips[box.key, chip.name], above.drops[box.key, chip.name]
                yield (drop.x - GAP, drop.x + GAP) if drop.turn else (place.x, place.right)


def _row_of(items: Iterable[Uplink | Peer], top: float) -> dict[str, Rectangle]:
    places = {}
    x = float(MARGIN + GAP)
    for each in items:
        width = max(text_width(line, 24) for line in (each.name, *each.lines, " " * 12))
        height = LINE * (1 + len(each.lines)) + GAP
        places[each.name] = Rectangle(x=x, y=top, width=width, height=height)
        x += width + GAP
    return places
