"""A newcomer's path: build the tutorial's lab, look, ping, break it, and let the doctor mend it."""

from tests.lab import PLUGIN, Host
from tests.lab.people import command, printed, printed_json

WELL = {("c1", "c2"), ("c2", "c1"), ("c1", "lab0"), ("host", "c1"), ("host", "c3")}


def answers() -> set[tuple[str, str]]:
    """Who reaches what."""
    heard = printed_json("lab", "ping", "--json")
    return {(each["from"], each["to"]) for each in heard if each["answers"]}


def in_lab(name: str, *words: str) -> str:
    """A command inside of the lab."""
    return printed("lab", "exec", name, "--", *words)


def test_a_newcomer_breaks_the_lab_and_the_doctor_mends_it(host: Host) -> None:
    printed("lab", "up", "tutorial")
    assert "lab0  10.0.2.1/24" in printed("lab", "graph")
    assert answers() >= WELL
    assert printed("lab", "doctor") == "nothing is wrong\n"

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

    assert printed("lab", "doctor", "--fix").endswith("nothing is wrong\n")
    assert answers() >= WELL
    assert "default via 10.0.2.1" in in_lab("c1", "ip", "route")
    assert "masq4" in in_lab("host", "nft", "list", "table", "inet", "cni_bridge")
    assert printed("lab", "doctor") == "nothing is wrong\n"
    printed("lab", "down")
    host.assert_as_before()


def test_the_lab_has_a_ledger_of_its_own(host: Host) -> None:
    printed("lab", "up", "bridge")
    assert printed("show") == "no networks: nothing is attached\n"
    assert "lab  bridge lab0" in in_lab("host", str(PLUGIN), "show")
    printed("lab", "down")
