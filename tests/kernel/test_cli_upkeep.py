"""`cni-bridge gc` and `init`: what is dead is found, what is alive is left, what is free is taken."""

import json
import os
import pty
import sqlite3
import subprocess
import time
from contextlib import closing
from pathlib import Path

import pytest

from tests.lab import PLUGIN, Host, Network
from tests.lab.iproute import ip
from tests.lab.people import ESCAPES, command, printed, printed_json, settled
from tests.lab.state import LEDGER


@pytest.fixture
def version() -> str:
    """Return what people see does not depend on the spec version."""
    return "1.1.0"


def sql(statement: str) -> None:
    """Change the ledger behind the plugin's back."""
    with closing(sqlite3.connect(LEDGER)) as ledger, ledger:
        ledger.execute(statement)


def health() -> dict[str, str]:
    """Return the health of each container."""
    found = printed_json("show", "--json")["attachments"]
    return {each["container"]: each["health"] for each in found}


def test_gc_frees_what_is_dead_and_leaves_what_may_live(host: Host, network: Network) -> None:
    for container in (host.container(name) for name in ("alive", "dead", "cut", "old")):
        network.add(container).result()
    alive, dead, cut, _ = host.containers
    dead.delete()
    cut.ip("link", "del", "eth0")
    sql("update holding set boot_id = 'x' where container = 'old'")
    deadline = time.monotonic() + 10
    while health()["dead"] != "leaked":  # the kernel takes its time with a namespace
        assert time.monotonic() < deadline
        time.sleep(0.05)
    before = settled(host)
    assert printed("gc", "--dry-run").count("would free 10.88.0.") == 3
    assert settled(host) == before
    assert printed("gc").count("freed 10.88.0.") == 3
    assert health() == {"alive": "ok"}
    assert alive.can_ping("10.88.0.1")
    assert "nothing to clean up" in printed("gc")


def test_gc_without_a_ledger_makes_none(host: Host) -> None:
    printed("gc")
    assert not LEDGER.parent.exists()


def subnets(*words: str) -> list[str]:
    """Return what `init` takes."""
    (plugin,) = json.loads(printed("init", "web", *words))["plugins"]
    return [each[0]["subnet"] for each in plugin["ipam"]["ranges"]]


def test_init_takes_a_subnet_that_nothing_uses(host: Host) -> None:
    first, first6 = subnets("--dual-stack")
    ip("link", "add", "x", "type", "veth", "peer", "name", "y")
    ip("link", "set", "x", "up")
    ip("addr", "add", first.replace(".0/", ".9/"), "dev", "x")
    ip("-6", "route", "add", first6, "dev", "x")
    second, second6 = subnets("--dual-stack")
    assert (first, first6) != (second, second6)
    assert not {first, first6} & {second, second6}
    ip("link", "del", "x")


def test_what_init_writes_is_valid_and_never_overwrites(host: Host, tmp_path: Path) -> None:
    file = tmp_path / "web.conflist"
    printed("init", "web", "-o", str(file))
    assert "ok" in printed("validate", "--strict", str(file))
    run = command("init", "web", "-o", str(file))
    assert run.status == 1
    assert os.strerror(17) in run.stderr


def test_what_init_writes_takes_published_ports_unless_there_is_no_way_in(host: Host) -> None:
    (plugin,) = printed_json("init", "web")["plugins"]
    assert plugin["capabilities"]["portMappings"] is True
    (plugin,) = printed_json("init", "web", "--internal")["plugins"]
    assert "capabilities" not in plugin


def test_a_subnet_that_is_used_here_is_warned_of(host: Host) -> None:
    ip("link", "add", "x", "type", "veth", "peer", "name", "y")
    ip("link", "set", "x", "up")
    ip("addr", "add", "10.1.0.9/25", "dev", "x")
    run = command("init", "web", "--subnet", "10.1.0.0/24")
    assert run.status == 0
    assert run.stderr == "warning: 10.1.0.0/24 overlaps 10.1.0.0/25, which this host uses\n"
    ip("link", "del", "x")


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("a/b",), "network name"),
        (("web", "--subnet", "10.1.0.5/24"), "host bits"),
        (("web", "--mtu", "-1"), "mtu"),
    ],
)
def test_init_refuses_what_the_plugin_would_refuse(
    host: Host, words: tuple[str, ...], complaint: str
) -> None:
    run = command("init", *words)
    assert (run.status, run.stdout) == (1, "")
    assert complaint in run.stderr


