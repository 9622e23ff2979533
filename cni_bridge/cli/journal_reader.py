"""The calls recorded in the journal or in a log, parsed and merged.

Records are written by `journal`.
"""

import json
import os
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from cni_bridge import journal
from cni_bridge.cli import container_names
from cni_bridge.lean.record import record

OK, FAILED = "ok", "failed"
RUNNING = "running"  # begun, and its process is there
KILLED = "killed"  # begun, and neither ended nor running
JOURNAL = tuple(
    Path(path + suffix)
    for path in (journal.PATH, journal.STATUS_PATH)
    for suffix in (journal.OLDER, "")
)
SLOWEST_MS = 600_000  # what began longer ago and has that process id is another process


@record
class RecordedCall:
    """One call; `took`, in microseconds, is None if it has not ended."""

    began: int  # Unix time in milliseconds
    pid: int
    environment: dict[str, str]
    version: str
    stdin: Any
    steps: tuple[tuple[str, int], ...]
    took: int | None
    outcome: str
    result: Any
    error: dict[str, Any] | None

    @property
    def command(self) -> str:
        """The CNI command."""
        return self.environment.get("CNI_COMMAND", "?")

    @property
    def container(self) -> str:
        """The container id; empty if the command has none."""
        return self.environment.get("CNI_CONTAINERID", "")

    @property
    def names(self) -> tuple[str, ...]:
        """The container's names, the best first; none if this call has none."""
        pairs = self.environment.get("CNI_ARGS", "").split(";")
        given = {key: value for key, _, value in (each.partition("=") for each in pairs)}
        own, namespace = given.get("K8S_POD_NAME", ""), given.get("K8S_POD_NAMESPACE", "")
        both = (f"{namespace}/{own}", own) if own and namespace else (own,)
        return container_names.every(self.container, self.environment.get("CNI_NETNS", ""), both)

    @property
    def addresses(self) -> tuple[str, ...]:
        """The addresses of the result, without prefix lengths."""
        listed = self.result.get("ips") if isinstance(self.result, dict) else None
        found = (each.get("address") for each in listed or () if isinstance(each, dict))
        return tuple(each.partition("/")[0] for each in found if isinstance(each, str))

    @property
    def network(self) -> str:
        """The network's name; empty if the config could not be read."""
        return str(self.stdin.get("name", "")) if isinstance(self.stdin, dict) else ""


def read(files: Iterable[Path] = JOURNAL) -> list[RecordedCall]:
    """Return the calls, oldest first; damaged records are skipped."""
    found: dict[tuple[int, int], dict[str, Any]] = {}
    for file in files:
        for each in _records(file):
            key = each["began"], each["pid"]
            found[key] = {**found.get(key, {}), **each}
    return [_call(found[key]) for key in sorted(found)]


def _records(file: Path) -> Iterator[dict[str, Any]]:
    try:
        text = file.read_text(errors="replace")
    except FileNotFoundError:
        return
    for line in text.split("\n"):
        try:
            found = json.loads(line)
        except ValueError:  # a blank line, or one that was cut off
            continue
        if isinstance(found, dict) and {"began", "pid", "environment"} <= found.keys():
            yield found


def _call(found: dict[str, Any]) -> RecordedCall:
    return RecordedCall(
        began=found["began"],
        pid=found["pid"],
        environment=found["environment"],
        version=found.get("version", ""),
        stdin=found.get("stdin"),
        steps=tuple((what, duration) for what, duration in found.get("steps", ())),
        took=found.get("took"),
        outcome=_outcome(found),
        result=found.get("result"),
        error=found.get("error"),
    )


def _outcome(found: dict[str, Any]) -> str:
    if "took" in found:
        return FAILED if "error" in found else OK
    is_recent = time.time_ns() // 1_000_000 - found["began"] < SLOWEST_MS
    return RUNNING if is_recent and os.path.exists(f"/proc/{found['pid']}") else KILLED
