"""Output of commands: results to stdout, failures to stderr.

The one border for text: names that others choose (processes, interfaces, CNI_ARGS, paths, other
hosts) lose here whatever moves a cursor, rings, reorders letters or begins a line.
"""

import json
import os
import sys
from typing import TYPE_CHECKING, Any, TextIO

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


PIPE_WIDTH = 200  # columns where no terminal sets a limit


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


def tell(text: str, *, indent: str = "  ") -> None:
    """Print a sentence, on as many lines as a terminal needs; elsewhere on one."""
    if sys.stdout.isatty():
        import shutil
        import textwrap

        columns = max(shutil.get_terminal_size().columns, 20)
        text = textwrap.fill(
            clean(text),
            columns,
            subsequent_indent=indent,
            break_long_words=False,
            break_on_hyphens=False,
        )
    write(text)


def print_json(value: object, *, indent: int | None = 2) -> None:
    """Print a value for programs: JSON escapes what is not printable."""
    write(json.dumps(value, indent=indent))
    sys.stdout.flush()


def fail(error: CniError) -> int:
    """Print an error, first line red and its details indented; return the exit status."""
    is_red = sys.stderr.isatty() and "NO_COLOR" not in os.environ
    red, plain = ("\x1b[1;31m", "\x1b[0m") if is_red else ("", "")
    sys.stderr.write(f"{red}{clean(f'cni-bridge: {error.msg}')}{plain}\n")
    for line in error.details.splitlines():
        write(f"  {line}", stderr=True)
    return 1
