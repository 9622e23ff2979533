"""Styled text and tables for terminals, cleaned: everything that needs rich, which is slow to load."""

import re
from collections.abc import Collection, Iterable, Iterator
from typing import Any

from rich.console import Console
from rich.segment import Segment
from rich.table import Table
from rich.text import Text as RichText

from cni_bridge.cli.cleaning import clean


class Text(RichText):
    """One line of text, cleaned."""

    def __init__(self, text: str = "", style: Any = "", **options: Any) -> None:
        super().__init__(clean(text), style, **options)

    def append(self, text: RichText | str, style: Any = None) -> "Text":
        """Append text, cleaned."""
        super().append(clean(text) if isinstance(text, str) else text, style)
        return self

    @classmethod
    def assemble(cls, *parts: Any, **options: Any) -> "Text":
        """Return the text of parts, which are strings or pairs of text and style, cleaned."""
        made = super().assemble(*parts, **options)
        assert isinstance(made, Text)
        return made


def lines(items: Iterable[str]) -> Text:
    """Return text of several lines, each cleaned."""
    made = Text()
    for place, item in enumerate(items):
        RichText.append(made, "\n" * bool(place))
        made.append(item)
    return made


class Screen(Console):
    """A console that cleans what it prints, and ends no line with blanks."""

    def render_str(self, text: str, **options: Any) -> RichText:
        """Turn a plain string into text, cleaned."""
        return super().render_str(clean(text), **options)

    def _render_buffer(self, buffer: Iterable[Segment]) -> str:
        return super()._render_buffer(_without_trailing_blanks(buffer))


def table(*titles: str | Text, whole: Collection[str] = ()) -> Table:
    """Return an empty table without lines; without titles it has no header.

    No line of the columns `whole` is broken, as a piece of an address is another address.
    """
    made = Table(
        box=None,
        header_style="dim",
        padding=(0, 2, 0, 0),
        pad_edge=False,
        show_header=bool(titles),
    )
    for title in titles:
        made.add_column(title, overflow="fold", no_wrap=title in whole)
    return made


def _without_trailing_blanks(segments: Iterable[Segment]) -> Iterator[Segment]:
    blanks: list[Segment] = []  # since the last letter of this line
    for segment in segments:
        if segment.control:
            yield from blanks
            blanks = []
            yield segment
            continue
        for piece in re.split("(\n)", segment.text):
            if piece == "\n":
                blanks = []
                yield Segment(piece)
            elif ink := piece.rstrip(" "):
                yield from blanks
                yield Segment(ink, segment.style)
                blanks = [Segment(piece[len(ink) :], segment.style)]
            else:
                blanks.append(Segment(piece, segment.style))
    yield from blanks
