"""Places of the boxes: side by side, in several rows if one would be wider than a page.

Also the path of each wire from its chip to below all boxes.
"""

from collections.abc import Mapping
from itertools import groupby

from cni_bridge.cli.graph.picture import Box, Chip
from cni_bridge.cli.graph.sizes import GAP, LINE, MARGIN, TITLE, Rectangle, text_width
from cni_bridge.lean.record import record

PAGE = 1700  # beyond this a screen shows letters too small to read
CHIP_WIDTH = 124
LANE = 9  # between wires side by side
CAPTION = 20  # below a box: the name of a host end

Key = tuple[str, str]  # of a chip: its box and its name


@record
class Drop:
    """The point below the boxes where a wire ends; `turn`: the height where it turns aside."""

    x: float
    turn: float = 0


@record
class Grid:
    """Places of boxes, their chips, and their wires."""

    boxes: dict[str, Rectangle]
    chips: dict[Key, Rectangle]
    drops: dict[Key, Drop]

    @property
    def bottom(self) -> float:
        """The lower edge of the lowest box."""
        return max((place.bottom for place in self.boxes.values()), default=MARGIN)

    @property
    def right(self) -> float:
        """The right edge of boxes and of the lanes beside them."""
        ends = [drop.x + 2 * GAP for drop in self.drops.values() if drop.turn]
        return max((*ends, *(place.right for place in self.boxes.values())), default=MARGIN)


def arrange(boxes: tuple[Box, ...], widths: Mapping[str, float] | None = None) -> Grid:
    """Place the boxes in as few rows as fit the page, each bridge's together, column by column.

    `widths`: what the bridges below need at least, so that no wire passes behind one.
    """
    rows = 1
    columns = _columns(boxes, rows)
    while sum(map(_column_width, columns)) > PAGE and rows < len(boxes):
        rows += 1
        columns = _columns(boxes, rows)
    heights = [
        max((_height(column[row]) for column in columns if row < len(column)), default=0)
        for row in range(rows)
    ]
    turns = LANE * max((len(_wired(box)) for box in boxes), default=0)
    tops = [MARGIN + sum(heights[:row]) + row * (CAPTION + turns + LANE) for row in range(rows)]
    grid = Grid(boxes={}, chips={}, drops={})
    x, least, bridge = float(MARGIN), 0.0, ""
    for column in columns:
        if _bridge(column[0]) != bridge:
            bridge, x = _bridge(column[0]), max(x, least)
            least = x + (widths or {}).get(bridge, 0) + 2 * GAP
        for box, top, height in zip(column, tops, heights, strict=False):
            _place(grid, box, Rectangle(x=x, y=top, width=_width(box), height=height))
        _drop(grid, column, x + max(map(_width, column)))
        x += _column_width(column)
    return grid


def _columns(boxes: tuple[Box, ...], rows: int) -> list[tuple[Box, ...]]:
    groups = [tuple(own) for _, own in groupby(boxes, key=_bridge)]
    return [own[at : at + rows] for own in groups for at in range(0, len(own), rows)]


def _bridge(box: Box) -> str:
    return next((chip.bar for chip in box.chips), "")


def _place(grid: Grid, box: Box, place: Rectangle) -> None:
    grid.boxes[box.key] = place
    x = place.x + GAP
    for chip in box.chips:
        width = _chip_width(chip)
        grid.chips[box.key, chip.name] = Rectangle(
            x=x, y=place.y + TITLE, width=width, height=_chip_height(chip)
        )
        x += width + GAP


def _drop(grid: Grid, column: tuple[Box, ...], right: float) -> None:
    """Route the lowest box's wires straight down, and all other wires in lanes beside the column.

    Wires that begin higher or further right get a lane further right, so that none cross.
    """
    *upper, lowest = column
    for chip in lowest.chips:
        grid.drops[lowest.key, chip.name] = Drop(x=grid.chips[lowest.key, chip.name].middle)
    lane = right + GAP / 2
    for box in reversed(upper):
        wired = _wired(box)
        for place, chip in enumerate(wired):
            lane += LANE
            turn = grid.boxes[box.key].bottom + CAPTION + LANE * (len(wired) - place - 1)
            grid.drops[box.key, chip.name] = Drop(x=lane, turn=turn)


def _wired(box: Box) -> list[Chip]:
    return [chip for chip in box.chips if chip.bar or chip.peer_box]


def _column_width(column: tuple[Box, ...]) -> float:
    lanes = sum(len(_wired(box)) for box in column[:-1])
    return max(map(_width, column)) + GAP + LANE * lanes


def _width(box: Box) -> float:
    chips = sum(_chip_width(chip) + GAP for chip in box.chips) + GAP
    return max(chips, text_width(box.title, 2 * GAP))


def _height(box: Box) -> float:
    return TITLE + max((_chip_height(chip) for chip in box.chips), default=LINE) + GAP


def _chip_width(chip: Chip) -> float:
    return max(CHIP_WIDTH, *(text_width(line, 24) for line in (chip.name, *chip.facts)))


def _chip_height(chip: Chip) -> float:
    return LINE * (1 + len(chip.facts)) + GAP
