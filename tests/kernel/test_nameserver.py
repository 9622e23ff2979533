"""Containers find each other by name: what the nameserver answers, to whom, and how long it lives."""

import os
import signal
from collections.abc import Iterator

import pytest

from tests.kernel.conftest import GATEWAY4, GATEWAY6, MakeNetwork
from tests.lab import Host, Json, Network, dns
from tests.lab.clinic import explain
from tests.lab.containers import Container
from tests.lab.dns import NAME_ERROR, SILENCE, addresses, ask, reverse, servers
from tests.lab.iproute import ip
from tests.lab.network import addresses_in, bare
from tests.lab.nft import nft
from tests.lab.waiting import wait_until

DOMAIN = "cni.internal"


@pytest.fixture
def version() -> str:
    """Return names do not depend on the spec version."""
    return "1.1.0"


@pytest.fixture(autouse=True)
def no_server_is_left(host: Host) -> Iterator[None]:
    """End what a failed test leaves running: it would outlive its host."""
    yield
    for each in servers():
        os.kill(each, signal.SIGKILL)


def called(name: str, *aliases: str, namespace: str = "") -> Json:
    """Return how a runtime names a container."""
    args = f"IgnoreUnknown=1;K8S_POD_NAME={name}" if name else "IgnoreUnknown=1"
    args += f";K8S_POD_NAMESPACE={namespace}" if namespace else ""
    return {
        "environment": {"CNI_ARGS": args},
        "config": {"runtimeConfig": {"aliases": {"testnet": list(aliases)}}},
    }


def add(network: Network, container: Container, name: str = "", *aliases: str) -> tuple[str, str]:
    """Add a container with these names; return its addresses."""
    v4, v6 = addresses_in(network.add(container, **called(name, *aliases)).result())
    return bare(v4), bare(v6)


def test_containers_find_each_other_by_name(host: Host, named: Network) -> None:
    web, db = host.container(), host.container()
    web4, web6 = add(named, web, "web", "www")
    db4, _ = add(named, db, "DB")
    for server in (GATEWAY4, GATEWAY6):
        for name in ("web", f"web.{DOMAIN}", "www", f"www.{DOMAIN}", "WEB"):
            assert addresses(db, server, name) == [web4]
            assert addresses(db, server, name, "AAAA") == [web6]
        assert addresses(web, server, "db") == [db4]
        assert reverse(db, server, web4) == [f"web.{DOMAIN}"]
        assert reverse(db, server, web6) == [f"web.{DOMAIN}"]
        assert ask(db, server, "web", by="tcp").records == (web4,)
        assert ask(db, server, "nobody").code == NAME_ERROR
        assert ask(db, server, f"nobody.{DOMAIN}").code == NAME_ERROR
    named.delete(web).assert_silent_success()
    wait_until(lambda: ask(db, GATEWAY4, "web").code == NAME_ERROR)
    named.delete(db).assert_silent_success()
    assert servers() == []
    assert list(dns.BASE.iterdir()) == []


def test_a_container_without_a_name_has_the_nameserver_too(host: Host, named: Network) -> None:
    first, second = host.container(), host.container()
    named.add(first).result()
    assert ask(first, GATEWAY4, f"x.{DOMAIN}").code == NAME_ERROR
    second4, _ = add(named, second, "", "only-an-alias")
    assert addresses(first, GATEWAY4, "only-an-alias") == [second4]
    (server,) = servers()
    named.delete(second).assert_silent_success()
    assert servers() == [server]
    assert addresses(first, GATEWAY4, "only-an-alias") == []
    named.delete(first).assert_silent_success()
    assert servers() == []


def test_the_result_names_the_server(host: Host, make_network: MakeNetwork) -> None:
    network = make_network(nameserver={"domain": "Shop.Example."}, dns={"search": ["example.net"]})
    container = host.container()
    result = network.add(container, **called("web")).result()
    assert result["dns"] == {
        "nameservers": [GATEWAY4, GATEWAY6],
        "search": ["shop.example", "example.net"],
    }
    assert addresses(container, GATEWAY4, "web.shop.example") == [container.addresses()[0][:-3]]
    network.check(container, **called("web")).assert_silent_success()


