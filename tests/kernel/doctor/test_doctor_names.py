"""`cni-bridge doctor` and nameservers: what has died or is lost is found, and `--fix` brings it back."""

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.kernel.conftest import GATEWAY4, MakeNetwork
from tests.kernel.test_nameserver import called
from tests.lab import PLUGIN, Container, Host, Network, dns
from tests.lab.clinic import write
from tests.lab.people import command, printed
from tests.lab.waiting import wait_until


@pytest.fixture
def network(make_network: MakeNetwork, conf: Path) -> Iterator[Network]:
    """Return a network with a nameserver, whose config the doctor finds."""
    made = make_network(isDefaultGateway=True, ipMasq=True, nameserver=True)
    write(conf, made.config)
    yield made
    for each in dns.servers():
        os.kill(each, signal.SIGKILL)


@pytest.fixture
def container(host: Host, network: Network) -> Container:
    """Return a container on it, whose name is web."""
    made = host.container()
    network.add(made, **called("web")).result()
    return made


def findings(conf: Path, *more: str) -> list[dict[str, Any]]:
    """Return what the doctor finds; unlike others it sees the processes of this host."""
    where = ("--conf-dir", str(conf), "--cni-path", str(PLUGIN.parent))
    run = command("doctor", *where, "--json", *more)
    found: list[dict[str, Any]] = json.loads(run.stdout)["findings"]
    return found


def kill() -> None:
    (server,) = dns.servers()
    os.kill(server, signal.SIGKILL)
    wait_until(lambda: dns.servers() == [])


def stop() -> None:
    (server,) = dns.servers()
    os.kill(server, signal.SIGSTOP)
    wait_until(lambda: " (dnsmasq) T " in Path(f"/proc/{server}/stat").read_text())


def forget() -> None:
    file = dns.BASE / "testnet" / "hosts"
    file.write_text("#domain cni.internal\n")


def lose() -> None:
    shutil.rmtree(dns.BASE)


@pytest.mark.parametrize("harm", [kill, stop, forget, lose], ids=lambda each: each.__name__)
def test_what_is_wrong_is_found_and_fixed(
    conf: Path, container: Container, harm: Callable[[], None]
) -> None:
    assert findings(conf) == []
    harm()
    (found,) = findings(conf)
    assert (found["check"], found["is_fixable"]) == ("nameservers", True)
    assert "nameserver of network testnet" in found["cause"]
    findings(conf, "--fix")
    assert findings(conf) == []
    assert len(dns.servers()) == 1
    assert dns.addresses(container, GATEWAY4, "web") == [container.addresses()[0][:-3]]


def test_a_server_that_hangs_is_known_to_all(
    conf: Path, network: Network, container: Container
) -> None:
    stop()
    assert "does not answer" in network.check(container).error()["details"]
    (found,) = findings(conf)
    assert found["cause"].endswith(") does not answer")
    assert found["effect"] == "its containers can resolve no name"
    run = command("explain", "web", "web:80")
    assert "web does not resolve: dnsmasq (process " in run.stdout
    assert "restored the nameserver of network testnet" in printed("restore")
    network.check(container).assert_silent_success()


def test_restore_starts_a_server_that_died(conf: Path, container: Container) -> None:
    kill()
    assert "restored the nameserver of network testnet" in printed("restore")
    assert dns.addresses(container, GATEWAY4, "web") != []
    assert "nameserver" not in printed("restore")


def test_restore_ends_a_server_without_containers(
    host: Host, network: Network, container: Container
) -> None:
    lose()
    network.delete(container).assert_silent_success()
    assert len(dns.servers()) == 1
    printed("restore")
    assert dns.servers() == []


def test_without_dnsmasq_its_networks_are_told(conf: Path, network: Network, host: Host) -> None:
    look = f"{PLUGIN} doctor --json --conf-dir {conf} --cni-path {PLUGIN.parent}"
    hidden = f"mount --bind /dev/null {shutil.which('dnsmasq')}; {look}"
    run = subprocess.run(
        ("unshare", "-m", "sh", "-c", hidden), capture_output=True, text=True, timeout=60
    )
    (found,) = json.loads(run.stdout)["findings"]
    assert (found["check"], "dnsmasq is not installed" in found["cause"]) == ("nameservers", True)
