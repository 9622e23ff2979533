"""What people read on a terminal of 80 columns: no command prints a longer line."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kernel.test_cli_networks import DIRECTORY, define
from tests.lab import Host
from tests.lab.iproute import ip
from tests.lab.people import command, on_terminal, printed

NAME = "default-web-frontend-of-the-shop-1"
NETWORK = "the-network-of-the-shop-and-all-its-front-ends"
WELL = (
    *(f"show {NAME}", f"explain {NAME} host:80", f"explain {NAME} 192.0.2.9:443", "doctor"),
    *("doctor --probe", f"check {NETWORK} {NAME} --ifname eth1", f"limit {NAME} --ingress 10M"),
    *(f"publish {NAME} 8080-8089:80-89 443:443/udp", f"unpublish {NAME} 8080/tcp", "gc"),
    *("trace", f"trace {NAME}", "graph --all", "show --all", f"disconnect {NETWORK} {NAME}"),
    *(f"connect {NETWORK} {NAME} --ifname eth7", f"plan /etc/cni/net.d/{NETWORK}.conflist"),
    *("validate /etc/cni/net.d", "help", "publish --help", "completion --help"),
)
WRONG = (
    *("frobnicate", "shwo", "show --nosuch-option-that-is-long", f"show {'no-such-name ' * 5}"),
    *(f"add {NETWORK} {NAME}", f"add {NETWORK} nosuchnamespace-with-a-long-name", "add nosuch c1"),
    *(f"publish {NAME} 80-89:80 --conf-dir /run", f"publish {NAME} 99999:99999999999999"),
    *(f"unpublish {NAME} 9999", f"limit {NAME} --ingress 10Mbit/s-as-iproute2-writes-it"),
    *(f"explain {NAME} {NAME}", f"explain {NAME} nosuch-container-of-a-long-name:80"),
    *(f"rm {NETWORK}", f"init {NETWORK}", "init shop --subnet 300.300.300.300/99 --internal"),
    *(
        "trace nosuch-container-of-a-long-name-that-nobody-has",
        "show --format prometheus --watch 0",
    ),
    *("graph --format picture", "lab up nosuch", "lab ping", "restore --state-dir /proc/nosuch"),
    *(
        "agent nosuch-network-of-a-long-name-that-nobody-has",
        "exec nosuch-name-of-something -- true",
    ),
    *("validate /etc/cni/net.d/nosuch-file-of-a-long-name.conflist", "adopt nosuch", "gc extra"),
)


@pytest.fixture(autouse=True)
def _shop() -> Iterator[None]:
    """Yield on a host of its own; what is left goes with it."""
    with Host() as host:
        DIRECTORY.mkdir(parents=True)
        for name, net, bridge in ((NETWORK, "10.88.0", "shop0"), ("web", "10.77.0", "web0")):
            subnet = f"{net}.0/24"
            define(name, subnet, bridge=bridge, isDefaultGateway=True, ipMasq=True, isolation="on")
        host.container(NAME)
        printed("add", NETWORK, NAME)
        printed("add", NETWORK, NAME, "--ifname", "eth1")
        yield


def too_long(words: str) -> list[str]:
    """Return the lines of a command that a terminal would break; what cannot be broken is a word.

    Commands that fix something stay whole, to be copied.
    """
    lines = on_terminal(*words.split())
    assert lines, words
    assert "Traceback" not in "".join(lines), lines
    return [
        line
        for line in lines
        if len(line) > 80 and " " in line.strip() and not line.startswith("  fix  ")
    ]


def test_no_line_is_longer_than_a_terminal_is_wide() -> None:
    found = {words: lines for words in (*WELL, *WRONG) if (lines := too_long(words))}
    assert found == {}


def test_nor_where_something_is_wrong(tmp_path: Path) -> None:
    ip("link", "set", "shop0", "down")
    (tmp_path / "wrong.conflist").write_text(
        '{"cniVersion": "1.0.0", "name": "wrong", "plugins": [{"type": "cni-bridge", "isGatway": 1, '
        '"isDefaultGateway": true}]}'
    )
    commands = (
        *("doctor", "doctor --conf-dir /run", f"explain {NAME} 192.0.2.9:443", f"show {NAME}"),
        *(f"validate {tmp_path}", f"init two --subnet 10.88.0.0/16 -o {tmp_path}/two.conflist"),
        *("doctor --fix", "restore"),
    )
    found = {words: lines for words in commands if (lines := too_long(words))}
    found = {
        words: left
        for words, lines in found.items()
        if (left := [line for line in lines if " | " not in line])  # a line of the file
    }
    assert found == {}


def test_elsewhere_a_line_is_a_line() -> None:
    run = command("add", NETWORK, NAME)
    assert max(map(len, run.stderr.splitlines())) > 80
