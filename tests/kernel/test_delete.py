"""DEL: everything owned goes, whatever else is missing; everything shared stays."""

import pytest

from cni_bridge import model, names
from cni_bridge.edge import request
from tests.lab import Attachment, Host, Json, Network
from tests.lab.iproute import ip, ip_json
from tests.lab.network import addresses_in, bare
from tests.lab.state import CNI_DIR, LEDGER

BROKEN: tuple[Json, ...] = (
    {"isGateway": "yes"},
    {"mtu": -1},
    {"vlan": "blue"},
    {"dns": 7},
    {"type": 5},
    {"type": ""},
    {"ipam": {"type": 5}},
)


@pytest.mark.usefixtures("version")  # each version's prevResult is read
def test_del_removes_both_ends_of_the_veth_pair(host: Host, network: Network) -> None:
    container = host.container()
    network.add(container).result()
    network.delete(container).assert_silent_success()
    assert container.links() == {"lo"}
    assert ip_json("link", "show", "master", network.bridge) == []
    host.assert_as_before()


def test_del_leaves_the_bridge_and_the_others(host: Host, network: Network) -> None:
    one, two, three = host.container(), host.container(), host.container()
    for each in (one, two):
        network.add(each).result()
    target = bare(addresses_in(network.add(three).result())[0])
    network.delete(one).assert_silent_success()
    assert two.can_ping(target)


def test_what_add_took_can_be_deleted_with_a_prev_result_on_top(
    host: Host, network: Network
) -> None:
    container = host.container()
    network.config["description"] = "x" * (request.ADD_LIMIT - 2000)
    network.add(container).result()
    (result,) = network.results.values()
    result["more"] = "x" * (1 << 24)
    network.delete(container).assert_silent_success()
    network.config["description"] += "x" * 2000
    error = network.add(container).error()
    assert (error["code"], "expected at most" in error["msg"]) == (5, True)


def test_gc_takes_a_list_of_many(host: Host, network: Network) -> None:
    kept, stale = host.container(), host.container()
    for container in (kept, stale):
        network.add(container).result()
    others = [f"{number:064x}" for number in range(10_000)]
    valid = [{"containerID": name, "ifname": "eth0"} for name in (*others, kept.name)]
    config = {"cniVersion": "1.1.0", "cni.dev/valid-attachments": valid}
    network.do("GC", kept, "eth0", config=config).assert_silent_success()
    assert kept.links() == {"lo", "eth0"}
    assert stale.links() == {"lo"}
    network.results.pop(Attachment(stale))


def test_del_twice_succeeds(host: Host, network: Network) -> None:
    container = host.container()
    network.add(container).result()
    network.delete(container).assert_silent_success()
    network.delete(container).assert_silent_success()


def test_del_before_add_succeeds(host: Host, network: Network) -> None:
    network.delete(host.container()).assert_silent_success()


@pytest.mark.parametrize("netns", [None, "", "/run/netns/never-was"])
def test_del_succeeds_without_the_netns(netns: str | None, host: Host, network: Network) -> None:
    container = host.container()
    network.add(container).result()
    network.delete(container, environment={"CNI_NETNS": netns}).assert_silent_success()
    host.assert_as_before()


def test_del_succeeds_when_the_container_is_gone(host: Host, network: Network) -> None:
    container = host.container()
    network.add(container).result()
    container.delete()
    network.delete(container).assert_silent_success()
    host.assert_as_before()


def test_del_succeeds_when_the_container_end_is_gone(host: Host, network: Network) -> None:
    container = host.container()
    network.add(container).result()
    container.ip("link", "del", "eth0")
    network.delete(container).assert_silent_success()
    host.assert_as_before()


def test_del_succeeds_when_the_bridge_is_gone(host: Host, network: Network) -> None:
    container = host.container()
    network.add(container).result()
    ip("link", "del", network.bridge)
    network.delete(container).assert_silent_success()
    host.assert_as_before()


def test_del_succeeds_when_the_ledger_is_gone(host: Host, network: Network) -> None:
    container = host.container()
    network.add(container).result()
    forget_everything()
    network.delete(container).assert_silent_success()
    host.assert_as_before()


