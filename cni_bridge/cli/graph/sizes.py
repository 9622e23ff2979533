"""What layouts measure with: rectangles, and the room that a text needs, in pixels."""

from cni_bridge.lean.record import record

MARGIN = 24
LETTER = 7.3  # width of a letter of the font, at its size
LINE = 16
GAP = 14
TITLE = 30  # height of a box's title


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


def text_width(text: str, around: float) -> float:
    """Return the room for a line with `around` pixels of margin."""
    return len(text) * LETTER + around
