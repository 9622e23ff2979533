"""`cni-bridge validate`: report errors and unwise settings in config files.

Reads files only; the host is not inspected.
"""

from pathlib import Path
from typing import Any

from cni_bridge import json_flaws
from cni_bridge.cli import conflists, stdin, terminal, units
from cni_bridge.cli.options import Commands, Options, add_command
from cni_bridge.cli.validate import chains, errors, json_positions, unknown_keys, warnings
from cni_bridge.cli.validate.findings import ERROR, WARNING, ConfigFinding
from cni_bridge.cli.validate.json_positions import Node, Span
from cni_bridge.cli.validate.warnings import Checked
from cni_bridge.edge import codec, explain, versions
from cni_bridge.errors import CniError, InvalidConfig, IOFailure, UndecodableContent
from cni_bridge.ipam.sources import OWN_TYPE
from cni_bridge.lean.record import record

STYLES = {ERROR: "bold red", WARNING: "bold yellow"}
EXAMPLES = """\
  cni-bridge validate /etc/cni/net.d
  cni-bridge validate --strict --format json 10-web.conflist   # for CI
  cni-bridge validate - < 10-web.conflist"""


@record
class Report:
    """A file and its findings, in the order of the text."""

    name: str
    text: str
    findings: tuple[ConfigFinding, ...]

    def count(self, severity: str) -> int:
        """Return the number of findings of that severity."""
        return sum(finding.severity == severity for finding in self.findings)


def register(commands: Commands) -> None:
    """Add the command and its options."""
    parser = add_command(
        commands,
        "validate",
        run,
        description="Checks network configs as the plugin does, but reports every mistake, and "
        "warns of what is\nlegal but rarely meant. A file is a config list or a single config.",
        examples=EXAMPLES,
    )
    parser.add_argument(
        "files", metavar="FILE|DIR", nargs="+", help="a file, a directory, or - for stdin"
    )
    parser.add_argument(
        "--format", choices=("text", "json"), default="text", help="text by default"
    )
    parser.add_argument("--strict", action="store_true", help="treat warnings as errors")


def run(options: Options) -> int:
    """Examine every file; return 1 if one has an error."""
    files, unread = _files(options.files)
    reports = [*unread, *examine(files)]
    if options.format == "json":
        terminal.print_json({"files": [_as_json(report) for report in reports]})
    else:
        _print(reports)
    severities = (ERROR, WARNING) if options.strict else (ERROR,)
    return int(any(report.count(each) for report in reports for each in severities))


def refuse(name: str, text: str) -> None:
    """Raise InvalidConfig with all errors of a config, if it has any."""
    (report,) = examine([(name, text)])
    wrong = [each for each in report.findings if each.severity == ERROR]
    if len(wrong) == 1:
        raise InvalidConfig(_located(report, wrong[0]), wrong[0].hint)
    if wrong:
        lines = [
            _located(report, each) + (f" ({each.hint})" if each.hint else "") for each in wrong
        ]
        raise InvalidConfig(f"{name} has {len(wrong)} errors", "\n".join(lines))


def _located(report: Report, finding: ConfigFinding) -> str:
    line, column = codec.position(report.text, finding.span.start)
    return f"line {line}, column {column}: {finding.message}"


def _files(names: list[str]) -> tuple[list[tuple[str, str]], list[Report]]:
    """Return the text of each file, those of directories too, and a report of each unread one."""
    found, unread = [], []
    for name in names:
        for each in _configs_in(name) if Path(name).is_dir() else [name]:
            try:
                found.append((each, stdin.read(each)))
            except IOFailure as error:
                unread.append(_unread(each, f"cannot be read: {error.msg.rpartition(': ')[2]}"))
    return found, unread


def _configs_in(directory: str) -> list[str]:
    files = sorted(Path(directory).glob("*"))
    # A directory without any is named itself, as the file that cannot be read.
    return [str(file) for file in files if file.suffix in conflists.SUFFIXES] or [directory]


