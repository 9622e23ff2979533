"""`cni-bridge doctor`: what is wrong with this host's networks, and with `--fix` the end of it.

Looks, tells and lets mend; what is wrong and how it is mended stands in `doctor/`.
"""

import argparse
import os
from collections.abc import Callable, Iterable

from rich.console import Console
from rich.text import Text

from cni_bridge import plugin
from cni_bridge.cli import conflists, terminal
from cni_bridge.cli.doctor.findings import Finding
from cni_bridge.cli.options import Commands, Options, add_command, add_json, add_state_dir
from cni_bridge.errors import CniError, IOFailure
from cni_bridge.lean.record import replace

PLUGIN_DIRS = "/opt/cni/bin"
CLEAN, FOUND, UNABLE = 0, 1, 2
ROUNDS = 3  # of mending: what was hidden by something else shows in the next one
Found = list[tuple[str, Finding]]
More = Callable[[], Iterable[tuple[str, Finding]]]
EXAMPLES = """\
  cni-bridge doctor
  cni-bridge doctor --fix
  cni-bridge doctor --json | jq -r '.findings[].command'"""


def register(parsers: Commands) -> None:
    """The command's options."""
    parser = add_command(
        parsers,
        "doctor",
        run,
        summary="what is wrong with this host's networks, and how to mend it",
        description="Looks for what keeps containers from being attached or reached, and says for "
        "each finding\nits cause, its effect, and the command that mends it. With --fix it does "
        "what is safe by\nitself, and looks again. Exit status: 0 all well, 1 findings, 2 it could "
        "not look.",
        examples=EXAMPLES,
    )
    add_options(parser)
    add_state_dir(parser)
    parser.add_argument(
        "--conf-dir",
        metavar="DIR",
        default=conflists.DIRECTORY,
        help=f"the network configs, {conflists.DIRECTORY} by default",
    )
    parser.add_argument(
        "--cni-path",
        metavar="DIRS",
        default=PLUGIN_DIRS,
        help=f"where runtimes look for plugins, separated by colons; {PLUGIN_DIRS} by default",
    )


def add_options(parser: argparse.ArgumentParser) -> None:
    """What there is to ask for."""
    parser.add_argument("--fix", action="store_true", help="mend what can be mended safely")
    add_json(parser)


def run(options: Options, told: Callable[[str], str] = str, more: More = tuple) -> int:
    """Look, and mend if that is wanted.

    `told`: how the commands read for whom they are meant; `more`: what else is found each time.
    """
    if os.geteuid():
        terminal.fail(IOFailure("doctor needs root, to look into network namespaces"))
        return UNABLE
    try:
        return _examine(options, told, more)
    except Exception as error:  # noqa: BLE001 - to be unable to look is not a finding
        terminal.fail(plugin.as_cni_error(error))
        return UNABLE


def _examine(options: Options, told: Callable[[str], str], more: More) -> int:
    screen = terminal.console()
    found, unconfigured = _look(options, more)
    mended: list[str] = []
    if options.fix:
        for _ in range(ROUNDS):
            done = _mend(found, screen if not options.json else None)
            if not done:
                break
            mended += done
            found, unconfigured = _look(options, more)
    found = [(check, replace(each, command=told(each.command))) for check, each in found]
    if options.json:
        findings = [_as_json(*each) for each in found]
        answer = {"mended": mended, "findings": findings, "without_config": unconfigured}
        terminal.print_json(answer)
        return FOUND if found else CLEAN
    _print(screen, found)
    if unconfigured:
        text = f"no config in {options.conf_dir} tells what there should be of: "
        screen.print(Text(text + ", ".join(unconfigured), style="yellow"), soft_wrap=True)
    return FOUND if found else CLEAN


def _look(options: Options, more: More) -> tuple[Found, tuple[str, ...]]:
    """The findings, and the networks of which no config was found."""
    from cni_bridge.cli.doctor import checks, facts  # takes a while, which help need not wait for

    plugin_dirs = tuple(filter(None, options.cni_path.split(":")))
    known = facts.gather(options.state_dir, options.conf_dir, plugin_dirs)
    return [*checks.judge(known), *more()], known.unconfigured


def _mend(found: Found, screen: Console | None) -> list[str]:
    """Mend what can be mended, each thing once; what was done."""
    mends = {finding.mend.what: finding.mend for _, finding in found if finding.mend}
    done = []
    for what, mend in mends.items():
        try:
            mend.act()
        except Exception as error:  # noqa: BLE001 - the others are mended all the same
            failure: CniError = plugin.as_cni_error(error)
            if screen:
                screen.print(Text(f"could not {what}: {failure.msg}", style="bold red"))
            continue
        if screen:
            screen.print(Text.assemble(("mended: ", "bold green"), what), soft_wrap=True)
        done.append(what)
    return done


def _as_json(check: str, finding: Finding) -> dict[str, object]:
    facts = {key: value for key, value in vars(finding).items() if key != "mend"}
    return {"check": check, **facts, "is_fixable": finding.mend is not None}


def _print(screen: Console, found: Found) -> None:
    for check, finding in found:
        screen.print(Text.assemble((f"{check}: ", "bold red"), finding.cause), soft_wrap=True)
        screen.print(Text.assemble("  effect  ", (finding.effect, "yellow")), soft_wrap=True)
        screen.print(Text.assemble("  mend    ", (finding.command, "cyan")), soft_wrap=True)
    if not found:
        screen.print("nothing is wrong")
        return
    fixable = sum(finding.mend is not None for _, finding in found)
    screen.print(f"{len(found)} found; --fix mends {fixable or 'none'} of them")
