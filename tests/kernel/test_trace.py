"""The journal: every call that matters is in it, no secret is, and it is never in the way."""

import json
import os
import select
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.kernel.conftest import MakeNetwork
from tests.lab import PLUGIN, Attachment, Host, Json, Network, Plugin
from tests.lab.people import ATTENTIVE, command, printed, printed_json
from tests.lab.script import delegate
from tests.lab.waiting import wait_until

DIRECTORY = Path("/run/cni-bridge")
JOURNAL = DIRECTORY / "journal.jsonl"
CALLS = 30
PASSWORD = "hunter2-0xdeadbeef"


@pytest.fixture
def version() -> str:
    """Return what is recorded does not depend on the spec version."""
    return "1.1.0"


def recorded(*words: str) -> list[dict[str, Any]]:
    """Return the calls as a program reads them, oldest first."""
    return list(printed_json("trace", "--json", *words))


def commands() -> list[tuple[str, str]]:
    """Command and outcome of each call."""
    return [(each["environment"]["CNI_COMMAND"], each["outcome"]) for each in recorded()]


def test_each_call_is_recorded_with_stdin_steps_and_outcome(host: Host, network: Network) -> None:
    container = host.container()
    result = network.add(container).result()
    network.check(container).assert_silent_success()
    network.delete(container).assert_silent_success()
    assert commands() == [("ADD", "ok"), ("CHECK", "ok"), ("DEL", "ok")]
    added, _, deleted = recorded()
    assert added["stdin"] == network.config
    assert added["result"] == result
    assert added["environment"]["CNI_NETNS"] == str(container.netns)
    taken = [what for what, _ in added["steps"]]
    assert taken[:6] == ["request", "config", "claim", "bridge", "gateway", "pair"]
    assert sum(duration for _, duration in added["steps"]) == added["took"]
    assert "pair removed" in [what for what, _ in deleted["steps"]]


def test_a_failed_add_is_recorded_with_its_error(host: Host, network: Network) -> None:
    container = host.container()
    network.add(container).result()
    error = network.add(container).error()
    (failed,) = recorded("last")
    assert (failed["outcome"], failed["error"]) == ("failed", error)


@pytest.mark.parametrize("stdin", ["{", "", "[]"])
def test_a_call_is_recorded_although_its_stdin_is_no_config(network: Network, stdin: str) -> None:
    run = network.plugin.run({"CNI_COMMAND": "GC"}, stdin)
    (failed,) = recorded("last")
    assert failed["error"] == run.error()
    assert failed["stdin"] == stdin


@pytest.mark.parametrize("stdin", ['{"name": 1, "name": 2}', '{"name": \x01}'])
def test_stdin_without_structure_is_left_out_where_it_may_hold_a_secret(
    network: Network, stdin: str
) -> None:
    printed_error = network.plugin.run({"CNI_COMMAND": "GC"}, stdin).error()
    (failed,) = recorded("last")
    assert failed["stdin"] == "(not JSON, and left out because it may hold a secret)"
    assert "comes `" in printed_error.pop("details"), "what stands around the flaw"
    assert failed["error"] == printed_error


def test_a_call_with_bad_variables_is_recorded(network: Network) -> None:
    error = network.plugin.run({"CNI_COMMAND": "ADD"}, "{}").error()
    assert recorded("last")[0]["error"] == error


def test_a_call_as_ipam_plugin_of_another_is_recorded(host: Host, network: Network) -> None:
    container = host.container()
    network.add(container, config={"type": "macvlan"}).result()
    assert recorded("last")[0]["stdin"]["type"] == "macvlan"
    network.delete(container, config={"type": "macvlan"}).assert_silent_success()


def test_gc_is_recorded_and_status_only_when_it_failed(host: Host, network: Network) -> None:
    stdin = json.dumps(network.config)
    for asked in ("GC", "STATUS", "VERSION"):
        assert network.plugin.run({"CNI_COMMAND": asked}, stdin).status == 0
    assert commands() == [("GC", "ok")]
    network.plugin.run({"CNI_COMMAND": "STATUS"}, "{}").error()
    assert commands() == [("GC", "ok"), ("STATUS", "failed")]


def test_failures_of_status_displace_no_other_call(host: Host, network: Network) -> None:
    network.add(host.container()).result()
    for _ in range(40):
        network.plugin.run({"CNI_COMMAND": "STATUS"}, json.dumps({"x": "y" * 30_000})).error()
    sizes = [(DIRECTORY / f"status.jsonl{suffix}").stat().st_size for suffix in ("", ".1")]
    assert max(sizes) < 600_000
    assert "ADD" in JOURNAL.read_text()


