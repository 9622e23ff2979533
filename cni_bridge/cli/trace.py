"""`cni-bridge trace`: list the calls that runtimes made, with their steps and outcome."""

import argparse
import json
import time
from pathlib import Path
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.tree import Tree

from cni_bridge.cli import container_names, journal_reader, terminal
from cni_bridge.cli.container_names import Known
from cni_bridge.cli.journal_reader import RecordedCall
from cni_bridge.cli.options import Commands, Options, add_command, add_json
from cni_bridge.cli.terminal import Text
from cni_bridge.errors import InvalidConfig, IOFailure
from cni_bridge.journal import LOG_VARIABLE

STYLES = {
    journal_reader.OK: "green",
    journal_reader.FAILED: "bold red",
    journal_reader.RUNNING: "cyan",
    journal_reader.KILLED: "bold yellow",
}
LAST = "last"
LISTED = 20  # calls, where none is named
WIDE = 100  # columns from which on an error has room in the table
BAR = 24  # columns of the longest step's bar
PAUSE_S = 0.2
EXAMPLES = f"""\
  cni-bridge trace                 # the latest calls, one per line
  cni-bridge trace last            # the last call with its steps
  cni-bridge trace 3f2a            # one container, by name, address or id
  cni-bridge trace --follow        # each as it ends, until Ctrl-C
  cni-bridge trace --log FILE      # from the file named by {LOG_VARIABLE}"""


def register(parsers: Commands) -> None:
    """Add the command and its options."""
    parser = add_command(
        parsers,
        "trace",
        run,
        description="Shows the last calls: variables, stdin, steps with milliseconds, result or "
        "error.\nVERSION and successful STATUS calls are not recorded. Values of keys like "
        f"`password` are removed.\nWith {LOG_VARIABLE}=FILE in the runtime's environment, every call "
        "is logged to that file too.",
        examples=EXAMPLES,
    )
    parser.add_argument(
        "which", metavar="last|CONTAINER", nargs="?", default="", help="the latest calls if omitted"
    )
    parser.add_argument("--follow", action="store_true", help="wait for new calls")
    parser.add_argument(
        "--log", metavar="FILE", type=_log, help="read this log instead of the journal"
    )
    add_json(parser)


def run(options: Options) -> int:
    """Print the selected calls; with --follow, those that end from now on."""
    files = (Path(options.log),) if options.log else journal_reader.JOURNAL
    try:
        if options.follow:
            _follow(files, options)
            return 0
        found = journal_reader.read(files)
    except OSError as error:
        raise IOFailure(f"cannot read {error.filename}: {error.strerror}") from error
    chosen, titles = _select(found, options.which), _titles(found)
    if options.json:
        terminal.print_json([vars(each) for each in chosen])
    elif options.which:
        for each in chosen:
            terminal.console().print(_details(each, titles))
    else:
        screen = terminal.console()
        screen.print(_table(chosen, titles, screen.width))
    return 0


def _log(text: str) -> str:
    if not Path(text).exists():
        raise argparse.ArgumentTypeError(f"{text} does not exist")
    return text


def _select(found: list[RecordedCall], which: str) -> list[RecordedCall]:
    if which == LAST:
        chosen = found[-1:]
    else:
        chosen = [each for each in found if not which or each.container in _meant(found, which)]
    if which and not chosen:
        since = f"since {_clock(found[0])}" if found else "at all"
        raise InvalidConfig(
            "no call is recorded" + ("" if which == LAST else f" for a container {which}"),
            f"calls recorded {since}: {len(found)}; older calls are dropped",
        )
    return chosen if which else chosen[-LISTED:]


def _meant(found: list[RecordedCall], which: str) -> tuple[str, ...]:
    """Return the containers with that name, address, id or beginning of an id."""
    return container_names.matching(
        which,
        (
            Known(
                container=each.container,
                names=(*each.names, each.environment.get("CNI_NETNS", "").rpartition("/")[2]),
                addresses=each.addresses,
            )
            for each in found
            if each.container
        ),
    )


def _titles(found: list[RecordedCall]) -> dict[str, str]:
    """Return what to call each container: not every call of it has its name."""
    names: dict[str, tuple[str, ...]] = {}
    for each in found:
        names[each.container] = names.get(each.container) or each.names
    return container_names.titles(names)


