"""`cni-bridge doctor`: each thing that is broken is found and named; `--fix` mends what is safe."""

import json
import shutil
import sqlite3
import subprocess
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from tests.kernel.conftest import MakeNetwork
from tests.lab import PLUGIN, Container, Host, Network
from tests.lab.clinic import PORTS, doctor, findings, host_end, nft, write
from tests.lab.iproute import bridge, ip
from tests.lab.state import LEDGER
from tests.lab.waiting import wait_until

PATHS = {"PATH": f"{PLUGIN.parent}:/usr/sbin:/usr/bin:/sbin:/bin"}
ROUNDS = 3  # what was hidden by something else shows in the next one


def sql(statement: str) -> None:
    """Change the ledger behind the plugin's back."""
    with closing(sqlite3.connect(LEDGER)) as ledger, ledger:
        ledger.execute("pragma foreign_keys = on")
        ledger.execute(statement)


def sysctl(key: str, value: str) -> None:
    """Set a kernel parameter of the host."""
    Path("/proc/sys", key).write_text(value)


def tc(*words: str) -> None:
    """Change traffic control behind the plugin's back."""
    subprocess.run(("tc", *words), check=True, timeout=30)


def routes(container: Container) -> set[str]:
    """Those that ADD gave, as `ip` tells them: the link-local ones come when the kernel likes."""
    told = [str(route) for family in (4, 6) for route in container.routes(family)]
    return {route for route in told if "fe80:" not in route}


