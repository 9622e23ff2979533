"""Output of commands: results to stdout, failures to stderr.

The one border for text: names that others choose (processes, interfaces, CNI_ARGS, paths, other
hosts) lose here whatever moves a cursor, rings, reorders letters or begins a line.
"""

import json
import logging
import re
import sys
from collections.abc import Iterable, Iterator
from typing import Any, TextIO

from rich.console import Console
from rich.segment import Segment
from rich.table import Table
from rich.text import Text as RichText

from cni_bridge.errors import CniError

PIPE_WIDTH = 200  # columns where no terminal sets a limit
REPLACEMENT = "?"


def clean(text: str) -> str:
    """Return text as one line of printable letters."""
    if text.isprintable():
        return text
    return "".join(
        letter if letter.isprintable() else " " if letter == "\t" else REPLACEMENT
        for letter in text
    )


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


def console(*, stderr: bool = False) -> Screen:
    """Return a console that prints text literally; without a terminal, no colours and wide."""
    file = sys.stderr if stderr else sys.stdout
    return screen(file, None if file.isatty() else PIPE_WIDTH)


def screen(file: TextIO, width: int | None) -> Screen:
    """Return a console of a width that writes to a file."""
    return Screen(
        file=file, highlight=False, markup=False, emoji=False, soft_wrap=False, width=width
    )


def table(*titles: str | Text) -> Table:
    """Return an empty table without lines; without titles it has no header."""
    made = Table(
        box=None,
        header_style="dim",
        padding=(0, 2, 0, 0),
        pad_edge=False,
        show_header=bool(titles),
    )
    for title in titles:
        made.add_column(title, overflow="fold")
    return made


def write(text: str, *, stderr: bool = False) -> None:
    """Print lines as they are, each cleaned."""
    file = sys.stderr if stderr else sys.stdout
    file.write("".join(f"{clean(line)}\n" for line in text.split("\n")))


def print_json(value: object, *, indent: int | None = 2) -> None:
    """Print a value for programs: JSON escapes what is not printable."""
    write(json.dumps(value, indent=indent))
    sys.stdout.flush()


def fail(error: CniError) -> int:
    """Print an error, first line red and its details indented; return the exit status."""
    target = console(stderr=True)
    target.print(Text(f"cni-bridge: {error.msg}", style="bold red"), soft_wrap=True)
    for line in error.details.splitlines():
        target.print(Text(f"  {line}"), soft_wrap=True)
    return 1


class LogFormatter(logging.Formatter):
    """Log messages of one line each, cleaned."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        return clean(super().format(record))


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
