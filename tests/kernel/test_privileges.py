"""What the executable needs and what it keeps to itself: capabilities, modes, descriptors, variables."""

import json
import os
import stat
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from tests.kernel.conftest import GATEWAY4, MakeNetwork
from tests.lab import PLUGIN, PLUGIN_PORTABLE, ROOT, Host, Network
from tests.lab.network import addresses_in
from tests.lab.publish import mapping, publishing

pytestmark = pytest.mark.parametrize("version", ["1.1.0"])

NEEDED = ("net_admin", "sys_admin")  # as docs/security.md has them
STATE = Path("/run/cni-bridge")


def restrict(network: Network, capabilities: tuple[str, ...]) -> None:
    """Run the plugin as uid 0 with no more than these capabilities."""
    kept = ",".join(("-all", *(f"+{name}" for name in capabilities)))
    prefix = ("setpriv", f"--bounding-set={kept}", "--inh-caps=-all", "--ambient-caps=-all")
    network.plugin = replace(network.plugin, prefix=(*prefix, "--no-new-privs"))


def test_two_capabilities_are_enough(host: Host, network: Network) -> None:
    restrict(network, NEEDED)
    container, config = host.container(), publishing(mapping(8080))
    config |= {"ipMasq": True, "sysctl": {"net.ipv4.conf.IFNAME.arp_filter": "1"}}
    result = network.add(container, config=config).result()
    assert set(addresses_in(result)) == set(container.addresses())
    assert container.can_ping(GATEWAY4)
    if network.has_check:
        network.check(container, config=config).assert_silent_success()
    network.delete(container).assert_silent_success()


@pytest.mark.parametrize("missing", NEEDED)
def test_without_one_of_them_an_add_is_refused_and_del_puts_it_right(
    host: Host, network: Network, missing: str
) -> None:
    restrict(network, tuple(name for name in NEEDED if name != missing))
    container = host.container()
    error = network.add(container).error()
    assert "not permitted" in error["msg"]
    assert f"CAP_{missing.upper()}" in error["details"]
    assert ("can't enter network namespace" in error["msg"]) == (missing == "sys_admin")
    restrict(network, NEEDED)
    network.delete(container).assert_silent_success()


def test_it_works_in_a_user_namespace(make_network: MakeNetwork) -> None:
    """Where the ids are the caller's own, and the capabilities reach no further than its network."""
    network = make_network()
    script = """
        mount -t tmpfs none /run
        ip link set lo up
        ip netns add rootless
        "$PLUGIN" <<< "$CONFIG"
        ip netns exec rootless ping -qc1 -W2 10.88.0.1 >&2
        CNI_COMMAND=DEL "$PLUGIN" <<< "$CONFIG"
        ip -br link show type veth
    """
    variables = {
        "PATH": os.environ["PATH"],
        "PLUGIN": str(PLUGIN),
        "CONFIG": json.dumps(network.config),
        "CNI_COMMAND": "ADD",
        "CNI_CONTAINERID": "rootless",
        "CNI_NETNS": "/run/netns/rootless",
        "CNI_IFNAME": "eth0",
    }
    done = subprocess.run(
        ("unshare", "-Urnm", "bash", "-euo", "pipefail", "-c", script),
        env=variables,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done
    assert len(addresses_in(json.loads(done.stdout))) == 2


def test_what_it_makes_is_for_its_user_alone_whatever_the_umask(
    host: Host, network: Network
) -> None:
    network.plugin = replace(network.plugin, prefix=("sh", "-c", 'umask 0; exec "$0"'))
    network.add(host.container(), config={"ipMasq": True}).result()
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (STATE, *STATE.iterdir())}
    assert modes == {"cni-bridge": 0o700, "journal.jsonl": 0o600, "ledger.sqlite": 0o600}


@pytest.mark.parametrize("executable", [PLUGIN, PLUGIN_PORTABLE], ids=lambda path: path.name)
def test_a_child_inherits_no_descriptor(
    executable: Path, host: Host, network: Network, tmp_path: Path
) -> None:
    found = tmp_path / "found"
    other = tmp_path / "other"
    other.write_text(f"#!/bin/sh\nls /proc/self/fd > {found}\nexit 1\n")
    other.chmod(0o755)
    network.plugin = replace(network.plugin, path=executable)
    network.add(
        host.container(),
        config={"ipam": {"type": "other"}},
        environment={"CNI_PATH": str(tmp_path)},
    ).error()
    assert found.read_text().split() == ["0", "1", "2", "3"]  # the last is the listed directory


@pytest.mark.usefixtures("version")
def test_nothing_that_is_built_changes_who_it_runs_as() -> None:
    built = (path for path in (ROOT / "dist").rglob("*") if path.is_file())
    assert not [path for path in built if path.stat().st_mode & (stat.S_ISUID | stat.S_ISGID)]
