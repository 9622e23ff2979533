"""`cni-bridge doctor`: report what is wrong with this host's networks, and fix it with `--fix`."""

import argparse
import os
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from cni_bridge import plugin
from cni_bridge.cli import terminal, units
from cni_bridge.cli.doctor.findings import Diagnosis
from cni_bridge.cli.options import (
    Commands,
    Options,
    add_command,
    add_conf_dir,
    add_json,
    add_state_dir,
)
from cni_bridge.errors import CniError, IOFailure, LedgerUnusable
from cni_bridge.lean.record import replace

if TYPE_CHECKING:
    from cni_bridge.cli.doctor.facts import Facts

CLEAN, FOUND, UNABLE = 0, 1, 2
ROUNDS = 3  # of fixing: one fault may hide another
Found = list[tuple[str, Diagnosis]]
More = Callable[[], Iterable[tuple[str, Diagnosis]]]
INDENT = " " * len("  effect  ")
EXAMPLES = """\
  cni-bridge doctor
  cni-bridge doctor --fix
  cni-bridge doctor --json | jq -r '.findings[].command'"""


def register(parsers: Commands) -> None:
    """Add the command and its options."""
    parser = add_command(
        parsers,
        "doctor",
        run,
        description="Looks for what keeps containers from being attached or reached. Each finding "
        "has a cause,\nan effect, and the command that fixes it. With --fix, safe fixes are "
        "applied and the host is\nchecked again. Exit status: 0 nothing found, 1 findings, 2 it could "
        "not check.",
        examples=EXAMPLES,
    )
    add_options(parser)
    add_state_dir(parser)
    add_conf_dir(parser)
    parser.add_argument(
        "--cni-path",
        metavar="DIRS",
        default="",
        help="where runtimes look for plugins, separated by colons; by default where podman, "
        "containerd, CRI-O and Debian have them, and what their configs name",
    )


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options shared with `lab doctor`."""
    parser.add_argument("--fix", action="store_true", help="apply the fixes that are safe")
    parser.add_argument(
        "--probe", action="store_true", help="also ping the gateways from every container"
    )
    add_json(parser)


def run(options: Options, translate: Callable[[str], str] = str, more: More = tuple) -> int:
    """Diagnose, and fix if requested.

    `translate` rewrites commands for the reader; `more` yields further findings each time.
    """
    if os.geteuid():
        terminal.fail(IOFailure("doctor needs root to enter network namespaces"))
        return UNABLE
    try:
        return _examine(options, translate, more)
    except Exception as error:  # noqa: BLE001 - being unable to check is not a finding
        terminal.fail(plugin.as_cni_error(error))
        return UNABLE


def _examine(options: Options, translate: Callable[[str], str], more: More) -> int:
    found, known = _look(options, more)
    fixed: list[str] = []
    if options.fix:
        for _ in range(ROUNDS):
            done = _fix(found, is_silent=options.json)
            if not done:
                break
            fixed += done
            found, known = _look(options, more)
    unconfigured = known.unconfigured if known else ()
    found = [(check, replace(each, command=translate(each.command))) for check, each in found]
    if options.json:
        findings = [_as_json(*each) for each in found]
        answer = {"mended": fixed, "findings": findings, "without_config": unconfigured}
        terminal.print_json(answer)
        return FOUND if found else CLEAN
    _print(found)
    if known and not found:
        terminal.tell(_checked(known, options))
    if unconfigured:
        text = f"not checked against a config, since {options.conf_dir} has none: "
        terminal.tell((text + ", ".join(unconfigured), "yellow"))
    return FOUND if found else CLEAN


def _look(options: Options, more: More) -> "tuple[Found, Facts | None]":
    """Return the findings and the facts; none where a ledger cannot be read."""
    # Slow imports; --help does not wait for them.
    from cni_bridge.cli import plugin_dirs
    from cni_bridge.cli.doctor import attachments, checks, facts, probes

    dirs = tuple(filter(None, options.cni_path.split(":"))) or plugin_dirs.of_runtimes()
    try:
        known = facts.gather(options.state_dir, options.conf_dir, dirs)
    except LedgerUnusable as error:
        if not options.fix:
            raise
        return [("ledger", attachments.unrecorded(str(error.msg), options.state_dir))], None
    probed = probes.gateways(known) if options.probe else ()
    return [*checks.judge(known), *(("probe", each) for each in probed), *more()], known


def _checked(known: "Facts", options: Options) -> str:
    """Say what was checked: that nothing was found means no more than that."""
    containers = {each.attachment.container for each in known.found.attachments}
    counts = {
        "container": len(containers),
        "bridge": len(known.found.bridges),
        "config": len(known.networks),
    }
    listed = ", ".join(units.count(n, what) for what, n in counts.items())
    listed += f" in {options.conf_dir}"
    probed = "all gateways asked" if options.probe else "--probe also asks every gateway"
    return f"checked: {listed}; kernel, sysctls, firewall, routes, MACs, packet sizes; {probed}"


def _fix(found: Found, *, is_silent: bool) -> list[str]:
    """Apply each fix once; return those that were applied."""
    fixes = {finding.fix.what: finding.fix for _, finding in found if finding.fix}
    done = []
    for what, fix in fixes.items():
        try:
            fix.act()
        except Exception as error:  # noqa: BLE001 - the other fixes are tried all the same
            failure: CniError = plugin.as_cni_error(error)
            if not is_silent:
                terminal.tell((f"could not {what}: {failure.msg}", "bold red"))
            continue
        if not is_silent:
            terminal.tell(("fixed: ", "bold green"), what)
        done.append(what)
    return done


def _as_json(check: str, finding: Diagnosis) -> dict[str, object]:
    facts = {key: value for key, value in vars(finding).items() if key != "fix"}
    return {"check": check, **facts, "is_fixable": finding.fix is not None}


def _print(found: Found) -> None:
    for check, finding in found:
        terminal.tell((f"{check}: ", "bold red"), finding.cause)
        terminal.tell("  effect  ", (finding.effect, "yellow"), indent=INDENT)
        terminal.tell_command("  fix     ", finding.command, indent=INDENT)
    if not found:
        terminal.write("nothing found")
        return
    fixable = sum(finding.fix is not None for _, finding in found)
    terminal.write(f"{len(found)} found; `--fix` fixes {fixable or 'none'} of them")
