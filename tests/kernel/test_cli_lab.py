"""`cni-bridge lab`: what it builds works, and nothing of it is left, nor ever outside of it."""

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.lab import PLUGIN, Host
from tests.lab.iproute import ip, ip_json
from tests.lab.people import command, printed, printed_json

FULL_NAME = "cni-bridge-lab-{}".format


@pytest.fixture
def lab(host: Host, request: pytest.FixtureRequest) -> str:
    """Return a lab of the kind that the test names; what there was before is remembered by the host."""
    words = str(request.param).split()
    return printed("lab", "up", *words)


def answers() -> set[tuple[str, str]]:
    """Who reaches what, by the columns' titles."""
    return {
        (each["from"], each["to"])
        for each in printed_json("lab", "ping", "--json")
        if each["answers"]
    }


def down() -> None:
    """Remove the lab, and sees that it is gone."""
    printed("lab", "down")
    assert list(Path("/run/netns").iterdir()) == []
    assert not Path("/run/cni-bridge-lab").exists()


@pytest.mark.parametrize("lab", ["tutorial"], indirect=True)
def test_the_tutorial_has_all_three_pictures(host: Host, lab: str) -> None:
    assert f"ip netns add {FULL_NAME('fresh')}" in lab
    (lo,) = ip_json("link", container=FULL_NAME("fresh"))
    assert (lo["ifname"], "UP" in lo["flags"]) == ("lo", False)
    heard = answers()
    assert {("one", "two"), ("two", "one"), ("c1", "c2"), ("c3", "lab0"), ("host", "c1")} <= heard
    assert not {("one", "c1"), ("c1", "one"), ("fresh", "c1")} & heard
    down()


@pytest.mark.parametrize("lab", ["two-networks --containers 3"], indirect=True)
def test_a_container_on_two_networks_reaches_both(host: Host, lab: str) -> None:
    assert {("c2", "c1"), ("c2", "c3"), ("c1", "c2 eth0"), ("c3", "c2 eth1")} <= answers()
    down()


@pytest.mark.parametrize("lab", ["bridge --containers 2"], indirect=True)
def test_what_is_broken_shows_in_ping_and_graph(host: Host, lab: str) -> None:
    assert ("c1", "c2") in answers()
    printed("lab", "exec", "host", "--", "ip", "link", "set", "lab0", "down")
    assert ("c1", "c2") not in answers()
    assert "bridge lab0  10.0.2.1/24, down" in printed("lab", "graph")
    down()


@pytest.mark.parametrize("lab", ["direct"], indirect=True)
def test_a_lab_touches_nothing_of_the_hosts_network(host: Host, lab: str) -> None:
    host.assert_as_before()
    assert "eth0 in two" in printed("lab", "graph")
    assert "<svg" in printed("lab", "graph", "--format", "svg")
    down()


@pytest.mark.parametrize("lab", ["direct"], indirect=True)
def test_exec_runs_inside_and_hands_the_status_on(host: Host, lab: str) -> None:
    assert "10.0.1.1/24" in printed("lab", "exec", "one", "--", "ip", "addr")
    assert command("lab", "exec", "one", "--", "sh", "-c", "exit 7").status == 7
    environment = printed("lab", "exec", "one", "--", "env")
    assert not [
        line for line in environment.splitlines() if line.startswith(("_", "PY", "LD_", "CNI_"))
    ]
    down()


MISTAKES = {
    "up bridge": "a lab is up already",
    "exec nobody -- true": "the lab has no namespace nobody",
    "exec one -- no-such-command": "no such command",
}


@pytest.mark.parametrize("lab", ["direct"], indirect=True)
def test_a_mistake_is_told_and_the_lab_goes_on(host: Host, lab: str) -> None:
    for words, complaint in MISTAKES.items():
        run = command("lab", *words.split())
        assert run.status == 1
        assert complaint in run.stderr
    assert ("one", "two") in answers()
    down()


@pytest.mark.parametrize("words", [("ping",), ("graph",), ("exec", "c1", "--", "true")])
def test_without_a_lab_they_say_how_to_build_one(host: Host, words: tuple[str, ...]) -> None:
    run = command("lab", *words)
    assert run.status == 1
    assert "lab up tutorial" in run.stderr


def test_without_a_word_it_helps(host: Host) -> None:
    run = command("lab")
    assert (run.status, run.stderr) == (2, "")
    assert "cni-bridge lab up tutorial" in run.stdout


