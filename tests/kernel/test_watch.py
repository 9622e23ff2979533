"""`cni-bridge restore --watch`: traffic passes again soon after another program broke the firewall."""

import select
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.kernel.test_firewall_accidents import without_nft
from tests.kernel.test_foreign_firewalls import PASSES, both, traffic
from tests.lab.nft import nft
from tests.lab.paths import PLUGIN
from tests.lab.people import printed
from tests.lab.plugin import TIMEOUT
from tests.lab.publish import mapping
from tests.lab.town import Town


@pytest.fixture
def version() -> str:
    """Return the firewall is the same in every version of the spec."""
    return "1.1.0"


class Watcher:
    """The service as systemd runs it: it tells a socket when it is ready."""

    def __init__(self, scratch: Path) -> None:
        path = str(scratch / "notify")
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notified:
            notified.bind(path)
            notified.settimeout(TIMEOUT)
            self.process = subprocess.Popen(
                (str(PLUGIN), "restore", "--watch"),
                env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "NOTIFY_SOCKET": path},
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
            assert notified.recv(100) == b"READY=1"

    def line(self) -> str:
        """Return the next line that it prints."""
        assert self.process.stdout
        assert select.select([self.process.stdout], [], [], TIMEOUT)[0], "it said nothing"
        return self.process.stdout.readline()

    def end(self) -> str:
        """End it as systemd does; return what else it has printed."""
        self.process.terminate()
        rest, _ = self.process.communicate(timeout=TIMEOUT)
        assert self.process.returncode == -signal.SIGTERM
        return rest


@contextmanager
def watching(scratch: Path) -> Iterator[Watcher]:
    """Run the service, which has said everything that it had to say."""
    watcher = Watcher(scratch)
    try:
        yield watcher
        assert watcher.end() == ""
    finally:
        watcher.process.kill()
        watcher.process.wait()


@pytest.fixture
def network(town: Town) -> Town:
    """Return a town whose container `a1` publishes port 8080."""
    town.network("a", ipMasq=True)
    town.attach("a1", mapping(8080))
    return town


DROP = "iptables -P FORWARD DROP; ip6tables -P FORWARD DROP"
HARM = {
    "all rules, as `systemctl restart nftables`": "nft flush ruleset",
    "our table alone": "nft delete table inet cni_bridge",
    "one of our chains": "nft flush chain inet cni_bridge forward",
    "a policy, as Docker and `ufw enable`": DROP,
    "a policy and all rules": f"{DROP}; nft flush ruleset",
}
RESTORED = "another program changed nftables: restored "


@pytest.mark.parametrize("harm", HARM)
def test_traffic_passes_again_after(harm: str, network: Town, tmp_path: Path) -> None:
    with watching(tmp_path) as watcher:
        subprocess.run(HARM[harm], shell=True, check=True)
        assert watcher.line().startswith(RESTORED)
        assert traffic(network) == PASSES
        both("", "-P", "FORWARD", "DROP")
        both("", "-F", "FORWARD")  # and our rule, if it was there
        assert watcher.line().startswith(RESTORED)
        assert traffic(network) == PASSES
    nft("flush", "ruleset")


def test_it_leaves_alone_what_is_whole(network: Town, tmp_path: Path) -> None:
    with watching(tmp_path):
        network.attach("a2", mapping(8081))
        nft("add", "table", "inet", "mine")
        nft("add", "chain", "inet", "mine", "somewhere")
        network.detach("a2")
        nft("delete", "table", "inet", "mine")
        assert printed("restore") == "nothing to restore\n"  # it loads all again even so


def test_it_needs_no_ledger_to_begin_with(town: Town, tmp_path: Path) -> None:
    with watching(tmp_path) as watcher:
        town.network("a", ipMasq=True)
        town.attach("a1", mapping(8080))
        nft("flush", "ruleset")
        assert watcher.line().startswith(RESTORED)
        assert traffic(town) == PASSES


def test_it_says_what_prevents_it_and_goes_on(network: Town, tmp_path: Path) -> None:
    kept = shutil.copy(str(shutil.which("nft")), tmp_path / "kept")
    with watching(tmp_path) as watcher:
        with without_nft(tmp_path):
            subprocess.run((kept, "flush", "ruleset"), check=True)
            assert "nft is not installed" in watcher.line()
        while not watcher.line().startswith(RESTORED):
            pass
        assert traffic(network) == PASSES
