"""Output of commands: results to stdout, failures to stderr.

The one border for text: names that others choose (processes, interfaces, CNI_ARGS, paths, other
hosts) lose here whatever moves a cursor, rings, reorders letters or begins a line.
"""

import json
import os
import sys
from typing import TYPE_CHECKING, Any, TextIO, TypeAlias

from cni_bridge.cli.cleaning import clean as clean
from cni_bridge.errors import CniError

if TYPE_CHECKING:
    from cni_bridge.cli.styled import Screen as Screen
    from cni_bridge.cli.styled import Text as Text
    from cni_bridge.cli.styled import lines as lines
    from cni_bridge.cli.styled import table as table
else:

    def __getattr__(name: str) -> Any:
        """Load what needs rich when it is used: it takes as long as most commands."""
        if name not in ("Screen", "Text", "lines", "table"):
            raise AttributeError(name)
        from cni_bridge.cli import styled

        return getattr(styled, name)


Part: TypeAlias = "str | tuple[str, str]"
PIPE_WIDTH = 200  # columns where no terminal sets a limit
USUAL_WIDTH = 80  # of a terminal that does not know its own
PLAIN = "\x1b[0m"
CODES = {
    "bold": "1",
    "dim": "2",
    "bold red": "1;31",
    "green": "32",
    "bold green": "1;32",
    "yellow": "33",
    "bold yellow": "1;33",
    "cyan": "36",
}


def console(*, stderr: bool = False) -> "Screen":
    """Return a console that prints text literally; without a terminal, no colours and wide."""
    file = sys.stderr if stderr else sys.stdout
    return screen(file, None if file.isatty() else PIPE_WIDTH)


def screen(file: TextIO, width: int | None) -> "Screen":
    """Return a console of a width that writes to a file."""
    from cni_bridge.cli.styled import Screen

    return Screen(
        file=file, highlight=False, markup=False, emoji=False, soft_wrap=False, width=width
    )


def write(text: str, *, stderr: bool = False) -> None:
    """Print lines as they are, each cleaned."""
    file = sys.stderr if stderr else sys.stdout
    file.write("".join(f"{clean(line)}\n" for line in text.split("\n")))


def tell(*parts: Part, indent: str = "  ", stderr: bool = False, is_whole: bool = False) -> None:
    """Print a sentence, on as many lines as a terminal needs; elsewhere, or if whole, on one.

    A part is text, or text and its style. Words are not broken, so that they can be copied.
    """
    file = sys.stderr if stderr else sys.stdout
    styled = [
        (clean(each), "") if isinstance(each, str) else (clean(each[0]), each[1]) for each in parts
    ]
    text = "".join(piece for piece, _ in styled)
    lines = _filled(text, columns(file), indent) if file.isatty() and not is_whole else [text]
    if has_colours(file):
        lines = _painted(lines, [style for piece, style in styled for _ in piece], text)
    file.write("".join(f"{line}\n" for line in lines))


def tell_command(head: str, text: str, *, indent: str) -> None:
    """Print a command on one line, to be copied; on a narrow terminal its comment on further ones."""
    command, sharp, note = text.partition("   #")
    comment = f"{sharp}{note}"
    if sys.stdout.isatty() and len(head) + len(text) > columns(sys.stdout):
        tell(head, (command, "cyan"), is_whole=True)
        if comment:
            tell(indent, (comment.lstrip(), "green"), indent=f"{indent}# ")
    else:
        tell(head, (command, "cyan"), (comment, "green"), is_whole=True)


def columns(file: TextIO) -> int:
    """Return the width of a terminal."""
    wished = os.environ.get("COLUMNS", "")
    if wished.isdecimal() and int(wished):
        return int(wished)
    return os.get_terminal_size(file.fileno()).columns or USUAL_WIDTH


def has_colours(file: TextIO) -> bool:
    """Return whether styles are printed."""
    return (
        file.isatty() and "NO_COLOR" not in os.environ and os.environ.get("TERM", "dumb") != "dumb"
    )


def _filled(text: str, width: int, indent: str) -> list[str]:
    import textwrap

    return textwrap.wrap(
        text,
        max(width, 20),
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    ) or [""]


def _painted(lines: list[str], styles: list[str], text: str) -> list[str]:
    """Return the lines with the styles that their letters have in the text, which has more blanks."""
    painted, place = [], 0
    for number, line in enumerate(lines):
        made = line[: len(line) - len(line.lstrip())] if number else ""
        last = ""
        for letter in line[len(made) :]:
            while text[place] != letter:
                place += 1
            if styles[place] != last:
                last = styles[place]
                made += f"\x1b[0;{CODES[last]}m" if last else PLAIN
            made += letter
            place += 1
        painted.append(made + PLAIN * bool(last))
    return painted


def print_json(value: object, *, indent: int | None = 2) -> None:
    """Print a value for programs: JSON escapes what is not printable."""
    write(json.dumps(value, indent=indent))
    sys.stdout.flush()


def fail(error: CniError) -> int:
    """Print an error, first line red and its details indented; return the exit status."""
    tell((f"cni-bridge: {error.msg}", "bold red"), stderr=True)
    for line in error.details.splitlines():
        tell(f"  {line}", indent="    ", stderr=True)
    return 1
