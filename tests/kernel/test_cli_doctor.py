"""`cni-bridge doctor`: each thing that is broken is found and named; `--fix` mends what is safe."""

import json
import shlex
import shutil
import sqlite3
import subprocess
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.kernel.conftest import MakeNetwork
from tests.lab import PLUGIN, Container, Host, Network
from tests.lab.iproute import ip, ip_json
from tests.lab.plugin import Run
from tests.lab.state import LEDGER

LIMITS = {"ingressRate": 8_000_000, "ingressBurst": 8_000_000}
PORTS = {"portMappings": [{"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}]}


@pytest.fixture
def version() -> str:
    """What people see does not depend on the spec version."""
    return "1.1.0"


@pytest.fixture
def conf(tmp_path: Path) -> Path:
    """The directory of the configs."""
    directory = tmp_path / "net.d"
    directory.mkdir()
    return directory


@pytest.fixture
def network(make_network: MakeNetwork, conf: Path) -> Network:
    """A network with everything that can be broken, whose config the doctor finds."""
    made = make_network(isDefaultGateway=True, ipMasq=True)
    made.config["capabilities"] = {"portMappings": True}
    write(conf, made.config)
    return made


@pytest.fixture
def container(host: Host, network: Network) -> Container:
    """A container on it, which publishes a port."""
    made = host.container()
    network.add(made, config={"runtimeConfig": PORTS}).result()
    return made


def write(conf: Path, config: dict[str, Any], **changes: Any) -> None:
    """The config as a list in a file."""
    identity = {key: config[key] for key in ("name", "cniVersion")}
    plugin = {key: value for key, value in config.items() if key not in identity} | changes
    file = conf / f"{identity['name']}.conflist"
    file.write_text(json.dumps({**identity, "plugins": [plugin]}))


def doctor(conf: Path, *more: str, beside: Path | None = None) -> Run:
    """One look, with no other process in sight than the one `beside` it."""
    where = ("--conf-dir", str(conf), "--cni-path", str(PLUGIN.parent))
    words = shlex.join((str(PLUGIN), "doctor", *where, *more))
    alone = ("unshare", "--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-c")
    company = f"{beside} 60 & {words}; exit $?" if beside else f"{words}; exit $?"
    done = subprocess.run((*alone, company), capture_output=True, text=True, timeout=60)
    return Run(done.returncode, done.stdout, done.stderr)


def findings(conf: Path, beside: Path | None = None) -> list[dict[str, Any]]:
    """What is found, as programs are told."""
    run = doctor(conf, "--json", beside=beside)
    found: list[dict[str, Any]] = json.loads(run.stdout)["findings"]
    assert run.status == bool(found), run
    return found


def host_end() -> str:
    """The name of the host end of the only container."""
    return str(ip_json("link", "show", "type", "veth")[0]["ifname"])


def sql(statement: str) -> None:
    """Changes the ledger behind the plugin's back."""
    with closing(sqlite3.connect(LEDGER)) as ledger, ledger:
        ledger.execute("pragma foreign_keys = on")
        ledger.execute(statement)


def sysctl(key: str, value: str) -> None:
    """Sets a kernel parameter of the host."""
    Path("/proc/sys", key).write_text(value)


def nft(*words: str) -> None:
    """Changes the firewall behind the plugin's back."""
    subprocess.run(("nft", *words), check=True, timeout=30)


Harm = Callable[[Container], object]
MENDED: dict[str, tuple[Harm, str, str]] = {
    "host end down": (lambda _: ip("link", "set", host_end(), "down"), "links", "is down"),
    "off the bridge": (lambda _: ip("link", "set", host_end(), "nomaster"), "links", "no bridge"),
    "container end down": (lambda c: c.ip("link", "set", "eth0", "down"), "links", "eth0 in c1"),
    "address lost": (
        lambda c: c.ip("addr", "del", "10.88.0.2/16", "dev", "eth0"),
        "addresses",
        "10.88.0.2/16",
    ),
    "default route lost": (
        lambda c: c.ip("route", "del", "default"),
        "routes",
        "default via 10.88.0.1",
    ),
    "IPv6 route lost": (
        lambda c: c.ip("-6", "route", "del", "default"),
        "routes",
        "default via fd00:88::1",
    ),
    "larger than the host end": (
        lambda c: c.ip("link", "set", "eth0", "mtu", "9000"),
        "mtu",
        "has MTU 9000",
    ),
    "bridge down": (lambda _: ip("link", "set", "cni0", "down"), "bridges", "is down"),
    "bridge gone": (lambda _: ip("link", "del", "cni0"), "bridges", "cni0 is gone"),
    "gateway lost": (
        lambda _: ip("addr", "del", "10.88.0.1/16", "dev", "cni0"),
        "bridges",
        "gateway address 10.88.0.1/16",
    ),
    "forwarding off": (
        lambda _: sysctl("net/ipv4/ip_forward", "0"),
        "forwarding",
        "ip_forward is 0",
    ),
    "IPv6 forwarding off": (
        lambda _: sysctl("net/ipv6/conf/all/forwarding", "0"),
        "forwarding",
        "forwarding is 0",
    ),
    "loopback": (
        lambda _: sysctl("net/ipv4/conf/cni0/route_localnet", "0"),
        "loopback",
        "route_localnet is 0",
    ),
    "everything flushed": (lambda _: nft("flush", "ruleset"), "firewall", "found none"),
    "a chain flushed": (
        lambda _: nft("flush", "chain", "inet", "cni_bridge", "source_masq"),
        "firewall",
        "rules",
    ),
    "a set flushed": (
        lambda _: nft("flush", "map", "inet", "cni_bridge", "port4"),
        "firewall",
        "host port 8080/tcp",
    ),
}


def test_a_host_that_is_well_has_no_findings(conf: Path, container: Container) -> None:
    run = doctor(conf)
    assert (run.status, run.stdout, run.stderr) == (0, "nothing is wrong\n", "")


def test_a_host_without_networks_is_well(host: Host, conf: Path) -> None:
    assert doctor(conf).status == 0
    assert not LEDGER.parent.exists()


@pytest.mark.parametrize("harm", MENDED)
def test_what_is_broken_is_found_and_mended(
    harm: str, conf: Path, network: Network, container: Container
) -> None:
    act, check, words = MENDED[harm]
    act(container)
    found = findings(conf)
    named = [each for each in found if each["check"] == check and words in each["cause"]]
    assert named, found
    assert all(each["effect"] and each["command"] for each in found)
    assert all(each["is_fixable"] for each in found)
    run = doctor(conf, "--fix")
    assert (run.status, run.stderr) == (0, ""), run
    assert "mended: " in run.stdout
    assert run.stdout.endswith("nothing is wrong\n")
    assert container.can_ping("10.88.0.1")
    network.check(container, config={"runtimeConfig": PORTS}).assert_silent_success()


@pytest.mark.parametrize("harm", ["host end down", "off the bridge", "container end down"])
def test_without_a_config_only_what_is_certain_is_mended(
    harm: str, conf: Path, network: Network, container: Container
) -> None:
    (conf / "testnet.conflist").unlink()
    MENDED[harm][0](container)
    (found,) = findings(conf)
    assert found["is_fixable"] == (harm == "host end down")
    doctor(conf, "--fix")
    assert len(findings(conf)) == (0 if found["is_fixable"] else 1)


def test_the_command_that_is_told_mends_it(conf: Path, container: Container) -> None:
    for name in ("host end down", "off the bridge", "address lost", "default route lost"):
        MENDED[name][0](container)
        for each in findings(conf):
            subprocess.run(["bash", "-c", each["command"]], check=True, timeout=30)
        assert findings(conf) == [], name


def test_the_dead_are_forgotten(conf: Path, container: Container) -> None:
    sql("update holding set boot_id = 'x'")
    assert [each["check"] for each in findings(conf)] == ["stale"]
    run = doctor(conf, "--fix")
    assert run.stdout == "mended: cni-bridge gc\nnothing is wrong\n"


def test_an_add_that_died_is_told_with_the_del_that_ends_it(
    conf: Path, container: Container
) -> None:
    sql("update holding set is_confirmed = 0, pid = 4194304")
    (found,) = findings(conf)
    assert (found["check"], found["is_fixable"]) == ("stale", False)
    environment = {"PATH": f"{PLUGIN.parent}:/usr/sbin:/usr/bin:/sbin:/bin"}
    subprocess.run(["bash", "-c", found["command"]], env=environment, check=True, timeout=30)
    assert findings(conf) == []


def test_what_only_a_runtime_can_make_anew_is_left_to_it(conf: Path, container: Container) -> None:
    ip("link", "del", host_end())
    (found,) = findings(conf)
    assert (found["check"], found["is_fixable"]) == ("links", False)
    assert "restart the container" in found["command"]
    assert doctor(conf, "--fix").status == 1


def test_a_host_end_in_no_ledger_is_told_and_left(conf: Path, container: Container) -> None:
    sql("delete from holding")
    (found,) = findings(conf)
    assert (found["check"], found["is_fixable"]) == ("unknown", False)


def test_another_data_dir_is_known_from_its_config(
    conf: Path, container: Container, make_network: MakeNetwork, host: Host
) -> None:
    elsewhere = make_network(
        {"dataDir": "/run/elsewhere", "ranges": [[{"subnet": "10.89.0.0/24"}]]},
        name="elsewhere",
        bridge="else0",
    )
    elsewhere.add(host.container()).result()
    assert [each["check"] for each in findings(conf)] == ["unknown"]
    write(conf, elsewhere.config)
    assert findings(conf) == []


def test_a_subnet_that_a_route_leads_elsewhere_is_found(conf: Path, container: Container) -> None:
    ip("link", "add", "vpn0", "type", "veth", "peer", "name", "vpn1")
    ip("link", "set", "vpn0", "up")
    ip("route", "add", "10.88.7.0/24", "dev", "vpn0")
    (found,) = findings(conf)
    assert found["check"] == "overlaps"
    assert "10.88.7.0/24 by vpn0" in found["cause"]
    ip("link", "del", "vpn0")


def test_an_mtu_above_the_way_outs_is_found(conf: Path, container: Container) -> None:
    for words in (
        "link add up0 type veth peer name up1",
        "link set up0 mtu 1400 up",
        "link set up1 mtu 1400 up",
        "addr add 192.0.2.7/24 dev up0",
        "route add default via 192.0.2.1",
    ):
        ip(*words.split())
    (found,) = findings(conf)
    assert (found["check"], found["is_fixable"]) == ("mtu", True)
    assert "the way out has 1400" in found["cause"]
    assert doctor(conf, "--fix").status == 0
    assert container.link()["mtu"] == 1400
    ip("link", "del", "up0")


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
    """A program of that name, which does nothing."""
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
    assert f"{file} lets systemd-networkd manage cni0" in found["cause"]
    file.write_text("[Match]\nName=cni*\n[Link]\nUnmanaged=yes\n")
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


DROPPING = "{ type filter hook forward priority 0; policy drop; }"


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
    """The host's own iptables."""
    done = subprocess.run(("iptables-nft", *words), capture_output=True, text=True, check=True)
    return done.stdout