SETTINGS: tuple[Json, ...] = (
    {"internal": True},
    {"isolation": "strict"},
    {"closed": True},
    {"icc": False},
    {"hostAccess": "none"},
    {"hostAccess": "gateway"},
    {"hostAccess": "none", "icc": False, "internal": True, "ipspoofchk": True, "macspoofchk": True},
    {"portIsolation": True},
    {"ipMasq": True},
)


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_names_resolve_whatever_the_policy_is(
    host: Host, make_network: MakeNetwork, settings: Json
) -> None:
    network = make_network(nameserver=True, **settings)
    web, db = host.container(), host.container()
    web4, _ = add(network, web, "web")
    add(network, db, "db")
    for server in (GATEWAY4, GATEWAY6):
        for by in ("udp", "tcp"):
            assert ask(db, server, "web", by=by).records == (web4,)
    assert db.can_ping(web4) is (settings.get("icc", True) and "portIsolation" not in settings)
    assert db.can_ping(GATEWAY4) is (settings.get("hostAccess") != "none")
    network.check(db, **called("db")).assert_silent_success()


def test_each_network_knows_its_own_containers_alone(host: Host, make_network: MakeNetwork) -> None:
    one = make_network(nameserver=True)
    other = make_network(
        ipam={"ranges": [[{"subnet": "10.77.0.0/16"}], [{"subnet": "fd00:77::/64"}]]},
        name="other",
        bridge="cni1",
        nameserver=True,
    )
    a, b, both = host.container(), host.container(), host.container()
    a4, _ = add(one, a, "a")
    b4, _ = add(other, b, "b")
    assert len(servers()) == 2
    assert addresses(a, GATEWAY4, "b") == []
    assert addresses(b, "10.77.0.1", "a") == []
    for by in ("udp", "tcp"):  # at the other network's gateway, which is an address of the host
        for server in ("10.77.0.1", "fd00:77::1"):
            assert ask(a, server, "b", by=by, patience_s=0.3) == SILENCE
    add(one, both, "both")
    other.add(both, "eth1", environment=called("both")["environment"]).result()
    assert addresses(both, GATEWAY4, "a") == [a4]
    assert addresses(both, "10.77.0.1", "b") == [b4]


def test_who_has_a_name(host: Host, named: Network) -> None:
    """An own name before any alias, the oldest of two own names; an alias may have several."""
    web, thief, third, twin = (host.container() for _ in range(4))
    thief4, _ = add(named, thief, "thief", "web", "shared")
    assert addresses(thief, GATEWAY4, "web") == [thief4]
    web4, _ = add(named, web, "web", "shared")
    assert addresses(thief, GATEWAY4, "web") == [web4]
    assert addresses(thief, GATEWAY4, "shared") == sorted([thief4, web4])
    twin4, _ = add(named, twin, "web", "twin")
    add(named, third, "third", "thief")
    assert addresses(thief, GATEWAY4, "web") == [web4]
    assert addresses(third, GATEWAY4, "thief") == [thief4]
    assert addresses(third, GATEWAY4, "twin") == [twin4]
    named.delete(web).assert_silent_success()
    assert addresses(thief, GATEWAY4, "web") == [twin4]
    named.delete(twin).assert_silent_success()
    assert addresses(thief, GATEWAY4, "web") == [thief4]


@pytest.mark.parametrize(
    "alias",
    ["a_b", "a.b.c", "1.2.3.4", "-x", "x-", "x" * 64, "ä", "#x", "a\\b", "localhost", "a..b"],
)
def test_a_name_that_dns_can_not_have_is_not_served_and_harms_no_other(
    host: Host, named: Network, alias: str
) -> None:
    container = host.container()
    own, _ = add(named, container, "web", alias)
    assert addresses(container, GATEWAY4, "web") == [own]
    served = ask(container, GATEWAY4, alias).records if alias in ("a_b", "a.b.c", "1.2.3.4") else ()
    assert served == ((own,) if served else ())
    assert alias in ("a_b", "a.b.c", "1.2.3.4") or f" {alias} " not in dns.hosts()


def test_names_of_the_hosts_file_are_not_answered(host: Host, named: Network) -> None:
    container = host.container()
    add(named, container, "web")
    assert ask(container, GATEWAY4, "localhost").records == ()
    assert ask(container, GATEWAY4, os.uname().nodename).records == ()


def test_others_are_asked_upstream_but_not_by_an_internal_network(
    host: Host, make_network: MakeNetwork
) -> None:
    """The upstream is the nameserver of another network, on an address of the host."""
    above = make_network(
        ipam={"ranges": [[{"subnet": "10.77.0.0/16"}]]},
        name="above",
        bridge="cni1",
        nameserver={"domain": "example.org"},
    )
    far = host.container()
    far4 = bare(addresses_in(above.add(far, **called("www")).result())[0])
    open_one = make_network(nameserver={"upstream": ["10.77.0.1"]})
    container = host.container()
    add(open_one, container, "web")
    assert addresses(container, GATEWAY4, "www.example.org") == [far4]
    assert ask(container, GATEWAY4, "www").code == NAME_ERROR  # it has no domain
    inner = make_network(
        ipam={"ranges": [[{"subnet": "10.66.0.0/16"}]]},
        name="inner",
        bridge="cni2",
        internal=True,
        nameserver=True,
    )
    prisoner = host.container()
    inner.add(prisoner, **called("p")).result()
    assert ask(prisoner, "10.66.0.1", "www.example.org").records == ()


