"""Where everything of the picture stands on a page, in pixels.

Boxes in a row; below them the cables between two of them, then the host with its bridges.
"""

from collections.abc import Iterable

from cni_bridge.cli.graph.picture import Bar, Box, Chip, Peer, Picture, Uplink, direct_wires
from cni_bridge.record import record

MARGIN = 24
LETTER = 7.3  # width of a letter of the font, at its size
LINE = 16
GAP = 14
TITLE = 30  # height of a box's title
CHIP_WIDTH = 124
CABLE = 30  # between two cables below the boxes
WIRE = 84  # from the boxes down to the first bridge
BAR_HEIGHT = 44
LEVEL = 78  # between two bridges one below the other
UPLINK_DROP = 48


@record
class Rectangle:
    """A place on the page."""

    x: float
    y: float
    width: float
    height: float

    @property
    def middle(self) -> float:
        """Its horizontal middle."""
        return self.x + self.width / 2

    @property
    def bottom(self) -> float:
        """Its lower edge."""
        return self.y + self.height

    @property
    def right(self) -> float:
        """Its right edge."""
        return self.x + self.width


@record
class Layout:
    """Places by what they belong to."""

    boxes: dict[str, Rectangle]
    chips: dict[tuple[str, str], Rectangle]
    cables: tuple[tuple[float, float, float, float], ...]  # from x, to x, top, depth
    bars: dict[str, Rectangle]
    uplinks: dict[str, Rectangle]
    peers: dict[str, Rectangle]
    host: Rectangle
    width: float
    height: float


def arrange(picture: Picture) -> Layout:
    """A place for everything."""
    boxes, chips = _row(picture.boxes)
    below = max((place.bottom for place in boxes.values()), default=MARGIN)
    cables = _cables(picture, chips, below)
    top = below + CABLE * len(cables)
    bars = _bars(picture, chips, top + (WIRE if picture.boxes else 2 * GAP))
    floor = max((place.bottom for place in bars.values()), default=top + 2 * GAP)
    uplinks = _row_of(picture.uplinks, floor + UPLINK_DROP)
    inside = (*bars.values(), *uplinks.values())
    right = max((place.right for place in (*boxes.values(), *inside)), default=0)
    host_top = min((place.y for place in bars.values()), default=floor) - 46
    bottom = max((place.bottom for place in inside), default=floor)
    width = max(right - MARGIN, _text_width("host", 260))
    has_host = bool(inside)
    host = Rectangle(x=MARGIN, y=host_top, width=width, height=bottom + GAP - host_top)
    end = host.bottom if has_host else max(below, top)
    end += UPLINK_DROP + LINE if uplinks else 0
    peers = _row_of(picture.peers, end + UPLINK_DROP)
    end = max((place.bottom for place in peers.values()), default=end)
    width = max([width, *(place.right - MARGIN for place in peers.values())])
    return Layout(
        boxes=boxes,
        chips=chips,
        cables=cables,
        bars=bars,
        uplinks=uplinks,
        peers=peers,
        host=host if has_host else Rectangle(x=0, y=0, width=0, height=0),
        width=width + 2 * MARGIN,
        height=end + MARGIN,
    )


def bar_text(bar: Bar) -> str:
    """What stands below a bridge's name."""
    others = [f"and not ours: {', '.join(bar.foreign)}"] if bar.foreign else []
    return " ".join((*bar.lines, *others)) or "bridge"


def _row(
    boxes: tuple[Box, ...],
) -> tuple[dict[str, Rectangle], dict[tuple[str, str], Rectangle]]:
    """The boxes side by side, all as high as the highest."""
    places, chips = {}, {}
    height = max((_chip_height(chip) for box in boxes for chip in box.chips), default=LINE)
    x = float(MARGIN)
    for box in boxes:
        left = x
        x += GAP
        for chip in box.chips:
            width = _chip_width(chip)
            chips[box.key, chip.name] = Rectangle(
                x=x, y=MARGIN + TITLE, width=width, height=_chip_height(chip)
            )
            x += width + GAP
        x = max(x, left + _text_width(box.title, 2 * GAP))
        places[box.key] = Rectangle(x=left, y=MARGIN, width=x - left, height=TITLE + height + GAP)
        x += GAP
    return places, chips


def _cables(
    picture: Picture, chips: dict[tuple[str, str], Rectangle], top: float
) -> tuple[tuple[float, float, float, float], ...]:
    return tuple(
        (
            chips[box.key, chip.name].middle,
            chips[other.key, peer.name].middle,
            chips[box.key, chip.name].bottom,
            top + CABLE * (level + 0.7),
        )
        for level, (box, chip, other, peer) in enumerate(direct_wires(picture))
    )


def _bars(
    picture: Picture, chips: dict[tuple[str, str], Rectangle], top: float
) -> dict[str, Rectangle]:
    """Each bridge below its containers; on a lower level where it would cover another."""
    places: dict[str, Rectangle] = {}
    levels: list[float] = []  # how far to the right each is taken
    free = max((place.right for place in chips.values()), default=0) + 2 * GAP
    for bar in sorted(picture.bars, key=lambda bar: _left(bar, picture, chips)):
        ports = _ports(bar, picture, chips)
        left = min((place.x for place in ports), default=free)
        right = max((place.right for place in ports), default=0)
        width = max(right - left, _text_width(bar_text(bar), 2 * GAP))
        level = next((at for at, end in enumerate(levels) if end < left), len(levels))
        levels[level : level + 1] = [left + width]
        places[bar.name] = Rectangle(x=left, y=top + LEVEL * level, width=width, height=BAR_HEIGHT)
    return places


def _ports(bar: Bar, picture: Picture, chips: dict[tuple[str, str], Rectangle]) -> list[Rectangle]:
    return [
        chips[box.key, chip.name]
        for box in picture.boxes
        for chip in box.chips
        if chip.bar == bar.name
    ]


def _left(bar: Bar, picture: Picture, chips: dict[tuple[str, str], Rectangle]) -> float:
    return min((place.x for place in _ports(bar, picture, chips)), default=float("inf"))


def _row_of(items: Iterable[Uplink | Peer], top: float) -> dict[str, Rectangle]:
    places = {}
    x = float(MARGIN + GAP)
    for each in items:
        width = max(_text_width(line, 24) for line in (each.name, *each.lines, " " * 12))
        height = LINE * (1 + len(each.lines)) + GAP
        places[each.name] = Rectangle(x=x, y=top, width=width, height=height)
        x += width + GAP
    return places


def _chip_width(chip: Chip) -> float:
    return max(CHIP_WIDTH, *(_text_width(line, 24) for line in (chip.name, *chip.lines)))


def _chip_height(chip: Chip) -> float:
    return LINE * (1 + len(chip.lines)) + GAP


def _text_width(text: str, around: float) -> float:
    return len(text) * LETTER + around
