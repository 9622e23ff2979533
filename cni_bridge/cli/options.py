"""What the command lines of several commands share."""

import argparse
import difflib
import itertools
import os
import re
import sys
import textwrap
from collections.abc import Callable, Iterable
from typing import Any, NoReturn, TypeAlias

from cni_bridge.cli import terminal
from cni_bridge.cli.commands import COMMANDS
from cni_bridge.edge.config import STATE_DIR

IFNAME = "eth0"  # of a container's interface, as runtimes name the first one
CONF_DIR = "/etc/cni/net.d"  # where runtimes look unless they are told otherwise
Options: TypeAlias = argparse.Namespace
Commands: TypeAlias = "argparse._SubParsersAction[Any]"
Run: TypeAlias = Callable[[Options], int]

COMMAND = "COMMAND"  # what help calls one
LONGEST = len("    completion")


class Parser(argparse.ArgumentParser):
    """An argument parser that suggests what may have been meant."""

    def __init__(self, *words: Any, **more: Any) -> None:
        super().__init__(*words, **more)
        # `--ingress -5M` is a wrong value, not an option: the value's own check tells what is wrong.
        self._negative_number_matcher = re.compile(r"-\.?\d")

    def _print_message(self, message: str, file: Any = None) -> None:
        lines = (terminal.clean(line) for line in message.split("\n"))
        super()._print_message("\n".join(lines), file)

    def error(self, message: str) -> NoReturn:
        """Report wrong usage, with the closest valid choice as a suggestion."""
        wrong = re.search(r"argument (\S+): invalid choice: '(.*?)' \(choose from (.*)\)", message)
        if not wrong:
            self._refuse(message)
        what, written, choices = wrong.groups()
        near = _meant(written, re.findall(r"'(.*?)'", choices))
        if what == COMMAND:  # those are many
            message = f"no command is named {written}"
            near = near or f"`{self.prog} --help` lists the commands"
        self._refuse(message, near)

    def refuse(self, extra: list[str]) -> NoReturn:
        """Report arguments that this command does not have, with the closest option."""
        option = next((each for each in extra if each.startswith("-")), "").partition("=")[0]
        meant = _meant(option, self._option_string_actions) if option else ""
        self._refuse(f"unrecognized arguments: {' '.join(extra)}", meant)

    def _refuse(self, message: str, advice: str = "") -> NoReturn:
        self.print_usage(sys.stderr)
        terminal.tell(f"{self.prog}: error: {message}", stderr=True)
        if advice:
            terminal.tell(f"  {advice}", stderr=True)
        self.exit(2)


class HelpFormatter(argparse.RawDescriptionHelpFormatter):
    """Wrap descriptions, keep examples as written, leave room for the longest command name."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog)
        self._action_max_length = LONGEST  # it does not count by how much commands are indented

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        """Return the lines within the width; those that are indented, and blank ones, stay."""
        blocks = itertools.groupby(text.splitlines(), lambda line: line.startswith(" ") or not line)
        lines: list[str] = []
        for is_kept, block in blocks:
            lines += block if is_kept else textwrap.wrap(" ".join(block), width)
        return "\n".join(indent + line for line in lines)


def _meant(written: str, choices: Iterable[str]) -> str:
    return "".join(
        f"did you mean `{name}`?" for name in difflib.get_close_matches(written, choices, n=1)
    )


def add_command(
    commands: Commands,
    name: str,
    run: Run,
    *,
    description: str,
    summary: str = "",
    examples: str = "",
) -> Parser:
    """Add a command with a description and examples for its help; `summary`: for a command's own list."""
    parser: Parser = commands.add_parser(
        name,
        help=summary or COMMANDS[name][1],
        description=description,
        epilog=f"examples:\n{examples}" if examples else None,
        formatter_class=HelpFormatter,
        allow_abbrev=False,
    )
    parser.set_defaults(run=run, command_parser=parser)
    return parser


def directory(default: str = "") -> Callable[[str], str]:
    """Return what checks that a directory given on the command line exists; the default need not."""

    def check(text: str) -> str:
        if text != default and not os.path.isdir(text):
            reason = "is not a directory" if os.path.exists(text) else "does not exist"
            raise argparse.ArgumentTypeError(f"{text} {reason}")
        return text

    return check


def add_network(parser: argparse.ArgumentParser) -> None:
    """Add the network that a command is about."""
    parser.add_argument("network", metavar="NETWORK", help="its name in the config directory")


def add_container(parser: argparse.ArgumentParser, metavar: str = "CONTAINER") -> None:
    """Add the container that a command is about, as `containers.find` takes it."""
    parser.add_argument(
        "container",
        metavar=metavar,
        help="a container's name, id or address; a network namespace; or a process id",
    )


def add_conf_dir(parser: argparse.ArgumentParser, default: str = CONF_DIR) -> None:
    """Add --conf-dir."""
    parser.add_argument(
        "--conf-dir",
        metavar="DIR",
        default=default,
        type=directory(default),
        help=f"directory of the network configs, {CONF_DIR} by default",
    )


def add_state_dir(parser: argparse.ArgumentParser, *, may_be_new: bool = False) -> None:
    """Add --state-dir."""
    parser.add_argument(
        "--state-dir",
        metavar="DIR",
        default=STATE_DIR,
        type=str if may_be_new else directory(STATE_DIR),
        help=f"directory of the ledger, {STATE_DIR} by default; for a network with ipam.dataDir, "
        "cni-bridge below that directory",
    )


def add_json(parser: argparse.ArgumentParser) -> None:
    """Add --json."""
    parser.add_argument("--json", action="store_true", help="print JSON")
