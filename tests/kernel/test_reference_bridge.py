"""What the reference bridge and host-local have attached: checked and removed by us, never hurt."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.kernel.conftest import MakeNetwork
from tests.lab import PEERS, Container, Host, Json, Network, Plugin
from tests.lab.iproute import bridge, ip, ip_json
from tests.lab.network import CHECK_SINCE, addresses_in, bare, version_key
from tests.lab.waiting import wait_until

RESERVATIONS = Path("/var/lib/cni/networks/testnet")
REFERENCE = Plugin(PEERS / "bridge", "host-local")
ONLY_OURS = "/nowhere"  # a CNI_PATH without host-local: then it is served in process

Migrated = tuple[Network, Container, Json]
pytestmark = pytest.mark.parametrize("version", ["0.3.1", "1.0.0", "1.1.0"])


@pytest.fixture(params=["in process", "delegated"])
def network(request: pytest.FixtureRequest, make_network: MakeNetwork) -> Network:
    """Return a network of the reference's config, ours from now on; host-local is there, or is not."""
    made = make_network({"type": "host-local", "routes": [{"dst": "0.0.0.0/0"}]})
    path = str(PEERS) if request.param == "delegated" else ONLY_OURS
    made.environment = {"CNI_PATH": path}
    return made


@pytest.fixture
def ours(make_network: MakeNetwork) -> Network:
    """Return the same network with our own IPAM only."""
    made = make_network({"type": "host-local"})
    made.environment = {"CNI_PATH": ONLY_OURS}
    return made


def attach(host: Host, network: Network, container: Container | None = None) -> Container:
    """Return a container that the reference has attached; the runtime has kept its result."""
    attached = container or host.container()
    config = network.config | {"type": "bridge"}
    before = Network(REFERENCE, config)
    before.add(attached).result()
    network.results |= before.results
    return attached


def reserved() -> set[str]:
    """Return the addresses that host-local has files of."""
    return {path.name for path in RESERVATIONS.iterdir() if path.name[0] in "1f"}


def reserve(content: bytes) -> None:
    """Write that to every reservation."""
    for address in reserved():
        (RESERVATIONS / address).write_bytes(content)


def host_ends(network: Network) -> list[str]:
    """Return the names of the bridge's ports."""
    return [link["ifname"] for link in ip_json("link", "show", "master", network.bridge)]


# ---------------------------------------------------------------- DEL


def test_del_finds_a_bridge_by_an_alternative_name(host: Host, network: Network) -> None:
    ip("link", "add", "real0", "type", "bridge")
    ip("link", "property", "add", "dev", "real0", "altname", network.bridge)
    container = attach(host, network)
    network.delete(container).assert_silent_success()
    assert container.links() == {"lo"}
    ip("link", "del", "real0")


def test_del_removes_what_the_reference_has_made(host: Host, network: Network) -> None:
    container = attach(host, network)
    network.delete(container).assert_silent_success()
    assert container.links() == {"lo"}
    assert host_ends(network) == []
    assert reserved() == set()
    network.delete(container).assert_silent_success()


@pytest.mark.parametrize("netns", ["", "/run/netns/never-was"])
def test_del_without_the_netns_goes_by_prev_result(
    netns: str, host: Host, network: Network, version: str
) -> None:
    container = attach(host, network)
    (result,) = network.results.values()
    config = {"prevResult": result}
    network.delete(container, environment={"CNI_NETNS": netns}, config=config)
    assert host_ends(network) == []
    assert reserved() == set()


def test_del_of_a_dead_container_frees_its_addresses(host: Host, network: Network) -> None:
    container = attach(host, network)
    container.delete()
    wait_until(lambda: not host_ends(network))  # the kernel's clean-up, without prevResult
    network.delete(container).assert_silent_success()
    assert reserved() == set()


def test_del_without_prev_result_finds_the_interface_itself(host: Host, network: Network) -> None:
    container = attach(host, network)
    network.results.clear()
    network.delete(container).assert_silent_success()
    assert container.links() == {"lo"}


def test_del_understands_the_oldest_reservations(host: Host, ours: Network) -> None:
    container = attach(host, ours)
    reserve(container.name.encode())
    ours.delete(container).assert_silent_success()
    assert reserved() == set()


def test_del_leaves_the_others(host: Host, network: Network) -> None:
    one, two = attach(host, network), attach(host, network)
    network.delete(one).assert_silent_success()
    assert two.can_ping("10.88.0.1")
    assert len(reserved()) == 2
    network.delete(two).assert_silent_success()


def test_del_without_a_reservation_leaves_an_interface_that_is_not_ours(
    host: Host, ours: Network
) -> None:
    container = attach(host, ours)
    content = (RESERVATIONS / "10.88.0.2").read_bytes()
    reserve(content.replace(container.name.encode(), b"somebody-else"))
    ours.delete(container).assert_silent_success()
    assert container.links() == {"lo", "eth0"}
    assert len(reserved()) == 2
    reserve(content)
    ours.delete(container).assert_silent_success()


def test_del_leaves_an_interface_that_has_none_of_the_addresses(
    host: Host, network: Network
) -> None:
    """A path that leads to another container by now, both attached by the reference."""
    one, two = attach(host, network), attach(host, network)
    network.results.clear()
    network.delete(one, environment={"CNI_NETNS": str(two.netns)}).assert_silent_success()
    assert two.can_ping("10.88.0.1")
    assert len(reserved()) == 2
    one.ip("link", "del", "eth0")
    network.delete(two).assert_silent_success()


