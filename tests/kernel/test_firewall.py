"""The firewall's elements: recorded, in the kernel, and gone again; nft and the ledger tell."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.kernel.conftest import MakeNetwork
from tests.lab import Host, Json, Network
from tests.lab.frames import link_local
from tests.lab.iproute import ip_json
from tests.lab.namespaces import read_only_sysctls
from tests.lab.nft import exists, held, nft, ports
from tests.lab.publish import mapping, publish, publishing
from tests.lab.state import LEDGER

LOOPBACK = "/proc/sys/net/ipv4/conf/{}/route_localnet"
SEVERAL = 30


@pytest.fixture
def version() -> str:
    """Return the firewall is the same in every version of the spec."""
    return "1.1.0"


@pytest.fixture
def masqueraded(make_network: MakeNetwork) -> Network:
    """Return a network with ipMasq."""
    return make_network(ipMasq=True)


def in_ledger(query: str) -> list[Any]:
    with closing(sqlite3.connect(LEDGER)) as ledger:
        return ledger.execute(query).fetchall()


# ---------------------------------------------------------------- what is made


def test_a_plain_network_has_no_firewall(host: Host, network: Network) -> None:
    network.add(host.container()).result()
    assert not exists()
    assert in_ledger("select * from guarded") == []


def test_masqueraded_addresses_are_elements(host: Host, masqueraded: Network) -> None:
    for _ in range(2):
        masqueraded.add(host.container()).result()
    assert held("masq4") == ["10.88.0.2", "10.88.0.3"]
    assert held("masq6") == ["fd00:88::2", "fd00:88::3"]
    assert held("bridges") == ["cni0"]
    assert held("same_bridge") == ["cni0 cni0"]
    assert (held("subnet4"), held("subnet6")) == (["cni0 10.88.0.0/16"], ["cni0 fd00:88::/64"])
    assert not exists("bridge"), "that table is for spoof checks alone"


def test_published_ports_are_elements_of_maps(host: Host, network: Network) -> None:
    publish(
        network,
        host.container(),
        mapping(8080),
        mapping(5353, 53, protocol="UDP"),
        mapping(443, 443, hostIP="127.0.0.1"),
        mapping(444, 443, hostIP="::"),
    ).result()
    assert ports("port4") == ["tcp 8080 -> 10.88.0.2 80", "udp 5353 -> 10.88.0.2 53"]
    assert ports("port6") == [
        "tcp 444 -> fd00:88::2 443",
        "tcp 8080 -> fd00:88::2 80",
        "udp 5353 -> fd00:88::2 53",
    ]
    assert ports("port4_at") == ["127.0.0.1 tcp 443 -> 10.88.0.2 443"]
    assert Path(LOOPBACK.format("cni0")).read_text().strip() == "1"


def test_spoof_checks_are_elements_of_the_bridge_table(
    host: Host, make_network: MakeNetwork
) -> None:
    container = host.container()
    result = make_network(macspoofchk=True, ipspoofchk=True).add(container).result()
    veth, mac = result["interfaces"][1]["name"], container.link()["address"]
    assert held("mac_guarded", "bridge") == held("ip_guarded", "bridge") == [veth]
    assert held("mac_ok", "bridge") == [f"{veth} {mac}"]
    assert held("ip4_ok", "bridge") == [f"{veth} 10.88.0.2"]
    own6 = sorted(f"{veth} {ip}" for ip in ("fd00:88::2", link_local(mac)))
    assert held("ip6_ok", "bridge") == own6
    assert len(held("nd_ok", "bridge")) == len(own6)


@pytest.mark.parametrize(
    ("change", "sets"),
    [
        ({"isolation": "on"}, ["isolated"]),
        ({"isolation": "strict"}, ["isolated", "strict"]),
        ({"internal": True}, ["internal"]),
        ({"icc": False}, ["no_icc"]),
        ({"closed": True}, ["closed"]),
    ],
)
def test_a_networks_flags_are_its_bridge_in_sets(
    change: Json, sets: list[str], host: Host, make_network: MakeNetwork
) -> None:
    make_network(**change).add(host.container()).result()
    flags = ("isolated", "strict", "internal", "no_icc", "closed")
    assert [name for name in flags if held(name) == ["cni0"]] == sets


def test_a_changed_flag_follows_with_the_next_container(
    host: Host, make_network: MakeNetwork
) -> None:
    network = make_network(isolation="strict", internal=True)
    network.add(host.container()).result()
    network.config |= {"isolation": "on", "internal": False}
    network.add(host.container()).result()
    assert (held("isolated"), held("strict"), held("internal")) == (["cni0"], [], [])


def test_the_ledger_mirrors_the_sets(host: Host, masqueraded: Network) -> None:
    publish(masqueraded, host.container(), mapping(8080), mapping(5353, protocol="udp")).result()
    recorded = dict(in_ledger("select set_name, count(*) from element group by set_name"))
    for name, count in recorded.items():
        listed = ports(name) if name.startswith("port") else held(name)
        assert len(listed) == count, name


# ---------------------------------------------------------------- what goes, and what stays


def test_del_takes_the_elements_without_netns_or_prev_result(
    host: Host, masqueraded: Network
) -> None:
    staying, going = host.container(), host.container()
    masqueraded.add(staying).result()
    publish(masqueraded, going, mapping(8080)).result()
    going.delete()
    gone = {"CNI_NETNS": ""}
    masqueraded.delete(going, environment=gone, config={"prevResult": None}).assert_silent_success()
    assert (held("masq4"), ports("port4"), ports("port6")) == (["10.88.0.2"], [], [])
    assert held("bridges") == ["cni0"], "it has another container"


def test_the_last_container_takes_the_networks_elements_with_it(
    host: Host, masqueraded: Network
) -> None:
    container = host.container()
    publish(masqueraded, container, mapping(8080)).result()
    masqueraded.delete(container).assert_silent_success()
    assert (held("bridges"), held("same_bridge"), held("subnet4")) == ([], [], [])
    # Otherwise containers that the rules know nothing of could reach the host's loopback.
    assert Path(LOOPBACK.format("cni0")).read_text().strip() == "0"


def test_del_says_so_when_the_kernel_refuses_to_close_the_hosts_loopback(
    host: Host, masqueraded: Network
) -> None:
    container = host.container()
    publish(masqueraded, container, mapping(8080)).result()
    with read_only_sysctls():
        run = masqueraded.delete(container)
    run.assert_silent_success()
    assert "sysctl net.ipv4.conf.cni0.route_localnet can't be set to 0" in run.stderr
    publish(masqueraded, container, mapping(8080)).result()
    masqueraded.delete(container).assert_silent_success()
    assert Path(LOOPBACK.format("cni0")).read_text().strip() == "0"


def test_two_networks_on_one_bridge_share_its_elements(
    host: Host, make_network: MakeNetwork
) -> None:
    one, two = make_network(ipMasq=True, name="one"), make_network(ipMasq=True, name="two")
    two.config["ipam"]["ranges"] = [[{"subnet": "10.88.0.0/16", "rangeStart": "10.88.5.0"}]]
    first, second = host.container(), host.container()
    one.add(first).result()
    two.add(second).result()
    one.delete(first).assert_silent_success()
    assert held("bridges") == ["cni0"]
    assert held("subnet4") == ["cni0 10.88.0.0/16"]
    assert held("subnet6") == []


def test_a_subnet_inside_of_another_on_the_same_bridge_is_no_conflict(
    host: Host, make_network: MakeNetwork
) -> None:
    narrow = make_network(ipMasq=True, name="narrow", isGateway=False)
    wide = make_network(ipMasq=True, name="wide", isGateway=False)
    narrow.config["ipam"]["ranges"] = [[{"subnet": "10.88.5.0/24"}]]
    wide.config["ipam"]["ranges"] = [[{"subnet": "10.88.0.0/16"}]]
    first, second = host.container(), host.container()
    narrow.add(first).result()
    wide.add(second).result()
    assert held("subnet4") == ["cni0 10.88.0.0/16"]
    narrow.check(first).assert_silent_success()
    wide.delete(second).assert_silent_success()
    assert held("subnet4") == ["cni0 10.88.5.0/24"]


def test_gc_takes_the_elements_of_many_at_once(host: Host, masqueraded: Network) -> None:
    containers = [host.container() for _ in range(SEVERAL)]
    for number, container in enumerate(containers):
        publish(masqueraded, container, mapping(2000 + number)).result()
    valid = [{"containerID": containers[0].name, "ifname": "eth0"}]
    config = {"cni.dev/valid-attachments": valid}
    masqueraded.do("GC", containers[0], "eth0", config=config).assert_silent_success()
    assert ports("port4") == ["tcp 2000 -> 10.88.0.2 80"]
    assert len(ip_json("link", "show", "master", "cni0")) == 1
    assert in_ledger("select count(*) from holding") == [(1,)]
    masqueraded.check(containers[0], config=publishing(mapping(2000))).assert_silent_success()


def test_elements_stay_in_the_hosts_ledger_wherever_addresses_are(
    host: Host, make_network: MakeNetwork
) -> None:
    network = make_network(ipam={"dataDir": "/run/elsewhere"}, ipMasq=True)
    other = make_network(
        name="other", bridge="cni1", ipam={"ranges": [[{"subnet": "10.9.0.0/24"}]]}
    )
    container, late = host.container(), host.container()
    publish(network, container, mapping(8080)).result()
    assert publish(other, late, mapping(8080)).error()["code"] == 103
    nft("flush", "ruleset")
    publish(other, late, mapping(8081)).result()
    assert held("masq4") == ["10.88.0.2"], "made anew, though its addresses are elsewhere"
    network.delete(container, environment={"CNI_NETNS": ""}).assert_silent_success()
    assert held("masq4") == []