def answered(*answers: str) -> str:
    """Return what `init` prints on a terminal, given these answers, as one line."""
    mine, its = pty.openpty()
    process = subprocess.Popen((str(PLUGIN), "init"), stdin=its, stdout=its, stderr=its)
    os.close(its)
    os.write(mine, "".join(f"{each}\n" for each in answers).encode())
    shown = b""
    try:
        while chunk := os.read(mine, 4096):
            shown += chunk
    except OSError:  # it has ended
        pass
    finally:
        os.close(mine)
    assert process.wait(timeout=30) == 0, shown
    return " ".join(ESCAPES.sub("", shown.decode()).split())


def test_init_asks_on_a_terminal(host: Host, tmp_path: Path) -> None:
    proposed = printed_json("init", "shop", "--dual-stack")["plugins"][0]["ipam"]["ranges"]
    file = tmp_path / "10-shop.conflist"
    shown = answered("shop", "", "y", "n", "shop7", str(file))
    assert "subnet" in shown
    conflist = json.loads(file.read_text())
    (plugin,) = conflist["plugins"]
    assert plugin["ipam"]["ranges"] == proposed
    assert (conflist["name"], plugin["bridge"], plugin.get("ipMasq")) == ("shop", "shop7", None)


def test_init_asks_again_after_an_answer_that_is_wrong(host: Host, tmp_path: Path) -> None:
    taken, file = tmp_path / "taken.conflist", tmp_path / "10-shop.conflist"
    taken.touch()
    wrong = (
        "bad name",
        "shop",
        "10.1.0.5/24",
        "10.1.0.0/24",
        "y",
        "y",
        "longer-than-a-name",
        "shop0",
    )
    shown = answered(*wrong, str(taken), str(file))
    for complaint in ("network name", "host bits", "15 characters", f"{taken} exists"):
        assert shown.count(complaint) == 1, shown
    (plugin,) = json.loads(file.read_text())["plugins"]
    assert plugin["ipam"]["ranges"][0] == [{"subnet": "10.1.0.0/24"}]
    assert plugin["bridge"] == "shop0"


def test_init_without_a_name_and_a_terminal_says_what_is_missing(host: Host) -> None:
    run = command("init")
    assert (run.status, "cni-bridge init NAME" in run.stderr) == (1, True)


def test_init_is_safe_by_default(host: Host) -> None:
    (plugin,) = printed_json("init", "shop")["plugins"]
    assert (plugin["isolation"], plugin["closed"], plugin["ipMasq"]) == ("on", True, True)
    assert plugin["capabilities"] == {"portMappings": True, "ips": True, "mac": True}
    (plugin,) = printed_json("init", "shop", "--open")["plugins"]
    assert not {"isolation", "closed"} & plugin.keys()
    (plugin,) = printed_json("init", "shop", "--internal")["plugins"]
    assert plugin["internal"] is True
    assert not {"ipMasq", "isDefaultGateway", "capabilities"} & plugin.keys()


def test_init_says_subnet_and_next_step(host: Host, tmp_path: Path) -> None:
    subnet = printed_json("init", "shop")["plugins"][0]["ipam"]["ranges"][0][0]["subnet"]
    file = tmp_path / "shop.conflist"
    first, second = printed("init", "shop", "-o", str(file)).splitlines()
    assert first == f"{file}: network shop, {subnet}"
    assert second.startswith("next: copy it to /etc/cni/net.d")


def test_init_makes_no_directory(host: Host, tmp_path: Path) -> None:
    run = command("init", "shop", "-o", str(tmp_path / "no" / "shop.conflist"))
    assert (run.status, "make the directory first" in run.stderr) == (1, True)


def test_init_asks_on_stderr_and_survives_the_end_of_input(host: Host) -> None:
    mine, its = pty.openpty()
    words = (str(PLUGIN), "init")
    with subprocess.Popen(words, stdin=its, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as run:
        os.close(its)
        os.write(mine, b"\x04")
        out, err = run.communicate(timeout=60)
    os.close(mine)
    assert (run.returncode, out) == (1, b"")
    assert b"name of the network" in err
    assert b"no answer was given, so nothing was done" in err
    assert b"Traceback" not in err
