"""Output of commands: results to stdout, failures to stderr."""

import json
import sys

from rich.console import Console
from rich.text import Text

from cni_bridge.errors import CniError

PIPE_WIDTH = 200  # columns where nobody's terminal sets a limit


def console(*, stderr: bool = False) -> Console:
    """Return a console that prints text literally; without a terminal, no colours and wide."""
    file = sys.stderr if stderr else sys.stdout
    wide = None if file.isatty() else PIPE_WIDTH
    return Console(
        file=file, highlight=False, markup=False, emoji=False, soft_wrap=False, width=wide
    )


def print_json(value: object) -> None:
    """Print a value for programs."""
    print(json.dumps(value, indent=2))


def fail(error: CniError) -> int:
    """Print an error, first line red and its details indented; return the exit status."""
    screen = console(stderr=True)
    screen.print(Text(f"cni-bridge: {error.msg}", style="bold red"), soft_wrap=True)
    for line in error.details.splitlines():
        screen.print(Text(f"  {line}"), soft_wrap=True)
    return 1
