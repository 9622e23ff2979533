"""`cni-bridge completion`: generate the shell's completion script from the parser."""

import argparse
from collections.abc import Iterator

from cni_bridge.cli import terminal
from cni_bridge.cli.options import Commands, Options, add_command

SCRIPT = """\
# bash completion for cni-bridge; zsh has bashcompinit for it, and `path` is its own there
_cni_bridge() {{
    local word="${{COMP_WORDS[COMP_CWORD]}}" place="" each
    for each in "${{COMP_WORDS[@]:1:$((COMP_CWORD - 1))}}"; do
        case "$place $each" in
{paths}
        esac
    done
    case "$place/${{COMP_WORDS[COMP_CWORD-1]}}" in
{values}
    esac
    case "$place" in
{words}
    esac
}}
complete -o default -F _cni_bridge cni-bridge"""


def register(parsers: Commands) -> None:
    """Add the command and its options."""
    parser = add_command(
        parsers,
        "completion",
        run,
        summary="print a completion script for bash and zsh",
        description="Prints a script for the shell. In zsh, run `autoload -U bashcompinit; bashcompinit` first.",
        examples="  cni-bridge completion > /usr/share/bash-completion/completions/cni-bridge\n"
        "  source <(cni-bridge completion)",
    )
    parser.set_defaults(parser_of_all=parsers)


def run(options: Options) -> int:
    """Print the script."""
    commands: Commands = options.parser_of_all
    terminal.write(script(commands))
    return 0


def script(commands: Commands) -> str:
    """Return the completion script for these commands."""
    table = {"": sorted([*commands.choices, "--help", "--version"])}
    paths, values = [], []
    for path, parser in walk(commands):
        before, _, name = path.rpartition(" ")
        paths.append(f'            "{before} {name}") place="{path}" ;;')
        table[path] = sorted(_words(parser))
        for option, choices in _choices(parser):
            reply = f'COMPREPLY=($(compgen -W "{" ".join(choices)}" -- "$word")); return'
            values.append(f'        "{path}/{option}") {reply} ;;')
    words = [
        f'        "{path}") COMPREPLY=($(compgen -W "{" ".join(listed)}" -- "$word")) ;;'
        for path, listed in table.items()
    ]
    return SCRIPT.format(paths="\n".join(paths), values="\n".join(values), words="\n".join(words))


def walk(commands: Commands, before: str = "") -> Iterator[tuple[str, argparse.ArgumentParser]]:
    """Yield each command's path, like ` lab up`, and its parser."""
    for name, parser in commands.choices.items():
        path = f"{before} {name}"
        yield path, parser
        for action in parser._actions:
            if isinstance(action, argparse._SubParsersAction):
                yield from walk(action, path)


def _words(parser: argparse.ArgumentParser) -> Iterator[str]:
    for action in parser._actions:
        yield from (word for word in action.option_strings if word.startswith("--"))
        if not action.option_strings and action.choices:
            yield from map(str, action.choices)


def _choices(parser: argparse.ArgumentParser) -> Iterator[tuple[str, list[str]]]:
    for action in parser._actions:
        for option in action.option_strings if action.choices else ():
            yield option, list(map(str, action.choices or ()))
