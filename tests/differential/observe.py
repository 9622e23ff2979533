"""Runs one row through one plugin in a private host, and tells what came of it, field by field.

Both plugins get the same config, byte for byte; only CNI_PATH names their own directory.
"""

import json
import time
from pathlib import Path
from typing import Any

from tests.differential.kernel import Fields, Snapshot, flat
from tests.differential.row import ByHand, Call, Row, Step, Write
from tests.lab import Container, Host, Network, Plugin, Run, namespaces
from tests.lab.iproute import ip, ip_json

SETTLED_AFTER_S = 4.0  # duplicate address detection takes up to two


def observe(row: Row, executable: Path) -> Fields:
    """Return the fields of every call and of the final state."""
    with Host() as host:
        # So that the host's own link-local addresses are there at once, for either plugin.
        Path("/proc/sys/net/ipv6/conf/default/accept_dad").write_text("0")
        seen = _Observer(host, row, executable)
        for number, step in enumerate(row.steps, 1):
            seen.take(number, step)
        return seen.fields()


class _Observer:
    def __init__(self, host: Host, row: Row, executable: Path) -> None:
        self._host = host
        self._directory = executable.parent
        self._network = Network(Plugin(executable, "host-local"), row.document())
        self._containers: dict[str, Container] = {}
        self._found: Fields = {}
        self._fixed = json.dumps([row.document(), [str(step) for step in row.steps]])

    def take(self, number: int, step: Step) -> None:
        """Take one step of the row."""
        if isinstance(step, Call):
            run = self._call(step)
            fields = _outcome(step, run)
            named = {f"{number} {step.command} {key}": value for key, value in fields.items()}
            self._found |= self._snapshot().translate(named)
        elif isinstance(step, ByHand):
            container = self._container(step.container) if step.container else None
            words = step.words.format(port=_newest_port()) if "{port}" in step.words else step.words
            ip(*words.split(), container=container.name if container else "")
        else:
            self._write(step)

    def fields(self) -> Fields:
        """Return what the calls answered, and the settled state."""
        deadline = time.monotonic() + SETTLED_AFTER_S
        while not (snapshot := self._snapshot()).is_settled and time.monotonic() < deadline:
            time.sleep(0.02)
        return self._found | snapshot.fields()

    def _snapshot(self) -> Snapshot:
        return Snapshot(list(self._containers.values()), self._fixed)

    def _container(self, name: str) -> Container:
        if name not in self._containers:
            self._containers[name] = self._host.container(name)
        return self._containers[name]

    def _call(self, step: Call) -> Run:
        environment = {"CNI_PATH": str(self._directory), **step.environment}
        return self._network.do(
            step.command,
            self._container(step.container),
            step.ifname,
            environment=environment,
            config=step.config,
            stdin=step.stdin,
        )

    def _write(self, step: Write) -> None:
        if step.container:
            with namespaces.visiting(self._container(step.container).netns):
                Path(step.path).write_text(step.content)
        else:
            Path(step.path).parent.mkdir(parents=True, exist_ok=True)
            Path(step.path).write_text(step.content)


def _outcome(step: Call, run: Run) -> Fields:
    fields: Fields = {"status": run.status}
    if run.status:
        error = run.error()
        told: tuple[Any, Any] = (error["code"], f"{error['msg']}\n{error.get('details', '')}")
        code, words = step.refused or (0, "")
        fields["error.code"] = f"{code} or 999" if told[0] in (code, 999) else told[0]
        fields["error.words"] = words if words.lower() in told[1].lower() else told[1]
    elif step.command == "ADD":
        fields |= dict(flat("result", run.result()))
    else:
        fields["stdout"] = run.stdout
    return fields


def _newest_port() -> str:
    ports = ip_json("link", "show", "type", "veth")
    return str(max(ports, key=lambda link: int(link["ifindex"]))["ifname"])
