"""Access to the Kubernetes API that is wrong: one line each, never the end, and right again when it is repaired."""

import os
import select
from pathlib import Path
from typing import Any

import pytest
import yaml

from cni_bridge.cluster import kube_api
from cni_bridge.cluster.kube_api import EXEC_V1, Api
from cni_bridge.cluster.store import Unreachable

GOOD: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Config",
    "current-context": "here",
    "contexts": [{"name": "here", "context": {"cluster": "one", "user": "me"}}],
    "clusters": [{"name": "one", "cluster": {"server": "http://127.0.0.1:1"}}],
    "users": [{"name": "me", "user": {"token": "t"}}],
}


def user(**keys: object) -> dict[str, Any]:
    """Return the config with another user."""
    return GOOD | {"users": [{"name": "me", "user": keys}]}


BROKEN: dict[str, str | dict[str, Any]] = {
    "empty": "",
    "not YAML": "a: [",
    "a list": "[]",
    "no current context": {key: GOOD[key] for key in GOOD if key != "current-context"},
    "an unknown context": GOOD | {"current-context": "there"},
    "an unknown cluster": GOOD | {"clusters": []},
    "an unknown user": GOOD | {"users": []},
    "no contexts": GOOD | {"contexts": None},
    "a CA that is missing": GOOD
    | {
        "clusters": [
            {
                "name": "one",
                "cluster": {"server": "https://127.0.0.1:1", "certificate-authority": "/no/ca"},
            }
        ]
    },
    "a token file that is missing": user(tokenFile="/no/token"),
    "a token file that is a directory": user(tokenFile="/"),
    "a token file that is no text": user(tokenFile="/proc/self/exe"),
    "ways to prove oneself that are not known": user(**{"auth-provider": {"name": "gcp"}}),
    "a certificate that is missing": user(**{"client-certificate": "/no/c", "client-key": "/no/k"}),
    "a plugin that is missing": user(exec={"apiVersion": EXEC_V1, "command": "/no/such"}),
    "a plugin that fails": user(exec={"apiVersion": EXEC_V1, "command": "false"}),
    "a plugin that prints nothing": user(exec={"apiVersion": EXEC_V1, "command": "true"}),
    "a plugin without a token": user(
        exec={"apiVersion": EXEC_V1, "command": "echo", "args": ['{"status": {}}']}
    ),
    "a plugin of the future": user(exec={"apiVersion": "v7", "command": "true"}),
}


def write(file: Path, document: str | dict[str, Any]) -> None:
    """Write a kubeconfig, changed later than the one before."""
    when = file.stat().st_mtime_ns + 10**9 if file.exists() else 10**18
    file.write_text(document if isinstance(document, str) else yaml.safe_dump(document))
    os.utime(file, ns=(when, when))


@pytest.mark.parametrize("fault", BROKEN)
def test_wrong_access_is_one_line_and_is_read_again_when_it_changes(
    fault: str, tmp_path: Path
) -> None:
    file = tmp_path / "kubeconfig"
    write(file, BROKEN[fault])
    api = Api(str(file), "cni-bridge")
    for _ in range(2):
        with pytest.raises(Unreachable) as refusal:
            api.lease("x")
        assert "\n" not in str(refusal.value)
        assert str(refusal.value).startswith("kubeconfig ")
    write(file, GOOD)
    with pytest.raises(Unreachable, match="Connection refused"):
        api.lease("x")
    api.close()


def test_a_file_that_is_missing_at_the_start_may_come_later(tmp_path: Path) -> None:
    file = tmp_path / "kubeconfig"
    api = Api(str(file), "cni-bridge")
    with pytest.raises(Unreachable, match="not found"):
        api.lease("x")
    write(file, GOOD)
    with pytest.raises(Unreachable, match="Connection refused"):
        api.lease("x")
    api.close()


def test_a_plugin_that_hangs_is_ended_with_all_that_it_has_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    end = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    monkeypatch.setattr(kube_api, "PLUGIN_S", 1)
    file = tmp_path / "kubeconfig"
    script = ["-c", f"exec 3>{pipe}; sleep 1000 & sleep 1000"]
    write(file, user(exec={"apiVersion": EXEC_V1, "command": "sh", "args": script}))
    api = Api(str(file), "cni-bridge")
    with pytest.raises(Unreachable, match=r"kubeconfig .*: exec sh took longer than 1 s"):
        api.lease("x")
    poll = select.poll()
    poll.register(end, select.POLLHUP)
    assert poll.poll(10_000) == [(end, select.POLLHUP)], "something still has the pipe open"
    os.close(end)
    api.close()


def test_a_plugin_of_today_is_run_and_told_its_version(tmp_path: Path) -> None:
    script = tmp_path / "plugin"
    script.write_text(
        f"#!/bin/sh\nprintf '%s' \"$KUBERNETES_EXEC_INFO\" > {tmp_path}/told\n"
        'echo \'{"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", '
        '"status": {"token": "t"}}\'\n'
    )
    script.chmod(0o755)
    file = tmp_path / "kubeconfig"
    write(file, user(exec={"apiVersion": EXEC_V1, "command": str(script)}))
    api = Api(str(file), "cni-bridge")
    with pytest.raises(Unreachable, match="Connection refused"):
        api.lease("x")
    assert f'"apiVersion": "{EXEC_V1}"' in (tmp_path / "told").read_text()
    api.close()
