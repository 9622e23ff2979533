"""STATUS: where an ADD would fail, it says so in the same words, and changes nothing."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.kernel.conftest import MakeNetwork
from tests.lab import Host, Json, Network, Plugin
from tests.lab.iproute import ip
from tests.lab.namespaces import freeze_sysctls
from tests.lab.people import command
from tests.lab.wire import wire

NOT_AVAILABLE = 50


def write(path: str, value: str) -> None:
    Path(path).write_text(value)


def add_veth() -> None:
    """Make an interface of the bridge's name that is none."""
    ip("link", "add", "cni0", "type", "veth", "peer", "name", "far")


def add_bridge(*words: str) -> None:
    """Make the network's bridge by hand, with an address."""
    ip("link", "add", "cni0", "type", "bridge")
    ip("addr", "add", *words, "dev", "cni0")


def add_small_bridge() -> None:
    """Make the network's bridge by hand, too small for IPv6."""
    ip("link", "add", "cni0", "type", "bridge")
    ip("link", "set", "cni0", "mtu", "1000")


def without_ipv6() -> None:
    for which in ("all", "default"):
        write(f"/proc/sys/net/ipv6/conf/{which}/disable_ipv6", "1")


def read_only_sysctls() -> None:
    write("/proc/sys/net/ipv4/ip_forward", "0")
    write("/proc/sys/net/ipv6/conf/default/accept_ra", "0")
    freeze_sysctls()


def open_state_directory() -> None:
    state = Path("/run/cni-bridge")
    state.mkdir(exist_ok=True)
    state.chmod(0o777)


# What is broken on the host, and a word of why.
HARMS: dict[str, tuple[Callable[[], object], str]] = {
    "another address": (lambda: add_bridge("10.88.0.9/16"), "already has an IP address"),
    "another IPv6 address": (
        lambda: add_bridge("fd00:88::9/48", "nodad"),
        "already has an IP address",
    ),
    "no bridge": (add_veth, "already exists but is not a bridge"),
    "IPv6 disabled": (without_ipv6, "IPv6"),
    "read-only sysctls that let a container be a router": (freeze_sysctls, "accept_ra"),
    "read-only sysctls": (read_only_sysctls, "net/ipv4/ip_forward"),
    "a bridge on which IPv6 does not fit": (add_small_bridge, "expected an MTU of 1280 or more"),
    "state directory of everyone": (open_state_directory, "/run/cni-bridge"),
}


@pytest.fixture
def version() -> str:
    """Return the first version with STATUS."""
    return "1.1.0"


@pytest.fixture
def harm(request: pytest.FixtureRequest, host: Host) -> str:
    """Break the host."""
    work, words = HARMS[request.param]
    work()
    host.remember()
    return words


@pytest.mark.parametrize("harm", HARMS, indirect=True)
@pytest.mark.parametrize("ipam_type", ["cni-bridge", "host-local"])
def test_status_and_add_agree(
    harm: str, ipam_type: str, host: Host, make_network: MakeNetwork
) -> None:
    # A default gateway needs a host with IPv6; what is only a gateway does not.
    network = make_network({"type": ipam_type}, isDefaultGateway=True)
    container = host.container()
    before = host.state()
    status = network.do("STATUS", container, "eth0")
    assert host.state() == before
    added = network.add(container)
    assert (status.status == 0) == (added.status == 0), (status, added)
    if added.status:
        assert status.error()["code"] == NOT_AVAILABLE
        assert harm in status.error()["msg"]


@pytest.mark.parametrize("ipam_type", ["cni-bridge", "host-local"])
def test_status_is_silent_before_and_after_an_add(
    ipam_type: str, host: Host, make_network: MakeNetwork
) -> None:
    network = make_network({"type": ipam_type}, isDefaultGateway=True, ipMasq=True)
    container = host.container()
    network.do("STATUS", container, "eth0").assert_silent_success()
    network.add(container).result()
    network.do("STATUS", container, "eth0").assert_silent_success()


@pytest.mark.parametrize("change", [{"forceAddress": True}, {"isGateway": False}])
def test_an_address_that_add_does_not_mind_is_fine(
    change: Json, host: Host, make_network: MakeNetwork
) -> None:
    add_bridge("10.88.0.9/16")
    network = make_network(**change)
    network.do("STATUS", host.container(), "eth0").assert_silent_success()


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"mtu": 67, "ipam": {}}, "mtu: expected 68 or more"),
        ({"sysctl": {"net.ipv4.no_such_key": "1"}}, "net.ipv4.no_such_key"),
        ({"sysctl": {"net.ipv4.conf.IFNAME.no_such_key": "1"}}, "IFNAME.no_such_key"),
    ],
    ids=["an MTU below the kernel's", "an unknown sysctl", "an unknown sysctl of the interface"],
)
def test_a_config_that_no_add_can_carry_out_is_reported(
    change: Json, word: str, host: Host, make_network: MakeNetwork
) -> None:
    network = make_network(**change)
    runs = [network.do("STATUS", host.container(), "eth0"), network.add(host.container())]
    assert all(word in run.error()["msg"] for run in runs)


