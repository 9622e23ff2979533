"""`cni-bridge trace`: the list of calls in a terminal of 80 columns."""

import time
from typing import Any

import pytest

from cni_bridge.cli import terminal, trace
from cni_bridge.cli.journal_reader import FAILED, OK, RecordedCall

REASON = "host port 8080/tcp is held by process 2315 (python3), and that for a long time already"


def call(**changes: Any) -> RecordedCall:
    facts: dict[str, Any] = {
        "began": int(time.time() * 1000),
        "pid": 1,
        "environment": {
            "CNI_COMMAND": "ADD",
            "CNI_CONTAINERID": "web-frontend-1",
            "CNI_IFNAME": "eth0",
        },
        "version": "1",
        "stdin": {"name": "my-network"},
        "steps": (),
        "took": 123_456,
        "outcome": OK,
        "result": None,
        "error": None,
    }
    return RecordedCall(**(facts | changes))


@pytest.mark.parametrize("width", [80, 200])
def test_a_table_breaks_no_cell_and_loses_no_error(
    width: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    failed = call(outcome=FAILED, error={"code": 103, "msg": REASON}, began=1)
    calls = [call(), failed]
    titles = {each.container: "web-frontend-1" for each in calls}
    monkeypatch.setattr(terminal, "PIPE_WIDTH", width)
    terminal.console().print(trace._table(calls, titles, width), soft_wrap=False)
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= width
    assert [line.split()[-1] for line in lines[:2]] == ["outcome", "ok"]
    assert sum("web-frontend-1" in line for line in lines) == 2
    assert REASON in " ".join(" ".join(lines).split())