def typed(transcript: str, folder: Path) -> None:
    """Type the commands that a transcript shows."""
    (folder / "cni-bridge").write_text(f'#!/bin/sh\nexec {PLUGIN} "$@"\n')
    (folder / "cni-bridge").chmod(0o755)
    lines = transcript.splitlines()
    assert max(map(len, lines)) <= 80
    lines = [line[2:] for line in lines if line.startswith(("$ ", "    "))]
    path = f"{folder}:{os.environ['PATH']}"
    subprocess.run(("sh", "-ec", "\n".join(lines)), env={"PATH": path}, timeout=60, check=True)


PICTURES = {
    "bridge --bridge mybridge0 --subnet 10.0.1.0/24 --containers 3": "mybridge0  10.0.1.1/24",
    "direct --names red,blue --subnet 10.0.7.0/24": "eth0  10.0.7.1/24 ── eth0 in blue",
    "two-networks --names a,b,a-name-of-twenty-eight-chars": "eth1 in b  10.0.3.2/24",
}


@pytest.mark.parametrize("words", PICTURES)
def test_the_commands_that_it_prints_build_the_same_when_typed(
    host: Host, words: str, tmp_path: Path
) -> None:
    transcript = printed("lab", "up", *words.split())
    drawn, heard = printed("lab", "graph"), answers()
    assert PICTURES[words] in drawn
    assert heard
    down()
    typed(transcript, tmp_path)
    assert printed("lab", "graph") == drawn
    assert answers() == heard
    down()


@pytest.mark.parametrize("lab", ["bridge --names web,db"], indirect=True)
def test_the_other_commands_work_inside(host: Host, lab: str) -> None:
    shown = printed("lab", "show")
    assert "web" in shown
    assert re.search(rf"^web +{os.stat('/run/netns/cni-bridge-lab-web').st_ino} ", shown, re.M)
    assert "db" in printed("lab", "show", "db")
    assert "nothing listens on tcp/80 in db" in command("lab", "explain", "web", "db:80").stdout
    assert printed("lab", "trace").count("ADD") == 2
    shell = command("lab", "exec", "db", stdin="ip -br addr\n", environment={"SHELL": "/bin/sh"})
    assert "10.0.2.3/24" in shell.stdout
    assert not Path("/var/lib/cni/results").exists()
    down()


WRONG_USAGE = {
    "up bridge --containers x": "'x' is not a number from 2 to 50",
    "up bridge --containers 51": "'51' is not a number from 2 to 50",
    "up direct --containers 4": "direct takes no --containers: it has two namespaces on a cable",
    "up direct --bridge b": "direct takes no --bridge: it has no bridge",
    "up direct --names red": "a cable has two ends, but 1 name was given",
    "up two-networks --subnet 10.0.1.0/24": "two-networks takes no --subnet",
    "up bridge --names a,a": "the name a was given twice",
    "up bridge --names a,host": "a namespace cannot be named host: the lab's own host has this name",
    "up bridge --names a,../b": "a namespace cannot be named ../b",
    "up bridge --subnet 10.0.1.0/30": "10.0.1.0/30 has no room for 4 addresses",
    "up bridge --subnet 10.0.1.5/24": "10.0.1.5/24 has host bits set",
    "up bridge --bridge a/b": "--bridge a/b: ",
}


@pytest.mark.parametrize("words", WRONG_USAGE)
def test_wrong_usage_is_told_and_nothing_built(host: Host, words: str) -> None:
    run = command("lab", *words.split())
    assert run.status == 2
    assert WRONG_USAGE[words] in run.stderr
    assert "there is no lab" in printed("lab", "down")


def test_down_without_a_lab_succeeds(host: Host) -> None:
    assert "there is no lab" in printed("lab", "down")


def test_a_lab_that_can_not_be_built_leaves_nothing(host: Host) -> None:
    Path("/run/cni-bridge-lab").write_text("in the way of the ledger")
    run = command("lab", "up", "bridge")
    assert run.status == 1
    assert run.stderr.startswith("cni-bridge: ")
    Path("/run/cni-bridge-lab").unlink()
    assert not ip("netns")
    down()


def test_it_works_in_a_user_namespace(host: Host) -> None:
    script = f"{PLUGIN} lab up bridge --containers 2 && {PLUGIN} lab ping --json"
    private = ("unshare", "--map-root-user", "--net", "--mount", "sh", "-ec")
    mounts = "mount -t tmpfs tmpfs /run"
    done = subprocess.run(
        (*private, f"{mounts}; {script}"),
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    heard = json.loads(done.stdout[done.stdout.index("[\n") :])
    assert all(each["answers"] for each in heard)