@pytest.mark.parametrize("change", BROKEN)
def test_del_succeeds_when_the_config_no_longer_validates(
    change: Json, host: Host, network: Network
) -> None:
    container = host.container()
    network.add(container).result()
    network.delete(container, config=change).assert_silent_success()
    host.assert_as_before()


def test_del_succeeds_when_the_ranges_no_longer_validate(host: Host, network: Network) -> None:
    container = host.container()
    network.add(container).result()
    ipam = {**network.config["ipam"], "ranges": 7, "routes": "none"}
    network.delete(container, config={"ipam": ipam}).assert_silent_success()
    host.assert_as_before()


@pytest.mark.parametrize("arguments", ["nonsense", "A=B=C", "UNKNOWN=1", ";;"])
def test_del_succeeds_with_bad_arguments(arguments: str, host: Host, network: Network) -> None:
    container = host.container()
    network.add(container).result()
    network.delete(container, environment={"CNI_ARGS": arguments}).assert_silent_success()
    host.assert_as_before()


def test_del_without_prev_result_succeeds(host: Host, network: Network) -> None:
    container = host.container()
    network.add(container).result()
    nothing: Json = {}
    network.results[next(iter(network.results))] = nothing
    network.delete(container).assert_silent_success()
    host.assert_as_before()


def test_an_address_is_free_again_after_del(host: Host, network: Network) -> None:
    network.config["ipam"]["ranges"] = [[{"subnet": "10.88.0.0/30"}]]
    one, two = host.container(), host.container()
    network.add(one).result()
    network.delete(one).assert_silent_success()
    assert addresses_in(network.add(two).result()) == ["10.88.0.2/30"]


FOREIGN = {
    "bridge": ("link add {name} up type bridge",),
    "veth": ("link add {name} up type veth", "link set {name} alias mine"),
    "altname": ("link add other0 up type bridge", "link property add dev other0 altname {name}"),
}


@pytest.mark.parametrize("kind", FOREIGN)
def test_a_foreign_interface_with_the_host_ends_name_stays(
    kind: str, host: Host, network: Network
) -> None:
    container = host.container()
    before = make_foreign(kind, network, container.name)
    error = network.add(container).error()
    assert (error["code"], before["ifname"] in error["msg"]) == (112, True)
    assert make_foreign("", network, container.name) == before
    network.delete(container).assert_silent_success()
    assert make_foreign("", network, container.name) == before
    ip("link", "del", before["ifname"])
    network.add(container).result()


@pytest.mark.parametrize("kind", FOREIGN)
@pytest.mark.parametrize("command", ["DEL", "GC"])  # of one, and of many together
def test_a_foreign_interface_that_took_the_host_ends_name_stays(
    command: str, kind: str, host: Host, network: Network
) -> None:
    network.config["ipMasq"] = True  # then DEL takes the host end off its bridge first
    one, two = host.container(), host.container()
    for each in (one, two):
        network.add(each).result()
    one.ip("link", "del", "eth0")
    before = make_foreign(kind, network, one.name)
    if command == "DEL":
        network.delete(one).assert_silent_success()
        network.delete(two).assert_silent_success()
    else:
        config = {"cniVersion": "1.1.0", "cni.dev/valid-attachments": []}
        network.do("GC", one, "eth0", config=config).assert_silent_success()
        network.results.clear()
    assert make_foreign("", network, one.name) == before
    assert (one.links(), two.links()) == ({"lo"}, {"lo"})
    ip("link", "del", before["ifname"])


def make_foreign(kind: str, network: Network, container: str) -> Json:
    """Make an interface that has a host end's name; return what it is like."""
    owner = model.Attachment(network=network.config["name"], container=container, ifname="eth0")
    name = names.host_name(owner)
    for command in FOREIGN.get(kind, ()):
        ip(*command.format(name=name).split())
    (link,) = ip_json("link", "show", name)
    return {key: link.get(key) for key in ("ifname", "ifindex", "altnames", "ifalias", "group")} | {
        "is_up": "UP" in link["flags"]
    }


def forget_everything() -> None:
    """Remove the ledger and the reference's reservations."""
    for path in (*LEDGER.parent.glob(LEDGER.name + "*"), *CNI_DIR.rglob("*")):
        if path.is_file():
            path.unlink()
