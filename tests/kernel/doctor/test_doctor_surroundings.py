"""`cni-bridge doctor` and what surrounds networks: configs, plugins, programs and firewalls of others."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.kernel.conftest import MakeNetwork
from tests.lab import PLUGIN, Container, Host, Network
from tests.lab.clinic import command_beside, doctor, findings, nft, write
from tests.lab.state import LEDGER

LIMITS = {"ingressRate": 8_000_000, "ingressBurst": 8_000_000}
DROPPING = "{ type filter hook forward priority 0; policy drop; }"


def test_configs_are_checked_alone_and_together(host: Host, conf: Path, network: Network) -> None:
    write(conf, network.config | {"name": "twin"}, bridge="twin0")
    together = findings(conf)
    assert together
    for each in together:
        assert each["check"] == "configs"
        assert "overlaps" in each["cause"]
    write(conf, network.config | {"name": "twin"}, mtu="large")
    (alone,) = findings(conf)
    assert "twin.conflist" in alone["cause"]
    assert "mtu" in alone["cause"]
    assert alone["command"].endswith("twin.conflist")


def test_a_plugin_that_is_nowhere_is_found(host: Host, conf: Path) -> None:
    text = '{"cniVersion": "1.0.0", "name": "x", "plugins": [{"type": "no-such-plugin"}]}'
    (conf / "x.conflist").write_text(text)
    (found,) = findings(conf)
    assert found["check"] == "plugins"
    assert "no-such-plugin" in found["cause"]


def program(path: Path) -> Path:
    """Return a program of that name, which does nothing."""
    shutil.copy("/bin/sleep", path)
    return path


def test_networkd_that_is_told_to_manage_our_bridge_is_found(
    conf: Path, container: Container, tmp_path: Path
) -> None:
    file = Path("/run/systemd/network/10-all.network")
    file.parent.mkdir(parents=True)
    file.write_text("[Match]\nName=cni*\n[Network]\nDHCP=yes\n")
    assert findings(conf) == []
    networkd = program(tmp_path / "systemd-networkd")
    (found,) = findings(conf, beside=networkd)
    assert (found["check"], found["is_fixable"]) == ("managers", False)
    assert f"{file} makes systemd-networkd manage cni0" in found["cause"]
    remedy = found["command"].partition(";")[0].replace("/etc/", "/run/")
    subprocess.run(remedy, shell=True, check=True)
    assert findings(conf, beside=networkd) == [], "the file that comes first counts"
    file.rename(file.with_name("01-all.network"))
    assert len(findings(conf, beside=networkd)) == 1
    file.with_name("01-all.network").write_text("[Match]\nName=cni*\n[Link]\nUnmanaged=yes\n")
    assert findings(conf, beside=networkd) == []


def test_a_network_manager_that_is_not_told_to_leave_us_alone_is_found(
    conf: Path, container: Container, tmp_path: Path
) -> None:
    file = Path("/run/NetworkManager/conf.d/90-cni-bridge.conf")
    file.parent.mkdir(parents=True)
    manager = program(tmp_path / "NetworkManager")
    (found,) = findings(conf, beside=manager)
    assert found["check"] == "managers"
    file.write_text("[keyfile]\nunmanaged-devices+=interface-name:cni0;interface-name:veth*\n")
    assert findings(conf, beside=manager) == []


@pytest.mark.parametrize("name", ["NetworkManager", "systemd-networkd"])
def test_init_says_how_to_tell_a_network_manager_of_the_new_bridge(
    name: str, host: Host, tmp_path: Path
) -> None:
    file = Path("/run/systemd/network/10-all.network")
    file.parent.mkdir(parents=True)
    file.write_text("[Match]\nName=*\n[Network]\nDHCP=yes\n")
    manager = program(tmp_path / name)
    alone = command_beside(None, "init", "one", "-o", str(tmp_path / "one.conflist"))
    assert "first: " not in alone.stdout
    told = command_beside(manager, "init", "shop", "-o", str(tmp_path / "shop.conflist"))
    (line,) = (each for each in told.stdout.split("\n") if each.startswith("first: "))
    assert "shop0" in line
    assert told.status == 0


def test_without_nft_the_networks_that_need_it_are_told(
    conf: Path, network: Network, host: Host
) -> None:
    look = f"{PLUGIN} doctor --json --conf-dir {conf} --cni-path {PLUGIN.parent}"
    hidden = f"for each in /usr/sbin/nft /sbin/nft; do mount --bind /dev/null $each; done; {look}"
    run = subprocess.run(
        ("unshare", "-m", "sh", "-c", hidden), capture_output=True, text=True, timeout=60
    )
    (found,) = json.loads(run.stdout)["findings"]
    assert (run.returncode, found["check"]) == (1, "kernel")
    assert "nft is not installed" in found["cause"]


@pytest.mark.parametrize(("share", "is_told"), [(0.95, True), (0.5, False)])
def test_a_table_of_connections_that_is_nearly_full_is_found(
    share: float, is_told: bool, conf: Path, container: Container, tmp_path: Path
) -> None:
    files = [Path("/proc/sys/net/netfilter", f"nf_conntrack_{each}") for each in ("count", "max")]
    shown = tmp_path / "count"
    shown.write_text(f"{int(int(files[1].read_text()) * share)}\n")
    look = f"{PLUGIN} doctor --json --conf-dir {conf} --cni-path {PLUGIN.parent}"
    inside = ("unshare", "-m", "sh", "-c", f"mount --bind {shown} {files[0]}; {look}")
    run = subprocess.run(inside, capture_output=True, text=True, timeout=60)
    found = json.loads(run.stdout)["findings"]
    assert [each["check"] for each in found] == ["tracking"] * is_told
    assert all("nf_conntrack_max=" in each["command"] for each in found)


def test_a_feature_that_the_kernel_lacks_is_told_where_it_is_wanted(
    host: Host, conf: Path, network: Network
) -> None:
    """Whichever those are here: STATUS of a network that wants it is the judge."""
    host.container()
    wishes: dict[str, dict[str, Any]] = {
        "VLANs": {"vlan": 7},
        "ingress limits": {"bandwidth": LIMITS},
    }
    for name, wish in wishes.items():
        write(conf, network.config, **wish)
        works = network.do("STATUS", host.containers[0], "eth0", config=wish).status == 0
        causes = [each["cause"] for each in findings(conf)]
        assert [name in cause for cause in causes] == ([] if works else [True])


def test_a_ledger_that_can_not_be_read_is_no_finding(host: Host, conf: Path) -> None:
    LEDGER.parent.mkdir(mode=0o700)
    LEDGER.write_text("this is no database")
    run = doctor(conf)
    assert run.status == 2
    assert "ledger" in run.stderr
    LEDGER.unlink()


def test_a_firewall_that_a_rule_helps_against_gets_it(conf: Path, container: Container) -> None:
    iptables("-P", "FORWARD", "DROP")
    (found,) = findings(conf)
    assert (found["check"], found["is_fixable"]) == ("foreign", True)
    assert "ip filter FORWARD drops by its policy" in found["cause"]
    assert doctor(conf, "--fix").status == 0
    assert "--mark 0x1000/0x1000 -j ACCEPT" in iptables("-S", "FORWARD")
    nft("delete", "table", "ip", "filter")


def test_a_table_that_only_its_owner_can_open_is_named(conf: Path, container: Container) -> None:
    nft("add", "table", "inet", "strict")
    nft("add", "chain", "inet", "strict", "across", DROPPING)
    (found,) = findings(conf)
    assert (found["check"], found["is_fixable"]) == ("foreign", False)
    assert "inet strict across drops by its policy" in found["cause"]
    subprocess.run(["bash", "-c", found["command"]], check=True, timeout=30)
    assert findings(conf) == []
    nft("delete", "table", "inet", "strict")


def test_a_network_without_our_firewall_is_let_through_by_its_interface(
    host: Host, conf: Path, make_network: MakeNetwork
) -> None:
    bare = make_network(isDefaultGateway=True)
    write(conf, bare.config)
    bare.add(host.container()).result()
    nft("add", "table", "inet", "strict")
    nft("add", "chain", "inet", "strict", "across", DROPPING)
    (found,) = findings(conf)
    assert "iifname cni0 accept" in found["command"]
    subprocess.run(["bash", "-c", found["command"]], check=True, timeout=30)
    assert findings(conf) == []
    nft("delete", "table", "inet", "strict")


def iptables(*words: str) -> str:
    """Return the host's own iptables."""
    done = subprocess.run(("iptables-nft", *words), capture_output=True, text=True, check=True)
    return done.stdout
