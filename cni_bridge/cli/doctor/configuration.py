"""Check the files in the config directory and the plugins that they name."""

import os
from collections.abc import Iterator

from cni_bridge.cli.doctor.facts import Facts
from cni_bridge.cli.doctor.findings import Diagnosis
from cni_bridge.cli.validate import command as validate
from cni_bridge.cli.validate.chains import NO_CONTAINER
from cni_bridge.cli.validate.findings import ERROR
from cni_bridge.edge import codec


def configs(facts: Facts) -> Iterator[Diagnosis]:
    """Find files that the plugin refuses, and conflicts between files."""
    files = [(each.file, each.text) for each in facts.networks]
    alone = {
        (name, finding)
        for name, text in files
        for report in validate.examine([(name, text)])
        for finding in report.findings
    }
    for report in validate.examine(files):
        for finding in report.findings:
            is_between_files = (report.name, finding) not in alone
            if finding.severity != ERROR and not finding.effect and not is_between_files:
                continue
            line, _ = codec.position(report.text, finding.span.start)
            yield Diagnosis(
                cause=f"{report.name}:{line}: {finding.message}",
                effect=finding.effect
                or ("two containers can get one address" if is_between_files else NO_CONTAINER),
                command=f"cni-bridge validate {report.name}",
            )


def plugins(facts: Facts) -> Iterator[Diagnosis]:
    """Find plugins that configs name and that are not installed."""
    for each in facts.networks:
        missing = [name for name in each.executables if not _is_installed(name, facts.plugin_dirs)]
        if missing:
            names = f"plugin{'s' * (len(missing) > 1)} {', '.join(missing)}"
            yield Diagnosis(
                cause=f"{each.file} names {names}, not found in {', '.join(facts.plugin_dirs)}",
                effect=NO_CONTAINER,
                command="; ".join(_installation(name, facts.plugin_dirs[0]) for name in missing),
            )


def _is_installed(name: str, directories: tuple[str, ...]) -> bool:
    return any(os.access(os.path.join(each, name), os.X_OK) for each in directories)


def _installation(name: str, directory: str) -> str:
    if name == "cni-bridge":
        return f'mkdir -p {directory} && ln -s "$(command -v cni-bridge)" {directory}/cni-bridge'
    return f"install the CNI plugin {name} in {directory}"