def _unread(name: str, message: str) -> Report:
    finding = ConfigFinding(severity=ERROR, path="", span=Span(start=0, end=1), message=message)
    return Report(name=name, text="", findings=(finding,))


def examine(files: list[tuple[str, str]]) -> list[Report]:
    """Return a report of each (name, text), with conflicts between the files."""
    findings: dict[str, list[ConfigFinding]] = {}
    networks: list[Checked] = []
    for name, text in files:
        findings[name] = _in_file(name, text, networks)
    for name, finding in warnings.on_all(networks):
        findings[name].append(finding)
    return [
        Report(
            name=name,
            text=text,
            findings=tuple(sorted(findings[name], key=lambda each: each.span.start)),
        )
        for name, text in dict(files).items()
    ]


def _in_file(name: str, text: str, networks: list[Checked]) -> list[ConfigFinding]:
    try:
        codec.decode(text.encode(errors="replace"))
    except UndecodableContent:
        return [
            ConfigFinding(
                severity=ERROR,
                path="",
                span=Span(start=each.place, end=each.place + 1),
                message=each.reason,
                hint=each.hint,
            )
            for each in json_flaws.flaws(text)
        ]
    root = json_positions.scan(text)
    found = list(errors.in_header(root))
    identity = _identity(root, is_good=not found)
    plugins, others = _plugins(root)
    found += [*others, *_on_kind(name, root, identity["cniVersion"], has_our=bool(plugins))]
    for plugin in plugins:
        found += _in_plugin(name, plugin, identity, networks)
    return found


def _in_plugin(
    file: str, plugin: Node, identity: dict[str, str], networks: list[Checked]
) -> list[ConfigFinding]:
    found = unknown_keys.in_plugin(
        plugin,
        explain.schema(),
        is_ours=chains.is_ours(_text(plugin.get("type"), OWN_TYPE)),
        has_our_ipam=chains.is_ours(_ipam_type(plugin) or OWN_TYPE),
        is_listed=bool(plugin.path),
    )
    try:
        checked = Checked(file=file, plugin=plugin, config=errors.understood(plugin, identity))
    except CniError:
        return [*found, *errors.in_plugin(plugin, identity)]
    networks.append(checked)
    return [*found, *warnings.on_config(checked)]


def _plugins(root: Node) -> tuple[list[Node], list[ConfigFinding]]:
    """Return the plugin configs to check, and what is wrong with the list of them."""
    listed = root.get("plugins") or unknown_keys.misspelt_plugins(root)
    if listed is None:
        if not root.get("type"):
            return [root], [_without_plugin(root)]
        return [root], [*chains.in_list([root]), *chains.on_ipam(root)]
    found = list(unknown_keys.in_list(root, explain.schema()))
    found += [] if root.get("plugins") else [_without_plugin(root)]
    items = list((listed.items or {}).values()) if listed.is_list else []
    if not items:
        return [], [*found, _wrong(listed, "a list of plugins, one or more")]
    ours = []
    for item in items:
        kind = item.get("type")
        if item.is_list or item.items is None:
            found.append(_wrong(item, "an object"))
        elif kind is None or not isinstance(kind.scalar, str) or not kind.scalar:
            found.append(_wrong(kind or item, "the file name of a plugin in `type`"))
        elif chains.is_ours(kind.scalar) or _ipam_type(item) == OWN_TYPE:
            ours.append(item)
    typed = [item for item in items if not item.is_list and _text(item.get("type"), "")]
    found += chains.in_list(typed)
    for item in typed:
        found += chains.on_ipam(item)
    return ours, found


