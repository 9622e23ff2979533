"""`cni-bridge completion`: print the shell's completion script; find what the script offers.

The scripts are short: they ask `cni-bridge __complete WORD...` for candidates, as Cobra's do.
"""

import argparse
import sys
from collections.abc import Iterator

from cni_bridge.cli import conflists, containers, terminal
from cni_bridge.cli.commands import ASK
from cni_bridge.cli.lab import namespaces
from cni_bridge.cli.options import Commands, Options, add_command
from cni_bridge.errors import CniError

BASH = f"""\
# bash completion for cni-bridge
_cni_bridge() {{
    local each
    COMPREPLY=()
    while IFS=$'\\t' read -r each _; do
        [[ $each == "${{COMP_WORDS[COMP_CWORD]}}"* ]] && COMPREPLY+=("$each")
    done < <("${{COMP_WORDS[0]}}" {ASK} "${{COMP_WORDS[@]:1:COMP_CWORD}}" 2>/dev/null)
}}
complete -o default -F _cni_bridge cni-bridge"""
ZSH = f"""\
#compdef cni-bridge
_cni-bridge() {{
    local -a found
    found=("${{(@f)$("$words[1]" {ASK} "${{(@)words[2,CURRENT]}}" 2>/dev/null)}}")
    found=("${{(@)found//:/\\\\:}}")
    found=("${{(@)found/$'\\t'/:}}")
    if [[ -n "$found" ]]; then _describe -V cni-bridge found; else _files; fi
}}
if [[ "$funcstack[1]" == _cni-bridge ]]; then _cni-bridge "$@"; else compdef _cni-bridge cni-bridge; fi"""
FISH = f"""\
# fish completion for cni-bridge
function __cni_bridge
    set -l found (cni-bridge {ASK} (commandline -opc)[2..] (commandline -ct) 2>/dev/null)
    if test (count $found) -gt 0
        printf '%s\\n' $found
    else
        __fish_complete_path (commandline -ct)
    end
end
complete -c cni-bridge -f -a '(__cni_bridge)'"""
SCRIPTS = {"bash": BASH, "zsh": ZSH, "fish": FISH}
WORDS = {"last": "the last call", "host": "this host"}  # as usage lines have them
Candidates = dict[str, str]  # each with its description


def register(parsers: Commands) -> None:
    """Add the command and its options."""
    parser = add_command(
        parsers,
        "completion",
        run,
        description="Prints a script that completes commands, options, networks and containers.",
        examples="  source <(cni-bridge completion)             # bash, once\n"
        "  cni-bridge completion > /usr/share/bash-completion/completions/cni-bridge\n"
        "  cni-bridge completion zsh > /usr/share/zsh/vendor-completions/_cni-bridge\n"
        "  cni-bridge completion fish > ~/.config/fish/completions/cni-bridge.fish",
    )
    parser.add_argument("shell", choices=SCRIPTS, nargs="?", default="bash", help="bash if omitted")


def run(options: Options) -> int:
    """Print the script."""
    terminal.write(SCRIPTS[options.shell])
    return 0


def answer(parser: argparse.ArgumentParser, words: list[str]) -> int:
    """Print the candidates for the last word, each with its description; nothing after a failure."""
    try:
        found = candidates(parser, words or [""])
    except (CniError, OSError):  # the ledger is root's
        return 0
    for word, description in found.items():
        sys.stdout.write(f"{terminal.clean(word)}\t{terminal.clean(description)}".rstrip() + "\n")
    return 0


def candidates(parser: argparse.ArgumentParser, words: list[str]) -> Candidates:
    """Return what the last word may become; nothing where it is a file or free text."""
    *before, last = words
    waiting, option = _positionals(parser), None
    for word in before:
        action = waiting[0] if waiting else None
        if option:
            option = None  # this was its value
        elif word.startswith("-"):
            option = _taking(parser, word)
        elif isinstance(action, argparse._SubParsersAction):
            if word not in action.choices:
                return {}
            parser = action.choices[word]
            waiting = _positionals(parser)
        elif action and action.nargs not in ("*", "+"):
            waiting.pop(0)
    if option:
        found = _of(option, parser)
    elif last.startswith("-"):
        found = {name: _short(each) for each in parser._actions for name in each.option_strings}
    else:
        found = _of(waiting[0], parser) if waiting else {}
    return {word: text for word, text in found.items() if word.startswith(last)}


def walk(commands: Commands, before: str = "") -> Iterator[tuple[str, argparse.ArgumentParser]]:
    """Yield each command's path, like ` lab up`, and its parser."""
    for name, parser in commands.choices.items():
        path = f"{before} {name}"
        yield path, parser
        for action in parser._actions:
            if isinstance(action, argparse._SubParsersAction):
                yield from walk(action, path)


def _positionals(parser: argparse.ArgumentParser) -> list[argparse.Action]:
    return [each for each in parser._actions if not each.option_strings]


def _taking(parser: argparse.ArgumentParser, word: str) -> argparse.Action | None:
    """Return the option if the next word is its value."""
    option = parser._option_string_actions.get(word)
    return option if option and option.nargs is None else None


def _of(action: argparse.Action, parser: argparse.ArgumentParser) -> Candidates:
    """Return the values of an option or an argument, as far as they are known."""
    if isinstance(action, argparse._SubParsersAction):
        return {each.dest: each.help or "" for each in action._choices_actions}
    if action.choices:
        return dict.fromkeys(map(str, action.choices), "")
    kinds = str(action.metavar or "").split("|")
    found: Candidates = {word: WORDS[word] for word in kinds if word in WORDS}
    if "NETWORK" in kinds:
        found |= _networks()
    if "CONTAINER" in kinds or "NETNS" in kinds:
        found |= containers.described()
    if "NETNS" in kinds:
        found |= dict.fromkeys(containers.namespaces(), "network namespace")
    if kinds == ["NAME"] and " lab " in parser.prog:
        found |= dict.fromkeys(namespaces.names(), "namespace of the lab")
    return found


def _networks() -> Candidates:
    configs = (each.config for each in conflists.read(conflists.directory()))
    return {
        each.name: "wire" if each.is_wire else f"bridge {each.bridge}" for each in configs if each
    }


def _short(action: argparse.Action) -> str:
    """Return the beginning of an option's help."""
    return (action.help or "").partition(";")[0].partition(",")[0].replace("%%", "%")
