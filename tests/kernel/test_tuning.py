"""sysctl, mac, mtu, promisc, allmulti, txQLen on our own plugin entry; the reference after ours."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.kernel.conftest import MakeNetwork
from tests.lab import Container, Host, Network, Plugin, peer
from tests.lab.iproute import ip, ip_json
from tests.lab.namespaces import mount, visiting
from tests.lab.network import version_key

FORWARDING = "net/ipv4/conf/eth0/forwarding"
RANGE = "net/ipv4/ip_local_port_range"
TUNED = {
    "sysctl": {"net.ipv4.conf.IFNAME.forwarding": "1", RANGE: "20000 30000"},
    "promisc": True,
    "allmulti": True,
    "txQLen": 77,
    "mac": "02:00:00:00:00:07",
    "mtu": 1400,
}
TUNING = peer("tuning")


def parameter(container: Container, key: str) -> str:
    with visiting(container.netns):
        return (Path("/proc/sys") / key).read_text().strip()


def set_parameter(container: Container, key: str, value: str) -> None:
    with visiting(container.netns):
        (Path("/proc/sys") / key).write_text(value)


def host_end(network: Network) -> str:
    return str(ip_json("link", "show", "master", network.bridge)[0]["ifname"])


def test_everything_is_set_and_reported(
    host: Host, make_network: MakeNetwork, version: str
) -> None:
    network = make_network(**TUNED)
    container = host.container()
    result = network.add(container).result()
    link = container.link()
    assert parameter(container, FORWARDING) == "1"
    assert parameter(container, RANGE).split() == ["20000", "30000"]
    assert {"PROMISC", "ALLMULTI"} <= set(link["flags"])
    assert (link["txqlen"], link["mtu"], link["address"]) == (77, 1400, TUNED["mac"])
    if version_key(version) >= (0, 3, 0):
        assert result["interfaces"][-1]["mac"] == TUNED["mac"]
    if version_key(version) >= (1, 1, 0):
        assert [each["mtu"] for each in result["interfaces"]] == [1400, 1400, 1400]
    if network.has_check:
        network.check(container).assert_silent_success()


def test_sysctls_of_the_interface_hold_before_it_is_up(
    host: Host, make_network: MakeNetwork
) -> None:
    no_link_local = {"net.ipv6.conf.IFNAME.addr_gen_mode": "1"}  # the kernel looks when it comes up
    container = host.container()
    make_network(sysctl=no_link_local).add(container).result()
    assert "fe80::" not in str(container.addresses())
    assert "fe80::" not in container.ip("-6", "addr", "show", "dev", "eth0")


def test_without_the_keys_nothing_is_touched(host: Host, network: Network) -> None:
    container = host.container()
    before = parameter(container, RANGE)
    network.add(container).result()
    assert parameter(container, RANGE) == before
    assert not {"PROMISC", "ALLMULTI"} & set(container.link()["flags"])


Change = Callable[[Network, Container], object]
CHANGES: dict[str, Change] = {
    "sysctl": lambda _, c: set_parameter(c, FORWARDING, "0"),
    "sysctl of two numbers": lambda _, c: set_parameter(c, RANGE, "20000 30001"),
    "promisc": lambda _, c: c.ip("link", "set", "eth0", "promisc", "off"),
    "allmulti": lambda _, c: c.ip("link", "set", "eth0", "allmulticast", "off"),
    "txQLen": lambda _, c: c.ip("link", "set", "eth0", "txqueuelen", "78"),
    "mac": lambda _, c: c.ip("link", "set", "eth0", "address", "02:00:00:00:00:08"),
    "mtu of the container end": lambda _, c: c.ip("link", "set", "eth0", "mtu", "1500"),
    "mtu of the host end": lambda n, _: ip("link", "set", host_end(n), "mtu", "1300"),
}


@pytest.mark.parametrize("version", ["0.4.0", "1.1.0"])
@pytest.mark.parametrize("change", CHANGES)
def test_check_notices_each_change_made_by_hand(
    change: str, host: Host, make_network: MakeNetwork
) -> None:
    network = make_network(**TUNED)
    container = host.container()
    network.add(container).result()
    CHANGES[change](network, container)
    error = network.check(container).error()
    assert error["code"] == 120, error
    assert len(error["details"].splitlines()) in (1, 2), error


@pytest.mark.parametrize("version", ["1.1.0"])
def test_a_parameter_that_can_only_be_written_is_written(
    host: Host, make_network: MakeNetwork
) -> None:
    network = make_network(sysctl={"net.ipv4.route.flush": "1"})
    container = host.container()
    network.add(container).result()
    network.check(container).assert_silent_success()


@pytest.mark.parametrize("version", ["1.1.0"])
def test_a_parameter_that_can_not_be_read_before_it_is_set_is_set(
    host: Host, make_network: MakeNetwork
) -> None:
    secret = "2001:0db8:0000:0000:0000:0000:0000:0001"
    network = make_network(
        sysctl={"net.ipv6.conf.IFNAME.stable_secret": secret}, ipv6LinkLocal=True
    )
    container = host.container()
    network.add(container).result()
    network.check(container).assert_silent_success()
    assert parameter(container, "net/ipv6/conf/eth0/stable_secret") == secret


@pytest.mark.parametrize("version", ["1.1.0"])
@pytest.mark.parametrize(
    ("changes", "code", "words"),
    [
        ({"sysctl": {"kernel.shmmax": "1"}}, 7, "invalid net sysctl key"),
        ({"sysctl": {"net.ipv4.absent": "1"}}, 2, "no such parameter"),
        ({"sysctl": {"net.ipv4.ip_local_port_range": "x"}}, 110, "can't be set to 'x'"),
        ({"sysctl": {"net.core.somaxconn": "1", "net/core/somaxconn": "2"}}, 7, "duplicated"),
    ],
)
def test_a_sysctl_that_can_not_be_set_is_refused_and_leaves_nothing(
    changes: dict[str, object], code: int, words: str, host: Host, make_network: MakeNetwork
) -> None:
    network = make_network(**changes)
    error = network.add(host.container()).error()
    assert (error["code"], words in error["msg"]) == (code, True), error
    host.assert_as_before()


@pytest.mark.parametrize("version", ["1.1.0"])
@pytest.mark.parametrize(
    ("lines", "code"),
    [
        ("^net.ipv4.conf.IFNAME\n\n  local_port_r  \n", 0),  # a match anywhere will do
        ("^net.ipv4.conf.IFNAME\n", 7),
        ("", 7),
        ("(\n", 7),
    ],
)
def test_the_hosts_allow_list_decides_which_sysctls_may_be_set(
    lines: str, code: int, host: Host, make_network: MakeNetwork
) -> None:
    mount("tmpfs", "/etc", "tmpfs")  # of this private host alone
    directory = Path("/etc/cni/tuning")
    directory.mkdir(parents=True)
    (directory / "allowlist.conf").write_text(lines)
    run = make_network(**TUNED).add(host.container())
    if not code:
        run.result()
        return
    assert run.error()["code"] == code
    host.assert_as_before()
    assert not [line for line in host.changes() if "cni0" in line], "something was done before"


@pytest.mark.parametrize("version", ["1.1.0"])
def test_args_change_keys_of_the_config_and_add_none(host: Host, make_network: MakeNetwork) -> None:
    asked = {"sysctl": {"net/core/somaxconn": "99"}, "txQLen": 5, "promisc": True, "mtu": 1300}
    network = make_network(
        sysctl={"net.core.somaxconn": "98"}, mtu=1400, txQLen=77, args={"cni": asked}
    )
    container = host.container()
    network.add(container).result()
    link = container.link()
    assert parameter(container, "net/core/somaxconn") == "99"
    assert (link["txqlen"], link["mtu"]) == (5, 1300)
    assert "PROMISC" not in link["flags"]
    network.check(container).assert_silent_success()


@pytest.mark.parametrize("version", ["1.0.0"])
def test_the_reference_tuning_works_after_ours(host: Host, network: Network) -> None:
    assert TUNING.is_file(), "run `make peers`"
    container = host.container()
    first = network.add(container).result()
    asked = {"mac": "02:00:00:00:00:09", "mtu": 1300, "promisc": True}
    tuning = Network(Plugin.at(TUNING), {**network.config, "type": "tuning", **asked})
    second = tuning.add(container, config={"prevResult": first}).result()
    (attachment,) = network.results
    network.results[attachment] = second
    for each in (network, tuning):
        each.check(container).assert_silent_success()
    tuning.delete(container).assert_silent_success()