def test_it_is_no_open_resolver(host: Host, named: Network) -> None:
    """A neighbour on the host's LAN sends queries to the gateway address by way of the host."""
    add(named, host.container(), "web")
    neighbour = host.container("neighbour")
    ip("link", "add", "lan0", "type", "veth", "peer", "name", "eth0", "netns", "neighbour")
    ip("addr", "add", "192.0.2.1/24", "dev", "lan0")
    ip("link", "set", "lan0", "up")
    neighbour.ip("addr", "add", "192.0.2.2/24", "dev", "eth0")
    neighbour.ip("link", "set", "eth0", "up")
    neighbour.ip("route", "add", "default", "via", "192.0.2.1")
    assert neighbour.can_ping(GATEWAY4)
    for by in ("udp", "tcp"):
        for server in (GATEWAY4, "192.0.2.1"):
            assert ask(neighbour, server, "web", by=by, patience_s=0.3) == SILENCE
    assert ask(None, GATEWAY4, "web").records != ()  # the host itself may ask
    ip("link", "delete", "lan0")


# ---------------------------------------------------------------- accidents


def test_explain_tells_that_a_name_does_not_resolve(host: Host, named: Network) -> None:
    web, db = host.container(), host.container()
    web4, _ = add(named, web, "web")
    add(named, db, "db")
    hops, _ = explain(db.name, "web:80")
    assert hops[0]["text"].startswith(f"web is {web4}, ")
    (server,) = servers()
    os.kill(server, signal.SIGKILL)
    wait_until(lambda: servers() == [])
    hops, _ = explain(db.name, "web:80")
    assert (hops[0]["verdict"], hops[0]["place"]) == ("drops", "name")
    assert "dnsmasq is not running for network testnet" in hops[0]["text"]


def test_explain_tells_why_no_nameserver_has_a_name(
    host: Host, named: Network, make_network: MakeNetwork
) -> None:
    """They are reached by their addresses, so it is no verdict on the connection."""
    far = make_network(
        {"ranges": [[{"subnet": "10.99.0.0/24"}]]}, name="far", bridge="far0", isDefaultGateway=True
    )
    db, web, unnamed = host.container(), host.container(), host.container("red")
    add(named, db, "db")
    named.add(unnamed).result()
    far.add(web, **called("web")).result()
    for asker, target, reason in (
        ("db", "web", "the container is on network far, and the nameserver of network testnet has"),
        ("db", "red", "does not have it: the runtime gave the container no name"),
        ("web", "db", "network far has no nameserver"),
    ):
        hops, _ = explain(asker, f"{target}:80")
        assert (hops[0]["place"], hops[0]["verdict"]) == ("name", "unsure"), hops
        assert hops[0]["text"].startswith(f"{target} does not resolve: ")
        assert reason in hops[0]["text"]
    hops, _ = explain("web", "red:80")
    assert hops[0]["place"] != "name"


def test_a_flushed_ruleset_stops_no_name(host: Host, make_network: MakeNetwork) -> None:
    network = make_network(nameserver=True, hostAccess="none", ipMasq=True)
    web = host.container()
    web4, _ = add(network, web, "web")
    nft("flush", "ruleset")
    assert addresses(web, GATEWAY4, "web") == [web4]


def test_many_at_once_are_all_served(host: Host, named: Network) -> None:
    containers = [host.container() for _ in range(12)]
    for run in named.do_all("ADD", containers):
        run.result()
    assert dns.hosts().count("\n# ") == 12
    assert len(servers()) == 1
    for run in named.do_all("DEL", containers):
        run.assert_silent_success()
    assert servers() == []


def test_explain_knows_that_port_53_is_all_that_is_open(
    host: Host, make_network: MakeNetwork
) -> None:
    network = make_network(nameserver=True, hostAccess="none")
    web = host.container()
    add(network, web, "web")
    for words in ((f"{GATEWAY4}:53", "--udp"), (f"{GATEWAY4}:53",), (f"[{GATEWAY6}]:53", "--udp")):
        assert explain(web.name, *words)[1] == ""
    assert explain(web.name, f"{GATEWAY4}:54", "--udp")[1] != ""
