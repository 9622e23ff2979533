"""The two sockets of an emulated machine: its monitor (QMP), and the agent that runs commands in it.

Both speak JSON, a document a line; see qemu's qmp-spec and qemu-ga-ref.
"""

import base64
import json
import socket
import subprocess
import time
from pathlib import Path
from typing import Any

Json = dict[str, Any]

ATTEMPT_S = 5.0  # to find out whether the agent runs
ANSWER_S = 120.0  # of an agent beside other work
ENVIRONMENT = ("PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root")


class Monitor:
    """qemu's own socket."""

    def __init__(self, path: Path, timeout_s: float) -> None:
        self._socket = _connect(path, timeout_s)
        self._lines = self._socket.makefile("rb")
        self._answer()  # its greeting
        self("qmp_capabilities")

    def __call__(self, command: str, **arguments: object) -> Any:
        """Return what qemu answers; events that come before it are dropped."""
        document = {"execute": command, "arguments": arguments}
        self._socket.sendall(json.dumps(document).encode() + b"\n")
        while "return" not in (answer := self._answer()):
            assert "error" not in answer, f"{command}: {answer}"
        return answer["return"]

    def human(self, line: str) -> None:
        """Run a command of the monitor for people, which prints only complaints."""
        said = self("human-monitor-command", **{"command-line": line})
        assert not said.strip(), f"{line}: {said}"

    def close(self) -> None:
        """Hang up."""
        self._lines.close()
        self._socket.close()

    def wait_for(self, event: str) -> None:
        """Return when qemu reports an event."""
        while self._answer().get("event") != event:
            pass

    def _answer(self) -> Json:
        line = self._lines.readline()
        assert line, "qemu is gone"
        return dict(json.loads(line))


class Agent:
    """qemu's guest agent, which Debian's udev starts."""

    def __init__(self, path: Path, timeout_s: float) -> None:
        self._socket = _connect(path, timeout_s)
        self._serial = 0
        self._buffer = b""

    def close(self) -> None:
        """Hang up."""
        self._socket.close()

    def wait(self, timeout_s: float) -> None:
        """Return once the agent answers; what an earlier one has sent is dropped."""
        deadline = time.monotonic() + timeout_s
        while not self._answers():
            assert time.monotonic() < deadline, f"the guest did not start in {timeout_s} s"

    def run(self, script: str, timeout_s: float) -> "subprocess.CompletedProcess[str]":
        """Return what became of a script of bash."""
        started = self._call(
            "guest-exec",
            path="/bin/bash",
            arg=["-c", script],
            env=list(ENVIRONMENT),
            **{"capture-output": True},
        )
        deadline = time.monotonic() + timeout_s
        pause = 0.02
        while not (state := self._call("guest-exec-status", pid=started["pid"]))["exited"]:
            assert time.monotonic() < deadline, f"not done in {timeout_s} s: {script}"
            time.sleep(pause)
            pause = min(pause * 1.5, 0.5)
        out, err = (
            base64.b64decode(state.get(name, "")).decode(errors="replace")
            for name in ("out-data", "err-data")
        )
        code = state.get("exitcode", -state.get("signal", 1))
        return subprocess.CompletedProcess(script, code, out, err)

    def start(self, script: str) -> None:
        """Start a script of bash and do not wait for it."""
        self._call("guest-exec", path="/bin/bash", arg=["-c", script], env=list(ENVIRONMENT))

    def _answers(self) -> bool:
        self._serial += 1
        self._buffer = b""
        sync = {"execute": "guest-sync-delimited", "arguments": {"id": self._serial}}
        deadline = time.monotonic() + ATTEMPT_S
        try:
            self._send(b"\xff", sync)  # waits if the guest has read none of many
            while time.monotonic() < deadline:
                line = self._line(deadline).rpartition(b"\xff")[2]
                if line and json.loads(line).get("return") == self._serial:
                    return True
        except TimeoutError:
            pass
        return False

    def _call(self, command: str, **arguments: object) -> Any:
        self._send(b"", {"execute": command, "arguments": arguments})
        answer = json.loads(self._line(time.monotonic() + ANSWER_S))
        assert "return" in answer, f"{command}: {answer}"
        return answer["return"]

    def _send(self, prefix: bytes, document: Json) -> None:
        self._socket.settimeout(ATTEMPT_S)
        self._socket.sendall(prefix + json.dumps(document).encode() + b"\n")

    def _line(self, deadline: float) -> bytes:
        while b"\n" not in self._buffer:
            self._socket.settimeout(max(deadline - time.monotonic(), 0.01))
            data = self._socket.recv(1 << 20)
            assert data, "qemu is gone"
            self._buffer += data
        line, _, self._buffer = self._buffer.partition(b"\n")
        return line


def _connect(path: Path, timeout_s: float) -> socket.socket:
    deadline = time.monotonic() + timeout_s
    while True:
        connection = socket.socket(socket.AF_UNIX)
        try:
            connection.connect(str(path))
        except OSError:
            connection.close()
            assert time.monotonic() < deadline, f"qemu did not start in {timeout_s} s"
            time.sleep(0.05)
        else:
            connection.settimeout(timeout_s)
            return connection
