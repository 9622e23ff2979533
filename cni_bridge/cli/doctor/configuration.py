"""Check the files in the config directory and the plugins that they name."""

import os
from collections.abc import Iterator

from cni_bridge.cli.doctor.facts import Facts
from cni_bridge.cli.doctor.findings import Diagnosis
from cni_bridge.cli.validate import command as validate
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
            if finding.severity != ERROR and not is_between_files:
                continue
            line, _ = codec.position(report.text, finding.span.start)
            yield Diagnosis(
                cause=f"{report.name}:{line}: {finding.message}",
                effect="two containers can get one address"
                if is_between_files
                else "no container can be attached to this network",
                command=f"cni-bridge validate {report.name}",
            )


def plugins(facts: Facts) -> Iterator[Diagnosis]:
    """Find plugins that configs name and that are not installed."""
    for each in facts.networks:
        for name in each.executables:
            paths = [os.path.join(directory, name) for directory in facts.plugin_dirs]
            if not any(os.access(path, os.X_OK) for path in paths):
                yield Diagnosis(
                    cause=f"{each.file} names plugin {name}, which is not in "
                    f"{':'.join(facts.plugin_dirs)}",
                    effect="no container can be attached to this network",
                    command=_installation(name, facts.plugin_dirs[0]),
                )


def _installation(name: str, directory: str) -> str:
    if name == "cni-bridge":
        return f'ln -s "$(command -v cni-bridge)" {directory}/cni-bridge'
    return f"install the CNI plugin {name} in {directory}"