def _on_kind(file: str, root: Node, version: str, *, has_our: bool) -> list[ConfigFinding]:
    """Return warnings about the file's name and shape."""
    is_list = root.get("plugins") is not None
    if not is_list and not root.get("type"):
        return []
    suffix = Path(file).suffix
    found = []
    if is_list and suffix in (".conf", ".json"):
        found.append(
            f"this is a config list, which runtimes only read from *.conflist files, not *{suffix}"
        )
    if not is_list and suffix == ".conflist":
        found.append("a .conflist file needs a `plugins` list")
    elif not is_list and version in versions.SUPPORTED[-2:]:
        found.append("CNI 1.0.0 and later have config lists only: move this into a `plugins` list")
    if is_list and not has_our:
        found.append("no plugin in this list is cni-bridge, so its keys were not checked")
    if root.get("cniVersion") is None:
        found.append(
            "`cniVersion` is missing, so 0.1.0 is used: no CHECK, no GC, one address per family"
        )
    start = _beginning(root)
    return [ConfigFinding(severity=WARNING, path="", span=start, message=text) for text in found]


def _identity(root: Node, *, is_good: bool) -> dict[str, str]:
    """Return name and version for the plugins; stand-ins if they are wrong."""
    version = _text(root.get("cniVersion"), versions.SUPPORTED[0])
    if is_good:
        return {"name": _text(root.get("name"), ""), "cniVersion": version}
    return {"name": "network", "cniVersion": versions.NEWEST}


def _wrong(node: Node, expected: str) -> ConfigFinding:
    value = codec.encode(node.value(), indent=0)[: explain.FOUND_LIMIT]
    return ConfigFinding(
        severity=ERROR,
        path=node.name,
        span=node.span,
        message=f"{node.name}: expected {expected}, found {value}",
        found=value,
        expected=expected,
    )


def _without_plugin(root: Node) -> ConfigFinding:
    message = "`plugins` is missing: a network config needs a list of plugins"
    return ConfigFinding(severity=ERROR, path="", span=_beginning(root), message=message)


def _beginning(node: Node) -> Span:
    return Span(start=node.span.start, end=node.span.start + 1)


def _ipam_type(plugin: Node) -> str:
    section = plugin.get("ipam")
    return _text(section.get("type"), "") if section else ""


def _text(node: Node | None, default: str) -> str:
    return node.scalar if node and isinstance(node.scalar, str) and node.scalar else default


# ---------------------------------------------------------------- output


def _as_json(report: Report) -> dict[str, Any]:
    findings = []
    for each in report.findings:
        line, column = codec.position(report.text, each.span.start)
        fields = {key: value for key, value in vars(each).items() if key != "span"}
        findings.append({"line": line, "column": column, **fields})
    return {"file": report.name, "valid": not report.count(ERROR), "findings": findings}


def _print(reports: list[Report]) -> None:
    for report in reports:
        for finding in report.findings:
            _print_finding(report, finding)
        if not report.findings:
            terminal.tell(f"{report.name}: ", ("ok", "bold green"))
    counts = [sum(report.count(each) for report in reports) for each in (ERROR, WARNING)]
    if any(counts):
        words = [
            units.count(count, kind)
            for count, kind in zip(counts, (ERROR, WARNING), strict=True)
            if count
        ]
        terminal.write(", ".join(words))


def _print_finding(report: Report, finding: ConfigFinding) -> None:
    """Print `FILE:LINE:COLUMN: error: ...` like a compiler, then the line with a marker."""
    line, column = codec.position(report.text, finding.span.start)
    style = STYLES[finding.severity]
    terminal.tell(
        (f"{report.name}:{line}:{column}: ", "bold"),
        (f"{finding.severity}: ", style),
        finding.message,
    )
    source = report.text.splitlines()[line - 1 : line]
    if source:
        end = min(finding.span.end - finding.span.start, len(source[0]) - column + 1)
        blanks = "".join(letter if letter == "\t" else " " for letter in source[0][: column - 1])
        terminal.tell(f"{line:5} | {source[0]}", is_whole=True)
        terminal.tell("      | ", blanks, ("^" * max(1, end), style), is_whole=True)
    for text in finding.hint.splitlines() if finding.hint else ():
        terminal.tell("      = ", (text, "cyan"), indent=" " * 8)