def test_a_call_that_was_killed_is_there_without_an_end(host: Host, network: Network) -> None:
    with subprocess.Popen(
        [str(PLUGIN)],
        env={"CNI_COMMAND": "ADD", "CNI_CONTAINERID": "doomed", "CNI_IFNAME": "eth0"}
        | {"CNI_NETNS": "/run/netns/none"},
        stdin=subprocess.PIPE,  # which it waits for
    ) as process:
        wait_until(lambda: JOURNAL.exists() and "doomed" in JOURNAL.read_text())
        assert commands() == [("ADD", "running")]
        process.kill()
    assert commands() == [("ADD", "killed")]
    assert "never ended" in printed("trace", "doomed")


@pytest.mark.parametrize(
    "damage", ['{"began": 1, "pid"', '{"began": 1}\n[]\n3\n', "\xff\x00" * 5000]
)
def test_a_damaged_record_spoils_no_other(host: Host, network: Network, damage: str) -> None:
    first, second = host.container(), host.container()
    network.add(first).result()
    with JOURNAL.open("a") as file:
        file.write(damage)  # as a process leaves it that is killed while it writes
    network.add(second).result()
    assert [each["environment"]["CNI_CONTAINERID"] for each in recorded()] == ["c1", "c2"]


def test_calls_at_once_are_all_recorded_whole(host: Host, network: Network) -> None:
    containers = [host.container() for _ in range(12)]
    for run in network.do_all("ADD", containers):
        run.result()
    assert commands() == [("ADD", "ok")] * 12


def test_the_journal_does_not_grow_without_bound(host: Host, network: Network) -> None:
    JOURNAL.parent.mkdir(mode=0o700)
    JOURNAL.write_text("x" * 600_000)
    network.add(host.container()).result()
    assert JOURNAL.stat().st_size < 10_000
    assert (DIRECTORY / "journal.jsonl.1").stat().st_size == 600_000


def test_large_stdin_is_left_out(host: Host, network: Network) -> None:
    network.plugin.run({"CNI_COMMAND": "GC"}, json.dumps({"name": "x" * 40_000})).error()
    (call,) = recorded()
    assert call["stdin"].endswith(" bytes")


def test_only_root_may_read_the_journal(host: Host, network: Network) -> None:
    network.add(host.container()).result()
    assert JOURNAL.stat().st_mode & 0o777 == 0o600


def in_the_way(kind: str) -> None:
    """Something that nobody can append to, where the journal should be."""
    DIRECTORY.mkdir(mode=0o700)
    target = Path("/run/elsewhere")
    target.write_text("")
    if kind == "directory":
        JOURNAL.mkdir()
    elif kind == "link":
        JOURNAL.symlink_to(target)
    else:
        os.mkfifo(JOURNAL)


@pytest.mark.parametrize("kind", ["directory", "link", "fifo"])
def test_a_call_succeeds_without_a_journal(host: Host, network: Network, kind: str) -> None:
    in_the_way(kind)
    container = host.container()
    run = network.add(container)
    run.result()
    assert run.stderr == ""
    network.delete(container).assert_silent_success()
    assert Path("/run/elsewhere").read_text() == ""


@pytest.mark.parametrize("is_decodable", [True, False])
def test_no_secret_reaches_the_disk(
    host: Host, network: Network, tmp_path: Path, is_decodable: bool
) -> None:
    log = tmp_path / "log"
    stdin = json.dumps({**network.config, "registry": {"authToken": PASSWORD}})
    environment = {
        "CNI_ARGS": f"IgnoreUnknown=1;K8S_POD_TOKEN={PASSWORD}",
        "CNI_BRIDGE_LOG": str(log),
    }
    more: dict[str, Any] = {"environment": environment}
    network.add(host.container(), stdin=stdin if is_decodable else stdin[:-1], **more)
    for file in (JOURNAL, log):
        assert "(redacted)" in file.read_text()
        assert PASSWORD not in file.read_text()


