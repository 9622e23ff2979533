"""What several commands have in common on the command line.

Only argparse here; what the options mean is the commands' matter.
"""

import argparse
import difflib
import re
from collections.abc import Callable
from typing import NoReturn, TypeAlias

from cni_bridge.edge.config import STATE_DIR

Options: TypeAlias = argparse.Namespace
Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"
Run: TypeAlias = Callable[[Options], int]

LONGEST = len("    completion")


class Parser(argparse.ArgumentParser):
    """A command line that proposes what may have been meant."""

    def error(self, message: str) -> NoReturn:
        """Wrong usage, as argparse tells it; where something can be chosen, with what is nearest."""
        wrong = re.search(r"invalid choice: '(.*?)' \(choose from (.*)\)", message)
        names = re.findall(r"'(.*?)'", wrong[2]) if wrong else []
        near = difflib.get_close_matches(wrong[1], names, n=1) if wrong else []
        super().error(message + "".join(f"\n  did you mean `{name}`?" for name in near))


class HelpFormatter(argparse.RawDescriptionHelpFormatter):
    """Descriptions as they are written, and room for the longest command beside its summary."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog)
        self._action_max_length = LONGEST  # it does not count by how much commands are indented


def add_command(
    commands: Commands, name: str, run: Run, *, summary: str, description: str, examples: str = ""
) -> argparse.ArgumentParser:
    """A command: one line for the list of commands, a paragraph and examples for its own help."""
    parser = commands.add_parser(
        name,
        help=summary,
        description=description,
        epilog=f"examples:\n{examples}" if examples else None,
        formatter_class=HelpFormatter,
        allow_abbrev=False,
    )
    parser.set_defaults(run=run)
    return parser


def add_state_dir(parser: argparse.ArgumentParser) -> None:
    """Where the ledger is."""
    parser.add_argument(
        "--state-dir",
        metavar="DIR",
        default=STATE_DIR,
        help=f"directory of the ledger, {STATE_DIR} by default; for a network with ipam.dataDir it "
        "is cni-bridge below that",
    )


def add_json(parser: argparse.ArgumentParser) -> None:
    """Output for programs."""
    parser.add_argument("--json", action="store_true", help="JSON, for programs")
