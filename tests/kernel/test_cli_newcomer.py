"""A newcomer's path: build the tutorial's lab, look, ping, break it, and let the doctor mend it."""

import json
import subprocess

from tests.lab import PLUGIN, Host
from tests.lab.people import command, printed, printed_json

WELL = {("c1", "c2"), ("c2", "c1"), ("c1", "lab0"), ("host", "c1"), ("host", "c3")}

PATHS = {"PATH": f"{PLUGIN.parent}:/usr/sbin:/usr/bin:/sbin:/bin"}
ROUNDS = 3  # what was hidden by something else shows in the next one


def answers() -> set[tuple[str, str]]:
    """Who reaches what."""
    heard = printed_json("lab", "ping", "--json")
    return {(each["from"], each["to"]) for each in heard if each["answers"]}


def in_lab(name: str, *words: str) -> str:
    """Return a command inside of the lab."""
    return printed("lab", "exec", name, "--", *words)


def test_a_newcomer_breaks_the_lab_and_the_doctor_mends_it(host: Host) -> None:
    printed("lab", "up", "tutorial")
    assert "lab0  10.0.2.1/24" in printed("lab", "graph")
    assert answers() >= WELL
    assert printed("lab", "doctor").startswith("nothing found\n")

    in_lab("host", "ip", "link", "set", "lab0", "down")
    in_lab("c1", "ip", "route", "del", "default")
    in_lab("c2", "ip", "link", "set", "eth0", "down")
    in_lab("host", "nft", "flush", "ruleset")
    assert not answers() & WELL
    found = command("lab", "doctor")
    assert found.status == 1
    for words in (
        "lab0 is down",
        "no route default via 10.0.2.1",
        "eth0 in c2 is down",
        "nftables",
    ):
        assert words in found.stdout

    assert "nothing found\n" in printed("lab", "doctor", "--fix")
    assert answers() >= WELL
    assert "default via 10.0.2.1" in in_lab("c1", "ip", "route")
    assert "masq4" in in_lab("host", "nft", "list", "table", "inet", "cni_bridge")
    assert printed("lab", "doctor").startswith("nothing found\n")
    printed("lab", "down")
    host.assert_as_before()


def test_the_commands_that_the_labs_doctor_tells_are_for_the_lab(host: Host) -> None:
    printed("lab", "up", "bridge")
    harms = (
        ("host", "ip", "link", "set", "lab0", "down"),
        ("host", "sysctl", "-w", "net.ipv4.ip_forward=0"),
        ("host", "nft", "flush", "ruleset"),
        ("c1", "ip", "addr", "flush", "dev", "eth0"),
        ("c2", "ip", "link", "set", "eth0", "mtu", "9000"),
        ("c3", "ip", "link", "set", "eth0", "down"),
    )
    for name, *words in harms:
        in_lab(name, *words)
    for _ in range(ROUNDS):
        for each in json.loads(command("lab", "doctor", "--json").stdout)["findings"]:
            assert each["command"].startswith("cni-bridge lab exec "), each
            subprocess.run(["bash", "-c", each["command"]], env=PATHS, check=True, timeout=30)
    assert printed("lab", "doctor").startswith("nothing found\n")
    host_end = in_lab("host", "sh", "-c", "ip -br link show type veth").split("@")[0]
    in_lab("host", "ip", "link", "del", host_end)
    assert "  fix     cni-bridge lab down; cni-bridge lab up" in command("lab", "doctor").stdout
    printed("lab", "down")
    host.assert_as_before()


def test_a_cable_that_is_broken_is_found_and_mended(host: Host) -> None:
    printed("lab", "up", "direct")
    whole = {("one", "two"), ("two", "one")}
    for words, complaint in (
        (("link", "set", "eth0", "down"), "cable: eth0 in two is down"),
        (("addr", "flush", "dev", "eth0"), "cable: 10.0.1.2/24 is not on eth0 in two"),
    ):
        in_lab("two", "ip", *words)
        assert not answers() & whole
        assert complaint in command("lab", "doctor").stdout
        fixed = printed("lab", "doctor", "--fix")
        assert fixed.startswith("fixed: restore the cable's end in two\nnothing found\n")
        assert answers() >= whole
    in_lab("one", "ip", "link", "del", "eth0")
    (first, _) = json.loads(command("lab", "doctor", "--json").stdout)["findings"]
    assert (first["is_fixable"], "lab up" in first["command"]) == (False, True)
    printed("lab", "down")
    host.assert_as_before()


def test_the_lab_has_a_ledger_of_its_own(host: Host) -> None:
    printed("lab", "up", "bridge")
    assert printed("show").startswith("no networks: ")
    assert "lab  bridge lab0" in in_lab("host", str(PLUGIN), "show")
    printed("lab", "down")