def test_del_takes_no_host_end_that_the_result_only_names(host: Host, network: Network) -> None:
    """The names are random, and the result is the runtime's: its MAC has to fit, too."""
    one, two = attach(host, network), attach(host, network)
    first, second = network.results.values()
    lie = {**first, "interfaces": [{**second["interfaces"][1], "mac": "02:00:00:00:00:01"}]}
    environment = {"CNI_NETNS": "/run/netns/never-was"}
    network.delete(one, environment=environment, config={"prevResult": lie})
    assert two.can_ping("10.88.0.1")
    one.ip("link", "del", "eth0")


def test_del_leaves_an_interface_on_another_bridge_and_its_addresses(
    host: Host, network: Network
) -> None:
    container = attach(host, network)
    ip("link", "add", "other0", "up", "type", "bridge")
    error = network.delete(container, config={"bridge": "other0"}).error()
    assert error["code"] == 130
    assert "not a port of other0" in error["details"]
    assert len(reserved()) == 2
    ip("link", "del", "other0")
    network.delete(container).assert_silent_success()


# ---------------------------------------------------------------- CHECK


CHANGES: dict[str, Callable[[Network, Container], object]] = {
    "address deleted": lambda _, c: c.ip("addr", "del", "10.88.0.2/16", "dev", "eth0"),
    "default route deleted": lambda _, c: c.ip("route", "del", "default"),
    "host end down": lambda n, _: ip("link", "set", host_ends(n)[0], "down"),
    "hairpin switched": lambda n, _: bridge("link", "set", "dev", host_ends(n)[0], "hairpin", "on"),
    "container end gone": lambda _, c: c.ip("link", "del", "eth0"),
    "reservation gone": lambda _, __: (RESERVATIONS / "10.88.0.2").unlink(),
}


def test_check_is_silent_about_what_the_reference_has_made(host: Host, network: Network) -> None:
    container = attach(host, network)
    run = network.check(container)
    if version_key(network.config["cniVersion"]) < CHECK_SINCE:
        assert run.error()["code"] == 1
    else:
        run.assert_silent_success()


@pytest.mark.parametrize("change", CHANGES)
def test_check_notices_a_change_made_by_hand(change: str, host: Host, network: Network) -> None:
    if version_key(network.config["cniVersion"]) < CHECK_SINCE:
        return
    container = attach(host, network)
    CHANGES[change](network, container)
    assert network.check(container).error()["code"] == 120


# ---------------------------------------------------------------- ADD


def test_no_reserved_address_is_handed_out(host: Host, ours: Network) -> None:
    ours.config["ipam"]["ranges"] = [[{"subnet": "10.88.0.0/29"}]]
    before = [attach(host, ours) for _ in range(3)]
    ours.delete(before[1]).assert_silent_success()
    after = [host.container() for _ in range(3)]
    given = [addresses_in(ours.add(each).result()) for each in after]
    assert given == [["10.88.0.3/29"], ["10.88.0.5/29"], ["10.88.0.6/29"]]
    error = ours.add(host.container()).error()
    assert error["code"] == 100
    assert after[0].can_ping(bare("10.88.0.4"))
    ours.delete(before[0]).assert_silent_success()
    assert addresses_in(ours.add(host.containers[-1]).result()) == ["10.88.0.2/29"]


def test_a_reserved_address_is_refused_with_its_holder(host: Host, ours: Network) -> None:
    container = attach(host, ours)
    asked = {"runtimeConfig": {"ips": ["10.88.0.2"]}}
    error = ours.add(host.container(), config=asked).error()
    assert error["code"] == 101
    assert container.name in error["details"]
    assert str(RESERVATIONS / "10.88.0.2") in error["details"]


def test_status_counts_what_is_reserved(host: Host, ours: Network, version: str) -> None:
    if version != "1.1.0":
        return
    ours.config["ipam"]["ranges"] = [[{"subnet": "10.88.0.0/30"}]]
    container = attach(host, ours)
    assert ours.do("STATUS", container, "eth0").error()["code"] == 50
    ours.delete(container).assert_silent_success()
    ours.do("STATUS", container, "eth0").assert_silent_success()


def test_a_second_add_does_not_hurt_what_the_reference_has_made(
    host: Host, network: Network
) -> None:
    container = attach(host, network)
    assert (
        Network(network.plugin, network.config, environment=network.environment)
        .add(container)
        .error()
    )
    assert container.can_ping("10.88.0.1")
    network.check(container)
    network.delete(container).assert_silent_success()


def test_an_add_without_host_locals_directory_pays_one_look(
    host: Host, ours: Network, tmp_path: Path
) -> None:
    log = tmp_path / "strace.log"
    plain = ours.plugin
    ours.plugin = replace(plain, prefix=("strace", "-f", "-o", str(log), "-e", "trace=file"))
    ours.add(host.container()).result()
    ours.plugin = plain
    looks = [line for line in log.read_text().splitlines() if "/var/lib/cni" in line]
    assert len(looks) == 1, looks


def test_reservations_that_can_not_be_read_stop_an_add(host: Host, ours: Network) -> None:
    RESERVATIONS.parent.mkdir(parents=True)
    RESERVATIONS.write_text("not a directory")
    assert ours.add(host.container()).error()["code"] == 5
    RESERVATIONS.unlink()
