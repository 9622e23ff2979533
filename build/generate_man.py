"""`make docs`: docs/cni-bridge.8, the man page, from the command line's own help.

No word of it is written here but the headings.
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import cni_bridge
from cni_bridge.cli import main as cli
from cni_bridge.cli.commands import COMMANDS
from cni_bridge.cli.completion import walk

ROOT = Path(__file__).resolve().parents[1]
TARGET = ROOT / "docs/cni-bridge.8"


def page() -> str:
    """Return the man page."""
    parser = cli.build_parser(*COMMANDS)
    (commands,) = (each for each in parser._actions if isinstance(each, argparse._SubParsersAction))
    lines = [
        f'.TH CNI-BRIDGE 8 "" "cni-bridge {cni_bridge.__version__}"',
        ".SH NAME",
        "cni-bridge \\- Docker-style networking for containers, a CNI plugin",
        ".SH SYNOPSIS",
        ".B cni-bridge",
        "COMMAND [OPTIONS]",
        ".SH DESCRIPTION",
        *_text(parser.description),
        ".PP",
        *_text(parser.epilog),
        ".SH COMMANDS",
    ]
    for path, each in walk(commands):
        lines += _command(path.strip(), each)
    return "\n".join((*lines, ".SH SEE ALSO", "https://www.cni.dev", ""))


def _command(path: str, parser: argparse.ArgumentParser) -> Iterator[str]:
    yield f".SS cni-bridge {path}"
    yield from _text(parser.description)
    for action in parser._actions:
        if isinstance(action, argparse._HelpAction | argparse._SubParsersAction):
            continue
        yield ".TP"
        yield f".B {_escape(_name(action))}"
        yield from _text(action.help)
    if parser.epilog:
        yield from (".PP", ".nf", *_text(parser.epilog), ".fi")


def _name(action: argparse.Action) -> str:
    value = action.metavar or "|".join(map(str, action.choices or ())) or action.dest.upper()
    if not action.option_strings:
        return str(value)
    names = ", ".join(action.option_strings)
    return names if action.nargs == 0 else f"{names} {value}"


def _text(text: str | None) -> Iterator[str]:
    yield from (_escape(line) for line in (text or "").splitlines())


def _escape(line: str) -> str:
    """Return a line that roff takes for text."""
    escaped = line.replace("\\", "\\e").replace("-", "\\-")
    return f"\\&{escaped}" if escaped[:1] in (".", "'") else escaped


if __name__ == "__main__":
    TARGET.write_text(page())