@pytest.mark.parametrize(
    ("routes", "reason"),
    [
        (
            [{"dst": "10.9.0.0/16", "gw": "192.0.2.77"}],
            "route 10.9.0.0/16 via 192.0.2.77: the gateway is in none of the container's subnets",
        ),
        (
            [{"dst": "fd09::/64", "gw": "fd08::1"}, {"dst": "fd08::/64", "gw": "::"}],
            "route fd09::/64 via fd08::1: the gateway is in none of the container's subnets",
        ),
        (
            [{"dst": "10.9.0.0/16", "gw": "10.88.255.255"}],
            "route 10.9.0.0/16 via 10.88.255.255: the gateway is the broadcast address of 10.88.0.0/16",
        ),
        (
            [{"dst": "fd09::/64", "gw": "ff02::1"}],
            "route fd09::/64 via ff02::1: the gateway is a multicast address",
        ),
        (
            [{"dst": "10.9.0.0/16", "scope": 253}],
            "route 10.9.0.0/16 via 10.88.0.1: scope 253 is for destinations on the link, but the "
            "route has a gateway",
        ),
    ],
    ids=["elsewhere", "a later route", "broadcast", "multicast", "scope link"],
)
def test_a_route_that_the_kernel_refuses_is_reported_alike_everywhere(
    routes: list[Json], reason: str, host: Host, make_network: MakeNetwork
) -> None:
    network = make_network({"routes": routes})
    status = network.do("STATUS", host.container(), "eth0").error()
    added = network.add(host.container()).error()
    assert (status["code"], status["msg"]) == (NOT_AVAILABLE, reason)
    assert (added["code"], added["msg"]) == (110, reason)
    assert "add route" in added["details"], "the kernel's own words are there too"
    report = command("validate", "-", stdin=json.dumps(network.config))
    assert f"error: {reason}" in report.stdout


def test_a_sysctl_that_only_the_container_has_is_no_reason_to_fail(
    host: Host, make_network: MakeNetwork
) -> None:
    network = make_network(sysctl={"net/ipv4/conf/of_a_later_plugin/forwarding": "1"})
    network.do("STATUS", host.container(), "eth0").assert_silent_success()


@pytest.mark.parametrize("ipam_type", ["cni-bridge", "host-local"])
def test_an_exhausted_range_is_reported(
    ipam_type: str, host: Host, make_network: MakeNetwork
) -> None:
    network = make_network({"type": ipam_type, "ranges": [[{"subnet": "10.88.0.0/30"}]]})
    container = host.container()
    network.add(container).result()
    assert network.do("STATUS", container, "eth0").error()["code"] == NOT_AVAILABLE
    network.delete(container).assert_silent_success()
    network.do("STATUS", container, "eth0").assert_silent_success()


def test_a_resolver_file_that_can_not_be_read_is_reported(
    host: Host, make_network: MakeNetwork
) -> None:
    network = make_network({"resolvConf": "/run/no-such-file"})
    error = network.do("STATUS", host.container(), "eth0").error()
    assert error["code"] == NOT_AVAILABLE
    assert "/run/no-such-file" in error["msg"]


def test_an_ipam_plugin_that_can_not_be_executed_is_reported(
    host: Host, make_network: MakeNetwork, tmp_path: Path
) -> None:
    (tmp_path / "broken").write_text("no program")
    network = make_network({"type": "broken"})
    network.environment["CNI_PATH"] = str(tmp_path)
    error = network.do("STATUS", host.container(), "eth0").error()
    assert error["code"] == NOT_AVAILABLE
    assert str(tmp_path / "broken") in error["msg"]


def test_a_wire_whose_ends_are_both_taken_is_reported(host: Host, plugin: Plugin) -> None:
    network: Network = host.network(plugin, wire(plugin))
    containers = [host.container() for _ in range(2)]
    for container in containers:
        network.do("STATUS", container, "eth0").assert_silent_success()
        network.add(container).result()
    error = network.do("STATUS", containers[0], "eth0").error()
    assert error["code"] == NOT_AVAILABLE
    assert "both ends are taken" in error["msg"]


def test_as_another_plugins_ipam_no_bridge_is_looked_at(
    host: Host, make_network: MakeNetwork
) -> None:
    add_veth()
    network = make_network()
    network.config["type"] = "ptp"
    network.do("STATUS", host.container(), "eth0").assert_silent_success()
    ip("link", "del", "cni0")