@pytest.mark.parametrize(
    ("config", "arguments"),
    [
        ({"proxy": f"http://bob:{PASSWORD}@proxy:3128"}, "IgnoreUnknown=1"),
        ({"more": json.dumps({"deep": json.dumps({"psk": PASSWORD})})}, "IgnoreUnknown=1"),
        ({"prevResult": {"dns": {"options": [f"token={PASSWORD}"]}}}, "IgnoreUnknown=1"),
        ({}, f"IgnoreUnknown=1;K8S_TOKEN=x;{PASSWORD}"),  # and an error that quotes it
    ],
)
def test_no_wrapped_secret_reaches_the_disk(
    config: Json, arguments: str, host: Host, network: Network
) -> None:
    network.add(host.container(), config=config, environment={"CNI_ARGS": arguments})
    assert "(redacted)" in JOURNAL.read_text()
    assert PASSWORD not in JOURNAL.read_text()


def test_no_secret_on_another_plugins_stderr_reaches_the_disk(
    host: Host, network: Network, tmp_path: Path
) -> None:
    plugin = tmp_path / "leaky"
    plugin.write_text(f"#!/bin/sh\necho 'login with password {PASSWORD} failed' >&2; exit 3\n")
    plugin.chmod(0o755)
    environment = delegate(network, plugin.name, tmp_path)
    error = network.add(host.container(), environment=environment).error()
    assert PASSWORD in error["details"], "the runtime gets it as it is"
    assert "login with password (redacted)" in JOURNAL.read_text()
    assert PASSWORD not in JOURNAL.read_text()


def test_the_log_gets_one_line_for_each_call(host: Host, network: Network, tmp_path: Path) -> None:
    log = tmp_path / "log"
    network.environment = {"CNI_BRIDGE_LOG": str(log)}
    container = host.container()
    network.add(container).result()
    stdin = json.dumps(network.config)
    variables = {"CNI_COMMAND": "STATUS", "CNI_BRIDGE_LOG": str(log)}
    network.plugin.run(variables, stdin).assert_silent_success()
    lines = [json.loads(line) for line in log.read_text().splitlines() if line]
    assert [each["environment"]["CNI_COMMAND"] for each in lines] == ["ADD", "STATUS"]
    assert log.stat().st_mode & 0o777 == 0o600
    assert "STATUS" in printed("trace", "--log", str(log))


@pytest.mark.parametrize("path", ["/nowhere/log", "/run", "link"])
def test_a_log_that_cannot_be_written_is_said_and_no_failure(
    host: Host, network: Network, tmp_path: Path, path: str
) -> None:
    target = tmp_path / "target"
    (tmp_path / "link").symlink_to(target)
    log = str(tmp_path / path)
    run = network.add(host.container(), environment={"CNI_BRIDGE_LOG": log})
    run.result()
    assert run.stderr.startswith(f"cni-bridge: cannot write to CNI_BRIDGE_LOG {log}: ")
    assert not target.exists()


def test_people_see_steps_and_errors(host: Host, network: Network) -> None:
    container = host.container()
    network.add(container).result()
    error = network.add(container).error()
    details = printed("trace", container.name)
    for text in ("claim", "port up", "█", "result", f"error {error['code']}", "what failed"):
        assert text in details
    assert error["msg"] in printed("trace")


def test_a_container_without_calls_is_said(host: Host, network: Network) -> None:
    network.add(host.container()).result()
    run = command("trace", "nobody")
    assert (run.status, run.stdout) == (1, "")
    assert "for a container nobody" in run.stderr


@pytest.fixture
def follower(host: Host) -> Iterator["subprocess.Popen[str]"]:
    """`trace --follow`."""
    words = [*ATTENTIVE, "trace", "--follow", "--json"]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    with process:
        yield process
        process.kill()


def test_follow_prints_calls_as_they_end(
    host: Host, network: Network, follower: "subprocess.Popen[str]"
) -> None:
    assert follower.stdout
    for _ in range(CALLS):  # what ended before it looked first is not printed
        network.add(host.container()).result()
        if select.select([follower.stdout], [], [], 1)[0]:
            break
    assert json.loads(follower.stdout.readline())["environment"]["CNI_COMMAND"] == "ADD"
    follower.send_signal(signal.SIGINT)
    assert follower.wait(timeout=10) == 0


def test_a_delegated_plugin_is_a_step(
    host: Host, make_network: MakeNetwork, plugin: Plugin
) -> None:
    network = make_network({"type": "host-local"})
    network.add(host.container()).result()
    assert "host-local ADD" in [what for what, _ in recorded("last")[0]["steps"]]
    environment, _ = network.call("ADD", Attachment(host.containers[0]))
    assert environment["CNI_COMMAND"] == "ADD"