Harm = Callable[[Container], object]
MENDED: dict[str, tuple[Harm, str, str]] = {
    "host end down": (lambda _: ip("link", "set", host_end(), "down"), "links", "is down"),
    "off the bridge": (lambda _: ip("link", "set", host_end(), "nomaster"), "links", "no bridge"),
    "port does not forward": (
        lambda _: bridge("link", "set", "dev", host_end(), "state", "1"),
        "links",
        "is listening, and cni0 has no STP",
    ),
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
    "connected route lost": (
        lambda c: c.ip("route", "del", "10.88.0.0/16"),
        "routes",
        "no route 10.88.0.0/16",
    ),
    "IPv6 connected route lost": (
        lambda c: c.ip("-6", "route", "del", "fd00:88::/64"),
        "routes",
        "no route fd00:88::/64",
    ),
    "every route lost": (
        lambda c: c.ip("route", "flush", "dev", "eth0"),
        "routes",
        "no route 10.88.0.0/16",
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
    "loopback filter": (
        lambda _: tc("filter", "delete", "dev", "cni0", "ingress"),
        "loopback",
        "cni0 has no filter that drops 127.0.0.0/8",
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


def test_default_routes_by_two_networks_are_found(
    conf: Path, host: Host, make_network: MakeNetwork
) -> None:
    """The kernel makes one of those of IPv6, with two next hops."""
    container = host.container()
    for number, ifname in enumerate(("eth0", "eth1"), 1):
        subnets = (f"10.{number}.0.0/24", f"fd0{number}::/64")
        network = make_network(
            name=f"net{number}",
            bridge=f"br{number}",
            isDefaultGateway=True,
            ipam={"ranges": [[{"subnet": each}] for each in subnets]},
        )
        write(conf, network.config)
        network.add(container, ifname).result()
    assert findings(conf) == []
    container.ip("-6", "route", "del", "default")
    assert {each["check"] for each in findings(conf)} == {"routes"}


def test_a_host_that_is_well_has_no_findings(conf: Path, container: Container) -> None:
    run = doctor(conf)
    assert (run.status, run.stdout.splitlines()[0], run.stderr) == (0, "nothing found", "")


def test_a_host_without_networks_is_well(host: Host, conf: Path) -> None:
    assert doctor(conf).status == 0
    assert not LEDGER.parent.exists()


@pytest.mark.parametrize("harm", MENDED)
def test_what_is_broken_is_found_and_mended(
    harm: str, conf: Path, network: Network, container: Container
) -> None:
    act, check, words = MENDED[harm]
    before = routes(container)
    act(container)
    found = findings(conf)
    named = [each for each in found if each["check"] == check and words in each["cause"]]
    assert named, found
    assert all(each["effect"] and each["command"] for each in found)
    assert all(each["is_fixable"] for each in found)
    run = doctor(conf, "--fix")
    assert (run.status, run.stderr) == (0, ""), run
    assert "fixed: " in run.stdout
    assert "nothing found\nchecked: 1 container, " in run.stdout
    assert container.can_ping("10.88.0.1")
    assert routes(container) == before
    network.check(container, config={"runtimeConfig": PORTS}).assert_silent_success()


@pytest.mark.parametrize("harm", ["host end down", "off the bridge", "container end down"])
def test_without_a_config_only_what_is_certain_is_mended(
    harm: str, conf: Path, network: Network, container: Container
) -> None:
    (conf / "testnet.conflist").unlink()
    told = f"not checked against a config, since {conf} has none: testnet\n"
    assert doctor(conf).stdout.startswith("nothing found\n")
    assert doctor(conf).stdout.endswith(told)
    MENDED[harm][0](container)
    (found,) = findings(conf)
    assert found["is_fixable"] == (harm == "host end down")
    doctor(conf, "--fix")
    assert len(findings(conf)) == (0 if found["is_fixable"] else 1)


@pytest.mark.parametrize("harm", MENDED)
def test_the_commands_that_are_told_mend_it(harm: str, conf: Path, container: Container) -> None:
    MENDED[harm][0](container)
    for _ in range(ROUNDS):
        for each in findings(conf):
            subprocess.run(["bash", "-c", each["command"]], env=PATHS, check=True, timeout=30)
    assert findings(conf) == []
    assert container.can_ping("10.88.0.1")


def test_a_port_that_stp_keeps_back_is_told_and_left_to_it(
    conf: Path, container: Container
) -> None:
    ip("link", "set", "cni0", "type", "bridge", "stp_state", "1")
    assert findings(conf) == []
    ip("link", "set", host_end(), "down")
    ip("link", "set", host_end(), "up")
    (found,) = findings(conf)
    assert (found["check"], found["is_fixable"]) == ("links", False)
    assert "is listening, by STP of cni0" in found["cause"]
    assert not container.can_ping("10.88.0.1")
    subprocess.run(["bash", "-c", found["command"]], check=True, timeout=30)
    assert findings(conf) == []
    # The container has asked in vain for its gateway's MAC, and may not ask again at once.
    wait_until(lambda: container.can_ping("10.88.0.1"))


def test_the_dead_are_forgotten(conf: Path, container: Container) -> None:
    sql("update holding set boot_id = 'x'")
    assert [each["check"] for each in findings(conf)] == ["stale"]
    run = doctor(conf, "--fix")
    assert run.stdout.startswith("fixed: cni-bridge gc\nnothing found\n")


def test_an_add_that_died_is_told_with_the_del_that_ends_it(
    conf: Path, container: Container
) -> None:
    sql("update holding set is_confirmed = 0, pid = 4194304")
    (found,) = findings(conf)
    assert (found["check"], found["is_fixable"]) == ("stale", False)
    subprocess.run(["bash", "-c", found["command"]], env=PATHS, check=True, timeout=30)
    assert findings(conf) == []


def test_what_only_a_runtime_can_make_anew_is_left_to_it(conf: Path, container: Container) -> None:
    ip("link", "del", host_end())
    (found,) = findings(conf)
    assert (found["check"], found["is_fixable"]) == ("links", False)
    assert "restart the container" in found["command"]
    assert doctor(conf, "--fix").status == 1


def lose() -> None:
    """Remove the ledger, as a cleared /run does."""
    shutil.rmtree("/run/cni-bridge")


def spoil() -> None:
    """Damage the ledger beyond reading."""
    Path("/run/cni-bridge/ledger.sqlite").write_bytes(b"no database" * 1000)


def test_a_host_end_of_another_ledger_is_told_and_left(conf: Path, container: Container) -> None:
    sql("delete from holding")
    (found,) = findings(conf)
    assert (found["check"], found["is_fixable"]) == ("unknown", False)
    assert "another ipam.dataDir" in found["cause"]


def test_a_lost_ledger_is_rebuilt_and_no_container_is_cut_off(
    conf: Path, container: Container
) -> None:
    lose()
    (found,) = findings(conf)
    assert (found["check"], found["is_fixable"]) == ("unknown", True)
    assert found["command"] == "cni-bridge restore --from-kernel"
    assert "link del" not in doctor(conf).stdout
    run = doctor(conf, "--fix")
    assert run.stdout.startswith("fixed: cni-bridge restore --from-kernel\nnothing found\n"), run
    assert container.can_ping("10.88.0.1")


def test_a_damaged_ledger_is_rebuilt(conf: Path, container: Container) -> None:
    spoil()
    assert doctor(conf).status == 2
    run = doctor(conf, "--fix")
    assert (run.status, "restore --from-kernel" in run.stdout) == (0, True), run
    assert findings(conf) == []


def test_a_probe_finds_a_gateway_that_does_not_answer(conf: Path, container: Container) -> None:
    assert doctor(conf, "--probe").status == 0
    container.ip("neigh", "replace", "10.88.0.1", "lladdr", "02:00:00:00:00:99", "dev", "eth0")
    assert "eth0 gets no answer from its gateway 10.88.0.1" in doctor(conf, "--probe").stdout


def test_all_plugins_missing_for_a_file_are_one_finding(conf: Path, container: Container) -> None:
    file = conf / "testnet.conflist"
    conflist = json.loads(file.read_text())
    conflist["plugins"] += [{"type": "one-plugin"}, {"type": "another-plugin"}]
    file.write_text(json.dumps(conflist))
    (found,) = findings(conf)
    assert "names plugins one-plugin, another-plugin, not found in" in found["cause"]


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
    assert "10.88.7.0/24 via vpn0" in found["cause"]
    ip("link", "del", "vpn0")
