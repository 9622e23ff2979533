"""VERSION, and what a person gets who runs the executable by hand."""

import json
import os
import subprocess

from tests.kernel.conftest import VERSIONS
from tests.lab import Plugin

DUMMIES = {"CNI_NETNS": "dummy", "CNI_IFNAME": "dummy", "CNI_PATH": "dummy"}


def test_version_lists_every_supported_version(plugin: Plugin, version: str) -> None:
    stdin = json.dumps({"cniVersion": version})
    result = plugin.run({"CNI_COMMAND": "VERSION"}, stdin).result()
    assert result["supportedVersions"] == list(VERSIONS)
    assert result["cniVersion"] == VERSIONS[-1]  # as the reference, whatever stdin asks for


def test_version_ignores_what_else_the_environment_holds(plugin: Plugin, version: str) -> None:
    stdin = json.dumps({"cniVersion": version})
    environment = {"CNI_COMMAND": "VERSION", **DUMMIES, "CNI_CONTAINERID": "//", "CNI_ARGS": "=;="}
    assert plugin.run(environment, stdin).result()["supportedVersions"] == list(VERSIONS)


def test_version_answers_without_stdin(plugin: Plugin) -> None:
    assert plugin.run({"CNI_COMMAND": "VERSION"}, "").result()["supportedVersions"]


def test_version_does_not_wait_for_stdin(plugin: Plugin) -> None:
    reading, writing = os.pipe()
    environment = {"CNI_COMMAND": "VERSION"}
    try:
        done = subprocess.run(
            (str(plugin.path),), env=environment, stdin=reading, capture_output=True, timeout=20
        )
    finally:
        os.close(reading)
        os.close(writing)
    assert done.returncode == 0


def test_by_hand_it_says_on_stderr_what_it_is(plugin: Plugin) -> None:
    run = plugin.run({}, "")
    assert (run.status, run.stdout) == (0, "")
    assert "CNI" in run.stderr
    assert VERSIONS[-1] in run.stderr


def test_a_caller_that_forgot_the_command_is_told(plugin: Plugin) -> None:
    error = plugin.run(DUMMIES, "{}").error()
    assert error["code"] == 4
    assert "CNI_COMMAND" in error["msg"]
