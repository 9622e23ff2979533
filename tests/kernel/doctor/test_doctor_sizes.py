"""`cni-bridge doctor` and MTUs: what the config, the host end, and the way out allow."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.kernel.conftest import MakeNetwork
from tests.lab import PLUGIN, Container, Host
from tests.lab.clinic import doctor, findings, host_end, write
from tests.lab.iproute import ip, ip_json

Harm = Callable[[Container], object]
MTUS: dict[str, tuple[Harm, str]] = {
    "smaller": (lambda c: c.ip("link", "set", "eth0", "mtu", "1280"), "c1 eth0 has MTU 1280"),
    "larger": (lambda c: c.ip("link", "set", "eth0", "mtu", "1500"), "c1 eth0 has MTU 1500"),
    "host end's": (lambda _: ip("link", "set", host_end(), "mtu", "1300"), "has MTU 1300"),
}


@pytest.mark.parametrize("harm", MTUS)
def test_an_mtu_that_the_config_does_not_want_is_found_and_mended(
    harm: str, conf: Path, host: Host, make_network: MakeNetwork
) -> None:
    network = make_network(mtu=1400)
    write(conf, network.config)
    container = host.container()
    network.add(container).result()
    assert findings(conf) == []
    act, words = MTUS[harm]
    act(container)
    (found,) = findings(conf)
    assert (found["check"], found["is_fixable"]) == ("mtu", True)
    assert words in found["cause"]
    assert found["cause"].endswith("the config has 1400")
    assert doctor(conf, "--fix").status == 0
    assert container.link()["mtu"] == ip_json("link", "show", host_end())[0]["mtu"] == 1400


def test_an_mtu_that_a_later_plugin_may_have_lowered_is_left(
    conf: Path, host: Host, make_network: MakeNetwork
) -> None:
    network = make_network(mtu=1400)
    write(conf, network.config)
    file = conf / "testnet.conflist"
    chain = json.loads(file.read_text())
    chain["plugins"].append({"type": PLUGIN.name})
    file.write_text(json.dumps(chain))
    container = host.container()
    network.add(container).result()
    twice = "configs"  # the later plugin is cni-bridge again, as no other is installed
    container.ip("link", "set", "eth0", "mtu", "1280")
    assert [each["check"] for each in findings(conf)] == [twice]
    container.ip("link", "set", "eth0", "mtu", "1500")
    assert [each["check"] for each in findings(conf)] == [twice, "mtu"]


def test_an_mtu_below_the_host_ends_is_found_though_the_config_has_none(
    conf: Path, host: Host, container: Container
) -> None:
    container.ip("link", "set", "eth0", "mtu", "1300")
    (found,) = findings(conf)
    assert (found["check"], found["is_fixable"]) == ("mtu", True)
    assert found["cause"] == f"c1 eth0 has MTU 1300, its host end {host_end()} has 1500"
    assert found["effect"].startswith("larger packets to it are lost")
    assert not answers_to(1500)
    assert doctor(conf, "--fix").status == 0
    assert container.link()["mtu"] == 1500
    assert answers_to(1500)


def answers_to(size: int) -> bool:
    """Whether the container answers an echo request of so many bytes."""
    words = ("ping", "-c1", "-W1", "-M", "do", "-s", str(size - 28), "10.88.0.2")
    return subprocess.run(words, capture_output=True, check=False, timeout=30).returncode == 0


def test_an_mtu_above_the_way_outs_is_found(conf: Path, container: Container) -> None:
    for words in (
        "link add up0 type veth peer name up1",
        "link set up0 mtu 1400 up",
        "link set up1 mtu 1400 up",
        "addr add 192.0.2.7/24 dev up0",
        "neigh add 192.0.2.1 lladdr 02:00:00:00:00:01 dev up0 nud permanent",  # it answers
        "route add default via 192.0.2.1",
    ):
        ip(*words.split())
    (found,) = findings(conf)
    assert (found["check"], found["is_fixable"]) == ("mtu", True)
    assert "the uplink has 1400" in found["cause"]
    assert doctor(conf, "--fix").status == 0
    assert container.link()["mtu"] == 1400
    ip("link", "del", "up0")