def _follow(files: tuple[Path, ...], options: Options) -> None:
    screen = terminal.console()
    seen = {(each.began, each.pid) for each in journal_reader.read(files) if each.took is not None}
    looked_at = _state(files)
    try:
        while True:
            time.sleep(PAUSE_S)
            if _state(files) == looked_at:
                continue
            looked_at = _state(files)
            found = journal_reader.read(files)
            which = options.which.replace(LAST, "")
            meant = _meant(found, which) if which else ()
            for each in found:
                key = each.began, each.pid
                if each.took is None or key in seen:
                    continue
                seen.add(key)
                if not which or each.container in meant:
                    _print_followed(each, _titles(found), screen.print, as_json=options.json)
    except KeyboardInterrupt:  # how one ends it
        return


def _print_followed(
    each: RecordedCall, titles: dict[str, str], show: Any, *, as_json: bool
) -> None:
    if as_json:
        terminal.print_json(vars(each), indent=None)
    else:
        show(_details(each, titles))


def _state(files: tuple[Path, ...]) -> list[tuple[int, int]]:
    """Return what changes whenever a record is added."""
    found = [file.stat() for file in files if file.exists()]
    return [(each.st_ino, each.st_size) for each in found]


# ---------------------------------------------------------------- for people


def _table(chosen: list[RecordedCall], titles: dict[str, str], width: int = WIDE) -> RenderableType:
    if not chosen:
        return Text("no call is recorded")
    is_narrow = width < WIDE
    table = terminal.table(
        *("began", "command", "container", "interface", "network", "ms", "outcome")
    )
    for each in chosen:
        failure = f": {each.error['msg']}" if each.error and not is_narrow else ""
        table.add_row(
            _moment(each) if is_narrow else _clock(each),
            each.command,
            titles[each.container],
            each.environment.get("CNI_IFNAME", ""),
            each.network,
            _ms(each.took) if each.took is not None else "-",
            Text(each.outcome + failure, style=STYLES[each.outcome]),
        )
    return Group(table, *(_failure(each) for each in chosen if each.error and is_narrow))


def _failure(each: RecordedCall) -> Text:
    """Return the error of a call, below the table in which there is no room for it."""
    return Text.assemble(
        (f"{_moment(each)} failed: ", STYLES[each.outcome]), (each.error or {})["msg"]
    )


def _moment(each: RecordedCall) -> str:
    """Return the time of day, with the date if that is not today's."""
    began, today = (time.localtime(moment) for moment in (each.began / 1000, time.time()))
    is_today = began[:3] == today[:3]
    return time.strftime("%H:%M:%S" if is_today else "%m-%d %H:%M:%S", began)


def _details(each: RecordedCall, titles: dict[str, str]) -> Tree:
    who = (each.command, titles[each.container], each.environment.get("CNI_IFNAME", ""))
    network = f"on {each.network}" if each.network else ""
    took = f"{_ms(each.took)} ms" if each.took is not None else ""
    words = filter(None, (*who, network, _clock(each), took))
    title = Text.assemble(" ".join(words), " ", (each.outcome, STYLES[each.outcome]))
    tree = Tree(title, guide_style="dim")
    for name, value in sorted(each.environment.items()):
        tree.add(Text.assemble((name, "cyan"), f"={value}"))
    if each.stdin:
        text = each.stdin if isinstance(each.stdin, str) else json.dumps(each.stdin)
        tree.add(Text.assemble(("stdin", "cyan"), f" {text}"))
    if each.steps:
        tree.add(Text("steps", style="cyan")).add(_steps(each))
    _add_end(tree, each)
    return tree


def _steps(each: RecordedCall) -> Table:
    """Draw the steps as bars; time after the last step was spent on the answer or the failure."""
    table = terminal.table()
    table.add_column()
    table.add_column(justify="right")
    table.add_column(no_wrap=True)
    longest = max(duration for _, duration in each.steps) or 1
    rest = "what failed" if each.error else "answer"
    for what, duration in each.steps:
        bar = "█" * round(BAR * duration / longest)
        table.add_row(what or rest, f"{_ms(duration)} ms", Text(bar, style="cyan"))
    return table


def _add_end(tree: Tree, each: RecordedCall) -> None:
    if each.error:
        title = (f"error {each.error['code']}", STYLES[journal_reader.FAILED])
        branch = tree.add(Text.assemble(title, f" {each.error['msg']}"))
        for line in each.error.get("details", "").splitlines():
            branch.add(Text(line))
    elif each.result:
        tree.add(Text.assemble(("result", "cyan"), f" {json.dumps(each.result)}"))
    elif each.outcome == journal_reader.KILLED:
        tree.add(Text("it never ended: killed, or the machine stopped; DEL removes what is left"))


def _clock(each: RecordedCall) -> str:
    moment = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(each.began / 1000))
    return f"{moment}.{each.began % 1000:03}"


def _ms(microseconds: int | None) -> str:
    return f"{(microseconds or 0) / 1000:.1f}"
