"""`graph --all`, `show --all`: what was made by hand with `ip` is drawn as it is.

The commands see no process of the tests beside these: they would enter the namespaces of them all.
"""

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.lab import PLUGIN, Host
from tests.lab.clinic import ALONE, command_beside
from tests.lab.iproute import ip
from tests.lab.people import command

BY_HAND = """
ip netns add fresh
ip netns add one
ip netns add two
ip -n one link add eth0 type veth peer name eth0 netns two
ip -n one addr add 10.0.1.1/24 dev eth0
ip -n two addr add 10.0.1.2/24 dev eth0
ip -n one link set eth0 up
ip -n two link set eth0 up
ip link add mybridge0 type bridge
ip addr add 10.0.2.1/24 dev mybridge0
ip link set mybridge0 up
for number in 2 3; do
  ip netns add c$number
  ip link add veth$number type veth peer name eth0 netns c$number
  ip link set veth$number master mybridge0 up
  ip -n c$number addr add 10.0.2.$number/24 dev eth0
  ip -n c$number link set eth0 up
done
ip link add tap0 type veth peer name tap1
ip link set tap0 master mybridge0
ip netns add inner
ip -n inner link add br0 type bridge
ip link add up0 type veth peer name eth0 netns inner
ip -n inner link set eth0 master br0
"""
NAMES = ("fresh", "one", "two", "c2", "c3", "inner")
# Draws the host beside a process in a namespace of its own, and prints the process's id.
BESIDE_A_PROCESS = """
mkfifo "$1/ready"
unshare --net sh -c 'echo > "$0"; exec sleep 60' "$1/ready" & read _ < "$1/ready"
"$2" graph --all && echo "sleeper $!"
"""


@contextmanager
def by_hand() -> Iterator[dict[str, int]]:
    """Make a learner's three pictures, and more; return the namespaces' ids."""
    subprocess.run(("sh", "-ec", BY_HAND), check=True)
    found = subprocess.run(
        ("stat", "-Lc", "%i", *(f"/run/netns/{each}" for each in NAMES)),
        capture_output=True,
        text=True,
        check=True,
    )
    yield dict(zip(NAMES, map(int, found.stdout.split()), strict=True))
    for each in ("mybridge0", "veth2", "veth3", "tap0", "up0"):
        ip("link", "del", each)
    for each in NAMES:
        ip("netns", "del", each)


def printed(*words: str) -> str:
    """Return what a command prints that sees no other process."""
    run = command_beside(None, *words)
    assert (run.status, run.stderr) == (0, ""), run
    return run.stdout


def test_what_was_made_by_hand_is_drawn(host: Host) -> None:
    with by_hand() as ids:
        drawn = printed("graph", "--all")
        for name in ("fresh", "one", "two", "inner"):
            assert f"── {name}  id {ids[name]}  namespace" in drawn
        for number in (2, 3):
            wired = (
                f"── veth{number} ── eth0 in c{number}  id {ids[f'c{number}']}  10.0.2.{number}/24"
            )
            assert wired in drawn
        assert "mybridge0" in drawn
        assert "10.0.2.1/24" in drawn
        assert "tap0  foreign" in drawn
        assert f"── eth0  10.0.1.1/24 ── eth0 in two  id {ids['two']}" in drawn
        assert "── br0  down bridge" in drawn
        assert "── eth0  down on br0 ── up0 on the host" in drawn
        assert "lo  down" in drawn
        for notation in ("svg", "html", "dot", "mermaid"):
            assert "mybridge0" in printed("graph", "--all", "--format", notation)


def test_every_interface_is_listed_with_its_namespaces_id(host: Host) -> None:
    with by_hand() as ids:
        table = printed("show", "--all")
        words = [line.split() for line in table.splitlines()]
        assert ["one", str(ids["one"]), "lo", "down"] in words
        assert ["eth0", "10.0.1.1/24", "eth0", "in", "two"] in words
        assert ["veth2", "up", "eth0", "in", "c2,", "bridge", "mybridge0"] in words
        listed = json.loads(printed("show", "--all", "--json"))
        assert {each["namespace"] for each in listed} == {"host", *NAMES}
        found = {each["namespace"]: each for each in listed}
        assert {name: found[name]["id"] for name in NAMES} == ids
        (eth0,) = (each for each in found["c2"]["interfaces"] if each["name"] == "eth0")
        assert eth0["peer"] == {"namespace": "host", "name": "veth2"}


def test_a_namespace_without_a_name_is_found_by_its_process(host: Host, tmp_path: Path) -> None:
    words = (*ALONE, BESIDE_A_PROCESS, "sh", str(tmp_path), str(PLUGIN))
    drawn = subprocess.run(words, capture_output=True, text=True, check=True, timeout=60).stdout
    number = drawn.split()[-1]
    assert f"(process {number})" in drawn


def test_all_is_the_whole_host(host: Host) -> None:
    run = command("show", "--all", "web")
    assert (run.status, "--all shows the whole host" in run.stderr) == (1, True)
